"""A scan that was zero-filled or interpolated is enhanced from the samples that it holds, and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import noisy_head
from scipy import ndimage
from tiny_models import tiny_model

from medsr.affine import resized
from medsr.enhancement.assumed import acquisition_for, acquisition_of_voxels
from medsr.enhancement.enhancement import STORED_FINER, enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.acquired_grid import acquired_samples, is_stored_finer, seen_from
from medsr.physics.acquisition import on_grids

NATIVE = noisy_head(0)
MODEL = tiny_model(silent=True)
QUICK = EnhanceSettings(flips=0, noise=2.0, force=True, factors=(1.5,))


def interpolated(scan, order):
    shape = [2 * n for n in scan.shape]
    data = ndimage.zoom(scan.data, 2, order=order, mode="grid-constant", grid_mode=True)
    return scan.with_data(data, resized(scan.affine, scan.shape, shape))


def zero_filled(scan):
    """Twice as many samples of the same band, by the inverse of sampling in k-space."""
    shape = [2 * n for n in scan.shape]
    fine = resized(scan.affine, scan.shape, shape)
    op = on_grids(fine, tuple(shape), scan.shape, "kspace", None).op
    return scan.with_data(op.pinv(torch.from_numpy(np.array(scan.data))).numpy(), fine)


STORED = {"zero-filled": zero_filled(NATIVE), "cubic": interpolated(NATIVE, 3)}


@pytest.mark.parametrize("kind", STORED)
def test_it_is_recognised_and_its_samples_are_those_that_were_acquired(kind):
    stored = STORED[kind]
    assert is_stored_finer(stored, acquisition_for(stored, QUICK))
    samples = acquired_samples(stored)
    np.testing.assert_allclose(samples.affine, NATIVE.affine, atol=1e-9)
    off = np.abs(samples.data - NATIVE.data)[6:-6, 6:-6, 6:-6]
    assert np.sqrt(np.mean(off**2)) < (1e-3 if kind == "zero-filled" else 0.05) * np.ptp(NATIVE.data)


@pytest.mark.parametrize("change", [lambda data: data, lambda data: ndimage.gaussian_filter(data, 0.6)])
def test_other_scans_are_left_alone(change):
    scan = NATIVE.with_data(change(np.array(NATIVE.data)))
    assert not is_stored_finer(scan, acquisition_for(scan, QUICK))
    assert STORED_FINER not in enhance(scan, MODEL, QUICK).record.warnings


def test_where_not_every_axis_is_refined_or_little_is_seen_nothing_is_taken_back():
    stored = STORED["zero-filled"]
    assert not is_stored_finer(stored, acquisition_for(stored, replace(QUICK, factors=(1, 1, 2))))
    small = stored.with_data(np.ascontiguousarray(stored.data[:20, :20, :20]))
    assert not is_stored_finer(small, acquisition_for(small, QUICK))


def test_the_result_lies_on_the_grid_that_was_asked_for():
    stored = STORED["zero-filled"]
    result = enhance(stored, MODEL, QUICK)
    acquisition = acquisition_for(stored, QUICK)
    assert STORED_FINER in result.record.warnings
    assert result.volume.shape == acquisition.fine_shape
    np.testing.assert_allclose(result.volume.affine, acquisition.fine_affine)
    assert result.record.input["shape"] == list(stored.shape)
    assert result.record.task["coarse_shape"] == list(NATIVE.shape)
    assert acquisition_of_voxels(stored, QUICK).coarse_shape == NATIVE.shape
    told = enhance(stored, MODEL, replace(QUICK, profile="kspace"))
    assert STORED_FINER not in told.record.warnings
    assert told.record.task["coarse_shape"] == list(stored.shape)


def test_a_region_in_voxels_of_the_stored_scan_is_widened_to_whole_samples():
    stored = STORED["zero-filled"]
    asked = replace(QUICK, factors=(2,))
    whole = enhance(stored, MODEL, asked).volume
    part = enhance(stored, MODEL, replace(asked, region=((21, 20, 20), (40, 41, 40)))).volume
    assert part.shape == (40, 44, 40)
    np.testing.assert_allclose(part.data, whole.data[40:80, 40:84, 40:80], atol=0.033 * np.ptp(stored.data))


def test_nothing_is_assumed_of_the_samples_yet():
    stored = STORED["zero-filled"]
    acquisition = seen_from(acquired_samples(stored), acquisition_for(stored, QUICK))
    assert acquisition.assumed == (None, None, None)
    assert acquisition.fine_shape == acquisition_for(stored, QUICK).fine_shape
