"""The error inside and outside the measured band, on waves that lie in one of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head

from medsr.metrics.bands import band_errors
from medsr.metrics.error import foreground_mask, nrmse

SHAPE = (24, 20, 16)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def cosine(axis: int, number: int) -> np.ndarray:
    """The cosine of the transform with that number, root mean square 1."""
    n = SHAPE[axis]
    wave = np.sqrt(2) * np.cos(np.pi * number * (np.arange(n) + 0.5) / n)
    return np.broadcast_to(wave.reshape([-1 if k == axis else 1 for k in range(3)]), SHAPE)


@pytest.mark.parametrize(
    ("axis", "number", "inside"), [(0, 7, True), (0, 8, False), (1, 19, True), (2, 3, True), (2, 4, False)]
)
def test_a_wave_counts_in_its_own_band(axis, number, inside):
    found = band_errors(5 * cosine(axis, number), np.zeros(SHAPE), EVERYWHERE, 10.0, (8, 20, 4))
    np.testing.assert_allclose(found, (0.5, 0) if inside else (0, 0.5), atol=1e-7)


@given(st.tuples(st.integers(1, 24), st.integers(1, 20), st.integers(1, 16)), st.integers(0, 5))
def test_the_squares_add_up_to_the_whole_error_of_the_mask(n_coarse, seed):
    reference = head(SHAPE).data
    mask = foreground_mask(reference, "MR")
    x = reference + 50 * np.random.default_rng(seed).standard_normal(SHAPE)
    inside, outside = band_errors(x, reference, mask, 700.0, n_coarse)
    assert inside**2 + outside**2 == pytest.approx(nrmse(x, reference, mask, 700.0) ** 2)


def test_white_noise_splits_by_the_share_of_the_band():
    x = np.random.default_rng(0).standard_normal((48, 48, 48))
    inside, outside = band_errors(x, np.zeros(x.shape), np.ones(x.shape, bool), 1.0, (24, 24, 48))
    assert inside**2 / (inside**2 + outside**2) == pytest.approx(1 / 4, rel=0.05)
