"""SNR in flat tissue: right for white noise, the same boxes for every method, lowered by noise and raised by blur."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import head
from scipy import ndimage

from medsr.metrics.flat import flat_snr_db

SHAPE = (32, 34, 30)
RNG = np.random.default_rng(0)
TRUTH = head(SHAPE).data.astype(np.float64)
NOISE = RNG.standard_normal(SHAPE)
INTERIOR = np.zeros(SHAPE, dtype=bool)
INTERIOR[6:-6, 6:-6, 6:-6] = True


def test_white_noise_on_a_constant_is_measured_as_it_is():
    flat = np.full(SHAPE, 1e5)  # its squares lose the noise in single precision
    found = flat_snr_db((flat + 10 * NOISE).astype(np.float32), flat, INTERIOR, 1000.0)
    # the mean of the box, which it is measured about, takes one of 125 parts of the noise with it
    assert found == pytest.approx(20 * np.log10(1000 / 10) - 10 * np.log10(1 - 1 / 125), abs=0.2)


def test_noise_lowers_and_a_blur_raises_it():
    truth = np.where(np.arange(SHAPE[2]) < 18, 400.0, 600.0) * np.ones(SHAPE)
    noisy = truth + 20 * NOISE
    levels = [flat_snr_db(x, truth, INTERIOR, 700.0) for x in (truth + 40 * NOISE, noisy)]
    assert levels[1] - levels[0] == pytest.approx(20 * np.log10(2), abs=0.1)
    assert flat_snr_db(ndimage.gaussian_filter(noisy, 1.0), truth, INTERIOR, 700.0) > levels[1] + 6


def test_an_edge_is_not_flat_and_does_not_count():
    step = np.where(np.arange(SHAPE[0])[:, None, None] < 20, 0.0, 500.0) * np.ones(SHAPE)
    found = flat_snr_db(step + NOISE, step, INTERIOR, 500.0)
    assert found == pytest.approx(20 * np.log10(500), abs=0.3)


def test_no_noise_is_infinite_and_no_interior_is_no_number():
    assert flat_snr_db(np.ones(SHAPE), TRUTH, INTERIOR, 700.0) == np.inf
    assert np.isnan(flat_snr_db(TRUTH, TRUTH, np.zeros(SHAPE, dtype=bool), 700.0))
