"""Ripple and roughness in flat tissue are measured against cubic interpolation, where there is flat tissue."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import affine

from medsr.enhancement.flat_tissue import MOST_RIPPLE, InFlatTissue, in_flat_tissue, most_ripple
from medsr.model.intensity import Scale
from medsr.physics.acquisition import acquisition_of, with_assumed
from medsr.physics.assumption import Assumed
from medsr.volume import Volume

NOISE, SCALE = 2.0, Scale(0.0, 100.0)
RANDOM = np.random.default_rng(0)
TISSUE = Volume(RANDOM.normal(60, NOISE, (40, 40, 16)).astype(np.float32), affine((1.0, 1.0, 4.0)))
SLICES = acquisition_of(TISSUE, factors=(1, 1, 4))
CUBIC = SLICES.op.cubic(torch.from_numpy(np.array(TISSUE.data))).numpy()


def measured(x, scan=TISSUE, acquisition=SLICES, noise=NOISE):
    return in_flat_tissue(
        scan, scan.with_data(x.astype(np.float32), acquisition.fine_affine), acquisition, noise, SCALE
    )


def stripes(amplitude, axis=2, period=4):
    shape = [1, 1, 1]
    shape[axis] = CUBIC.shape[axis]
    return amplitude * np.cos(2 * np.pi * np.arange(CUBIC.shape[axis]) / period).reshape(shape)


def test_cubic_interpolation_has_one_of_each():
    found = measured(CUBIC)
    assert found.ripple == pytest.approx(1)
    assert found.roughness == pytest.approx(1)


def test_stripes_from_slice_to_slice_are_ripple_and_not_roughness():
    found = measured(CUBIC + stripes(8.0))
    within = CUBIC - np.stack([CUBIC[..., max(0, k - 2) : k + 2].mean(-1) for k in range(CUBIC.shape[2])], -1)
    assert found.ripple > 5
    assert found.ripple == pytest.approx(np.hypot(8 / np.sqrt(2), within.std()) / within.std(), rel=0.03)
    assert found.roughness == pytest.approx(1, abs=1e-3)


def test_what_is_as_strong_in_all_of_a_slice_and_its_neighbours_is_no_ripple():
    assert measured(CUBIC + 30).ripple == pytest.approx(1, abs=1e-3)


def test_noise_in_the_plane_is_roughness():
    alike = np.repeat(RANDOM.normal(0, 3 * NOISE, (40, 40, 1)), CUBIC.shape[2], axis=2)
    found = measured(CUBIC + alike)
    assert found.roughness > 2.5
    assert found.ripple == pytest.approx(1, abs=1e-3)


def test_the_worst_axis_counts():
    both = acquisition_of(TISSUE, factors=(2, 1, 4))
    cubic = both.op.cubic(torch.from_numpy(np.array(TISSUE.data))).numpy()
    wave = 8 * np.cos(np.pi * np.arange(cubic.shape[0]))[:, None, None]
    assert measured(cubic + wave, acquisition=both).ripple > 5


def test_air_and_detail_do_not_count():
    data = np.array(TISSUE.data)
    data[:20] = RANDOM.normal(0, NOISE, data[:20].shape)  # air
    data[20:28] += 40 * RANDOM.normal(size=data[20:28].shape)  # detail
    scan = TISSUE.with_data(data.astype(np.float32))
    cubic = SLICES.op.cubic(torch.from_numpy(np.array(scan.data))).numpy()
    loud = stripes(8.0) * (np.arange(40) < 28)[:, None, None]
    assert measured(cubic + loud, scan).ripple == pytest.approx(1, abs=0.01)


def test_without_flat_tissue_there_is_nothing_to_measure():
    assert measured(CUBIC, noise=0.1) == InFlatTissue(None, None)


def test_in_tissue_without_noise_what_nobody_sees_is_no_ripple():
    scan = TISSUE.with_data(np.full(TISSUE.shape, 60.0, np.float32))
    flat = np.full(CUBIC.shape, 60.0)
    assert measured(flat + stripes(0.01), scan, noise=0.0).ripple < 1
    assert measured(flat + stripes(1.0), scan, noise=0.0).ripple > 5


def test_where_every_axis_is_refined_there_is_no_plane():
    scan = Volume(np.array(TISSUE.data), affine((1.0, 1.0, 1.0)))
    acquisition = acquisition_of(scan, factors=(2, 2, 2))
    cubic = acquisition.op.cubic(torch.from_numpy(np.array(scan.data))).numpy()
    assert measured(cubic, scan, acquisition).roughness is None


def test_a_wide_profile_may_ripple_more():
    wide = (None, None, Assumed("gaussian", 6.0, "estimated", "estimated"))
    assert most_ripple(SLICES) == MOST_RIPPLE
    assert most_ripple(with_assumed(SLICES, wide)) == pytest.approx(MOST_RIPPLE * 1.5**2)
