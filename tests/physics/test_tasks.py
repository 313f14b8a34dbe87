"""Named tasks as the table here has them, and what they keep of a scan."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, affines, blank, head, shapes
from samplings import fwhms_mm

from medsr import affine as grids
from medsr.errors import UsageError
from medsr.physics.acquisition import acquisition_of
from medsr.physics.tasks import TASKS, degradation, degrade, task_named

SHAPE = (60, 48, 30)
TABLE = [  # every number of the project rests on these; on a scan of 1 mm: factors, profile, widths in mm
    ("iso2", (2, 2, 2), "gaussian", (2, 2, 2)),
    ("iso4", (4, 4, 30 / 8), "gaussian", (4, 4, 30 / 8)),
    ("thick3", (1, 1, 3), "gaussian", (None, None, 3)),
    ("thick5", (1, 1, 5), "gaussian", (None, None, 5)),
    ("thick6", (1, 1, 6), "gaussian", (None, None, 6)),
    ("gap", (1, 1, 5), "trapezoid", (None, None, 4)),
    ("plane2", (2, 2, 1), "kspace", (2, 2, None)),
    ("noisy2", (2, 2, 2), "gaussian", (2, 2, 2)),
]


def corners(volume):
    return grids.fov_corners(volume.affine, volume.shape)


def sorted_corners(volume):
    return np.array(sorted(np.round(corners(volume), 4).tolist()))


def test_the_table_holds_every_task():
    assert [row[0] for row in TABLE] == list(TASKS)


@pytest.mark.parametrize(("name", "factors", "profile", "widths"), TABLE)
def test_tasks_are_those_of_the_table(name, factors, profile, widths):
    acquisition = degradation(blank(SHAPE), TASKS[name])
    assert acquisition.factors == pytest.approx(factors)
    assert acquisition.fine_shape == SHAPE
    assert {axis.profile for axis in acquisition.op.axes if axis is not None} == {profile}
    assert fwhms_mm(acquisition) == [width if width is None else pytest.approx(width) for width in widths]


@given(st.sampled_from(sorted(TASKS)), affines(max_turn_deg=20), shapes(2, 40))
def test_degrading_keeps_the_field_of_view(name, matrix, shape):
    """Whatever the orientation; a scan too coarse or too small for the task is refused."""
    scan = blank(shape, matrix)
    try:
        coarse, acquisition = degrade(scan, TASKS[name])
    except UsageError as error:
        assert "\n" not in str(error)
        return
    assert np.abs(sorted_corners(coarse) - sorted_corners(scan)).max() < 1e-3  # as a set: the axes were turned
    turned = scan.to_ras()
    assert np.abs(corners(coarse) - corners(turned)).max() < 1e-6
    assert coarse.shape == acquisition.coarse_shape
    assert np.abs(acquisition.fine_affine - turned.affine).max() < 1e-6


@pytest.mark.parametrize(
    ("spacing", "axis", "in_plane"),
    [
        ((1.0, 1.0, 1.0), 2, (0, 1)),
        ((0.9, 0.9, 5.0), 0, (0, 1)),  # axial slices: left-right is thickened
        ((5.0, 0.9, 0.9), 2, (1, 2)),  # sagittal slices: superior-inferior
        ((0.9, 5.0, 0.9), 2, (0, 2)),  # coronal slices
        ((0.9, 0.9, 1.4), 2, (0, 1)),  # not quite isotropic: still fine enough
    ],
)
def test_axes_too_coarse_are_never_degraded(spacing, axis, in_plane):
    scan = blank((40, 44, 48), affine(spacing))
    fine = [h < 1.6 * min(spacing) for h in spacing]
    thick, iso, plane = (degradation(scan, TASKS[name]).degraded for name in ("thick5", "iso2", "plane2"))
    assert thick == tuple(n == axis for n in range(3))
    assert iso == tuple(fine)
    assert plane == tuple(n in in_plane for n in range(3))


@pytest.mark.parametrize("name", ["thick3", "thick5", "gap"])
def test_a_scan_that_is_too_coarse_or_too_small_is_refused(name):
    with pytest.raises(UsageError, match="needs slices finer than"):
        degradation(blank((20, 20, 20), affine((5.0, 5.0, 5.0))), TASKS[name])
    with pytest.raises(UsageError, match="as they are"):
        degrade(blank((20, 20, 2)), TASKS[name])


def test_a_task_may_take_another_profile_and_unknown_ones_are_refused():
    assert task_named("iso2", "box") == dataclasses.replace(TASKS["iso2"], profile="box")
    assert task_named("iso2") is TASKS["iso2"]
    with pytest.raises(UsageError, match="no task is called 'iso3'; choose one of iso2, iso4"):
        task_named("iso3")


@pytest.mark.parametrize("name", [name for name in TASKS if name != "noisy2"])
def test_a_degraded_scan_is_the_operator_applied_to_the_reference(name):
    scan = head((40, 44, 30), turn_deg=(10, -5, 30))
    coarse, acquisition = degrade(scan, TASKS[name])
    expected = acquisition.op(torch.from_numpy(np.array(scan.to_ras().data))).numpy()
    np.testing.assert_array_equal(coarse.data, expected)


def test_a_stored_orientation_does_not_change_what_is_seen():
    scan = head((30, 36, 24))
    stored = blank((24, 30, 36), affine(axes=(2, 0, 1), flips=(1, -1, 1)))
    permuted = stored.with_data(np.ascontiguousarray(np.transpose(scan.data, (2, 0, 1))[:, ::-1]))
    for name in ("iso2", "thick5", "plane2"):
        ours, theirs = (degrade(volume, TASKS[name])[0] for volume in (scan, permuted))
        np.testing.assert_allclose(ours.data, theirs.data, atol=1e-3)
        assert grids.axis_codes(theirs.affine) == "RAS"


def test_noise_is_a_share_of_the_reference_and_rician():
    scan = head((60, 64, 56))
    clean, noisy = (degrade(scan, TASKS[name], seed=3)[0].data for name in ("iso2", "noisy2"))
    sigma = 0.02 * np.percentile(scan.data, 99)
    bright, air = clean > 400, clean < 0.1 * sigma
    assert (noisy - clean)[bright].std() == pytest.approx(sigma, rel=0.05)
    assert noisy[air].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.05)
    assert noisy.min() >= 0


def test_noise_of_ct_is_gaussian_and_in_hounsfield_units():
    scan = head((60, 64, 56), modality="CT")
    clean, noisy = (degrade(scan, TASKS[name], seed=3)[0].data for name in ("iso2", "noisy2"))
    assert (noisy - clean).std() == pytest.approx(20, rel=0.02)
    assert abs((noisy - clean).mean()) < 0.5


def test_noise_comes_from_the_seed():
    first, again, other = (degrade(head((20, 24, 20)), TASKS["noisy2"], seed)[0].data for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["iso2", "iso4", "thick3", "thick5", "thick6", "gap"])
@pytest.mark.parametrize("facts", [{}, {"thickness_mm": 1.0, "slice_axis": 2}, {"thickness_mm": 1.0, "slice_axis": 0}])
def test_the_operator_is_found_again_from_the_degraded_scan_alone(name, facts):
    """Sizes that the factors don't divide included, so slices are a little thicker than the task's name says."""
    scan = dataclasses.replace(blank((40, 44, 36)), **facts)
    coarse, acquisition = degrade(scan, TASKS[name])
    found = acquisition_of(coarse, spacing_mm=acquisition.fine_spacing_mm, profile=TASKS[name].profile)
    assert found.fine_shape == acquisition.fine_shape
    for ours, theirs in zip(found.op.axes, acquisition.op.axes, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert dataclasses.replace(ours, fwhm=theirs.fwhm) == theirs
            assert ours.fwhm == pytest.approx(theirs.fwhm)


@pytest.mark.parametrize(
    ("name", "shape"), [("iso2", (40, 44, 36)), ("thick5", (40, 44, 36)), ("thick5", (40, 44, 35))]
)
def test_by_default_the_grid_of_the_reference_is_found_again(name, shape):
    coarse, acquisition = degrade(blank(shape), TASKS[name])
    found = acquisition_of(coarse)
    assert found.fine_shape == shape
    assert np.abs(found.fine_affine - acquisition.fine_affine).max() < 1e-6


def test_slices_that_were_not_degraded_keep_their_thickness():
    scan = blank((40, 44, 10), affine((1.0, 1.0, 6.0)), thickness_mm=4.0, slice_axis=2)
    coarse, _ = degrade(scan, TASKS["iso2"])
    assert (coarse.thickness_mm, coarse.slice_axis) == (4.0, 2)


def test_a_wrong_assumption_changes_what_methods_assume_and_not_the_scan() -> None:
    scan, task = head((20, 24, 30)), dataclasses.replace(TASKS["thick3"], profile="box")
    coarse, true = degrade(scan, task)
    blurred, assumed = degrade(scan, dataclasses.replace(task, assumed_profile="gaussian", assumed_fwhm_mm=2.0))
    np.testing.assert_array_equal(coarse.data, blurred.data)
    assert (true.profile_text, assumed.profile_text) == ("box, S 3 mm", "gaussian, S 2 mm")
    assert assumed.coarse_shape == true.coarse_shape
    assert blurred.thickness_mm == pytest.approx(2.0)


def test_a_task_for_all_axes_refuses_thick_slices() -> None:
    task = dataclasses.replace(TASKS["iso2"], all_axes=True)
    assert degradation(head((20, 24, 30)), task).degraded == (True, True, True)
    with pytest.raises(UsageError, match="fine along every axis"):
        degradation(head((20, 24, 10), (1.0, 1.0, 3.0)), task)
