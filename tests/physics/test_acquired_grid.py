"""A scan that was zero-filled or interpolated is enhanced from the samples that it holds, and says so."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import noisy_head
from scipy import ndimage
from tiny_models import tiny_model

from medsr.affine import resized
from medsr.enhancement.assumed import acquisition_for, told_by_voxels
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError, UsageError
from medsr.physics.acquired_grid import acquired_samples, over_field_of_view, seen_from, stored_finer_said
from medsr.physics.acquisition import on_grids
from medsr.physics.interpolation import moved

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


STORED = {"zero-filled": zero_filled(NATIVE), "linear": interpolated(NATIVE, 1), "cubic": interpolated(NATIVE, 3)}
TAKEN_BACK = "stored on a finer grid"


def held(scan, settings=QUICK):
    return acquired_samples(scan, acquisition_for(scan, settings))


def says(result):
    return [line for line in result.record.warnings if TAKEN_BACK in line]


@pytest.mark.parametrize("kind", STORED)
def test_it_is_recognised_and_its_samples_are_those_that_were_acquired(kind):
    stored = STORED[kind]
    samples = held(stored)
    np.testing.assert_allclose(samples.affine, NATIVE.affine, atol=1e-9)
    off = np.abs(samples.data - NATIVE.data)[6:-6, 6:-6, 6:-6]
    assert np.sqrt(np.mean(off**2)) < 1e-3 * np.ptp(NATIVE.data)


@pytest.mark.parametrize("change", [lambda data: data, lambda data: ndimage.gaussian_filter(data, 0.6)])
def test_other_scans_are_left_alone(change):
    scan = NATIVE.with_data(change(np.array(NATIVE.data)))
    assert held(scan) is None
    assert not says(enhance(scan, MODEL, QUICK))


def test_where_not_every_axis_is_refined_or_little_is_seen_nothing_is_taken_back():
    stored = STORED["zero-filled"]
    assert held(stored, replace(QUICK, factors=(1, 1, 2))) is None
    few = zero_filled(NATIVE.with_data(np.ascontiguousarray(NATIVE.data[:, :, 16:23])))
    assert held(few) is None


def test_an_axis_that_was_interpolated_alone_is_taken_back_alone_if_it_is_refined():
    stored = NATIVE.with_data(
        ndimage.zoom(NATIVE.data, (1, 1, 5), order=1, mode="nearest", grid_mode=True),
        resized(NATIVE.affine, NATIVE.shape, (*NATIVE.shape[:2], 5 * NATIVE.shape[2])),
    )
    samples = held(stored)
    assert samples.shape == NATIVE.shape
    np.testing.assert_allclose(samples.data, NATIVE.data, atol=1e-3 * np.ptp(NATIVE.data))
    assert "axis 2 5 times" in stored_finer_said(stored, samples)
    assert "axis 0" not in stored_finer_said(stored, samples)
    assert held(stored, replace(QUICK, factors=(2, 2, 1))) is None


def from_the_first(scan, factor):
    """Linear interpolation along the last axis that keeps the first and the last sample where they are."""
    n = scan.shape[2]
    data = ndimage.zoom(scan.data, (1, 1, ((n - 1) * factor + 1) / n), order=1)
    return scan.with_data(data, scan.affine @ np.diag([1, 1, 1 / factor, 1]))


def test_samples_stay_where_they_lie_between_the_voxels():
    samples = held(from_the_first(NATIVE, 5))
    np.testing.assert_allclose(samples.affine, NATIVE.affine, atol=1e-6)
    np.testing.assert_allclose(samples.data, NATIVE.data, atol=1e-3 * np.ptp(NATIVE.data))


def test_for_a_grid_that_is_asked_for_they_are_moved_to_cover_the_scan():
    stored = from_the_first(NATIVE, 5)
    covering = over_field_of_view(held(stored), stored)
    assert covering.shape == NATIVE.shape
    np.testing.assert_allclose(covering.affine, resized(stored.affine, stored.shape, NATIVE.shape), atol=1e-6)
    places = np.arange(NATIVE.shape[2]) + (covering.affine[2, 3] - NATIVE.affine[2, 3]) / NATIVE.spacing_mm[2]
    places = places[0] + (places - places[0]) * covering.spacing_mm[2] / NATIVE.spacing_mm[2]
    expected = moved(np.moveaxis(NATIVE.data, 2, 0), places)
    np.testing.assert_allclose(np.moveaxis(covering.data, 2, 0), expected, atol=1e-3 * np.ptp(NATIVE.data))
    result = enhance(stored, MODEL, QUICK)
    assert says(result)
    assert result.volume.shape == acquisition_for(stored, QUICK).fine_shape
    np.testing.assert_allclose(result.volume.affine, acquisition_for(stored, QUICK).fine_affine)


def test_without_one_the_result_is_that_of_the_samples():
    asked = replace(QUICK, factors=None, profile="auto")
    native = NATIVE.with_data(np.ascontiguousarray(NATIVE.data[:, :, ::4]), NATIVE.affine @ np.diag([1, 1, 4, 1]))
    result = enhance(from_the_first(native, 4), MODEL, asked)
    assert says(result)
    np.testing.assert_allclose(result.volume.affine, acquisition_for(native, asked).fine_affine, atol=1e-6)
    assert result.volume.shape == acquisition_for(native, asked).fine_shape


def test_the_default_grid_is_that_of_the_samples():
    native = replace(NATIVE, affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    asked = replace(QUICK, factors=None)
    result = enhance(interpolated(native, 1), MODEL, asked)
    assert says(result)
    assert result.volume.shape == acquisition_for(native, asked).fine_shape


def test_the_result_lies_on_the_grid_that_was_asked_for():
    stored = STORED["zero-filled"]
    result = enhance(stored, MODEL, QUICK)
    acquisition = acquisition_for(stored, QUICK)
    assert says(result)
    assert result.volume.shape == acquisition.fine_shape
    np.testing.assert_allclose(result.volume.affine, acquisition.fine_affine)
    assert result.record.input["shape"] == list(stored.shape)
    assert result.record.task["coarse_shape"] == list(NATIVE.shape)
    assert told_by_voxels(stored, QUICK)[1].coarse_shape == NATIVE.shape
    told = enhance(stored, MODEL, replace(QUICK, profile="kspace"))
    assert not says(told)
    assert told.record.task["coarse_shape"] == list(stored.shape)


def test_a_region_in_voxels_of_the_stored_scan_is_widened_to_whole_samples():
    stored = STORED["zero-filled"]
    asked = replace(QUICK, factors=(2,))
    whole = enhance(stored, MODEL, asked).volume
    part = enhance(stored, MODEL, replace(asked, region=((21, 20, 20), (40, 41, 40)))).volume
    assert part.shape == (40, 44, 40)
    np.testing.assert_allclose(part.data, whole.data[40:80, 40:84, 40:80], atol=0.033 * np.ptp(stored.data))


@pytest.mark.parametrize("scan", [NATIVE, STORED["linear"]])
def test_a_region_that_reaches_beyond_the_stored_scan_is_refused(scan):
    stop = tuple(n + 1 for n in scan.shape)
    with pytest.raises(UsageError, match=rf"ends at voxel {re.escape(str(stop))} .*{re.escape(str(scan.shape))}"):
        enhance(scan, MODEL, replace(QUICK, region=((0, 0, 0), stop)))


def interpolated_slices(mm, factor):
    """Slices every so many mm, interpolated linearly to as many voxels each."""
    every = NATIVE.affine @ np.diag([1, 1, mm / NATIVE.spacing_mm[2], 1])
    data = ndimage.zoom(NATIVE.data, (1, 1, factor), order=1, mode="nearest", grid_mode=True)
    return NATIVE.with_data(data, resized(every, NATIVE.shape, data.shape))


def test_a_refusal_for_the_samples_says_that_they_are_meant_and_how_to_avoid_it():
    spec = replace(MODEL.spec, envelope=replace(MODEL.spec.envelope, max_coarse_mm=10.0))
    said = r"slices every 15 mm .*axis 2 5 times.*--profile kspace takes it as it is stored$"
    with pytest.raises(EnvelopeError, match=said):
        enhance(interpolated_slices(15, 5), replace(MODEL, spec=spec), EnhanceSettings(flips=0))


@pytest.mark.parametrize("factors", [None, (1, 1, 2)])
def test_a_thickness_is_that_of_the_samples(factors):
    stored = interpolated_slices(15, 5)
    asked = EnhanceSettings(flips=0, force=True, factors=factors)
    for scan, settings in ((stored, replace(asked, thickness_mm=15.0)), (replace(stored, thickness_mm=15.0), asked)):
        record = enhance(scan, MODEL, settings).record
        assert record.task["fwhm_mm"][2] == pytest.approx(15.0)
        assert not [line for line in record.warnings if "--thickness" in line]
    with pytest.raises(UsageError, match="90 mm thick every 15 mm"):
        enhance(stored, MODEL, replace(asked, thickness_mm=90.0))


def test_nothing_is_assumed_of_the_samples_yet():
    stored = STORED["zero-filled"]
    acquisition = seen_from(held(stored), acquisition_for(stored, QUICK))
    assert acquisition.assumed == (None, None, None)
    assert acquisition.fine_shape == acquisition_for(stored, QUICK).fine_shape
