"""Laws of grids and operators in millimetres."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, affines, blank, shapes
from samplings import fwhms_mm

from medsr import affine as grids
from medsr.errors import UsageError
from medsr.model import DEFAULT_MODEL
from medsr.model.packaged import packaged_models
from medsr.model.weights_file import describe_model
from medsr.physics.acquisition import acquisition_of
from medsr.physics.ops import PROFILES


@given(affines(), shapes(2, 40), st.tuples(*[st.floats(1.0, 16.0)] * 3))
def test_both_grids_fill_the_same_field_of_view(matrix, shape, factors):
    scan = blank(shape, matrix)
    try:
        acquisition = acquisition_of(scan, factors=factors)
    except UsageError as error:
        assert "already has" in str(error)
        return
    fine = grids.fov_corners(acquisition.fine_affine, acquisition.fine_shape)
    assert np.abs(fine - grids.fov_corners(scan.affine, scan.shape)).max() < 1e-6
    assert np.abs(acquisition.coarse_affine - scan.affine).max() < 1e-6
    assert acquisition.coarse_shape == scan.shape
    for asked, got, n in zip(factors, acquisition.factors, shape, strict=True):
        assert got == 1 if asked < 1.05 else abs(got - asked) <= 0.5 / n + 1e-9


@given(affines(), shapes(2, 30), st.tuples(*[st.floats(1.0, 6.0)] * 3), st.sampled_from(PROFILES))
def test_the_operator_goes_from_the_fine_to_the_coarse_grid(matrix, shape, factors, profile):
    scan = blank(shape, matrix)
    try:
        acquisition = acquisition_of(scan, factors=factors, profile=profile)
    except UsageError:
        return
    for n, axis in enumerate(acquisition.op.axes):
        assert (axis is None) == (acquisition.fine_shape[n] == shape[n]) == (not acquisition.degraded[n])
        if axis is not None:
            assert (axis.n_fine, axis.n_coarse, axis.profile) == (acquisition.fine_shape[n], shape[n], profile)


@pytest.mark.parametrize(
    ("shape", "spacing", "fine_shape"),
    [
        ((20, 22, 24), (1.0, 1.0, 1.0), (40, 44, 48)),  # isotropic: half its spacing
        ((20, 22, 24), (1.0, 1.1, 1.2), (40, 44, 48)),  # nearly so: half of each
        ((40, 44, 6), (0.9, 0.9, 4.5), (40, 44, 30)),  # slices: the finest spacing, isotropic
        ((6, 44, 40), (4.0, 1.0, 0.67), (36, 66, 40)),
        ((20, 20, 20), (0.65, 0.65, 0.65), (37, 37, 37)),  # no finer than 0.35 mm
        ((40, 44, 6), (0.31, 0.31, 3.0), (40, 44, 51)),
        ((40, 44, 6), (0.43, 0.43, 6.0), (40, 44, 72)),  # no more than 12 times
        ((6, 44, 40), (5.0, 1.0, 0.5), (36, 88, 40)),  # where several axes change, no more than 6 times
    ],
)
def test_by_default_the_target_is_isotropic_at_the_finest_spacing(shape, spacing, fine_shape):
    acquisition = acquisition_of(blank(shape, affine(spacing)))
    assert acquisition.fine_shape == fine_shape


def test_a_spacing_may_be_one_number_or_three():
    scan = blank((10, 12, 8), affine((2.0, 2.0, 4.0)))
    assert acquisition_of(scan, spacing_mm=[1.0]).fine_shape == (20, 24, 32)
    assert acquisition_of(scan, spacing_mm=[1.0, 2.0, 1.0]).fine_shape == (20, 12, 32)
    assert acquisition_of(scan, spacing_mm=[1.0]).fine_spacing_mm == pytest.approx((1.0, 1.0, 1.0))
    assert acquisition_of(scan, factors=[2]).fine_shape == (20, 24, 16)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing_mm": [1.0], "factors": [2.0]},
        {"spacing_mm": [3.0]},
        {"spacing_mm": [2.0]},
        {"spacing_mm": [0.1]},
        {"spacing_mm": [0.0]},
        {"spacing_mm": [-1.0]},
        {"spacing_mm": [float("nan")]},
        {"spacing_mm": [float("inf")]},
        {"spacing_mm": [1.0, 1.0]},
        {"spacing_mm": []},
        {"factors": [1.0]},
        {"factors": [0.5]},
        {"factors": [17.0]},
        {"factors": [1e9]},
        {"factors": [2.0, 2.0, 2.0, 2.0]},
        {"factors": [2.0, float("nan"), 2.0]},
        {"factors": [2.0], "thickness_mm": 0.0},
        {"factors": [2.0], "thickness_mm": -3.0},
        {"factors": [2.0], "thickness_mm": float("nan")},
        {"factors": [2.0], "thickness_mm": float("inf")},
        {"factors": [2.0], "thickness_mm": 100.0},
    ],
    ids=str,
)
def test_requests_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError) as caught:
        acquisition_of(blank((10, 12, 8), affine((2.0, 2.0, 2.0))), **wrong)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_result_too_large_for_any_machine_is_refused():
    with pytest.raises(UsageError, match="voxels; the limit is"):
        acquisition_of(blank((200, 200, 20)), factors=[16.0])


def test_profiles_are_as_wide_as_the_spacing_unless_the_slices_are_known():
    scan = blank((40, 44, 6), affine((1.0, 1.0, 6.0)))
    assert fwhms_mm(acquisition_of(scan)) == [None, None, pytest.approx(6.0)]
    known = dataclasses.replace(scan, thickness_mm=4.0, slice_axis=2)
    assert fwhms_mm(acquisition_of(known)) == [None, None, pytest.approx(4.0)]
    assert fwhms_mm(acquisition_of(known, thickness_mm=5.0)) == [None, None, pytest.approx(5.0)]
    assert fwhms_mm(acquisition_of(known, factors=[2, 2, 6])) == [pytest.approx(v) for v in (1.0, 1.0, 4.0)]
    unnamed = dataclasses.replace(scan, thickness_mm=4.0)  # the coarsest axis is that of the slices
    assert fwhms_mm(acquisition_of(unnamed, factors=[2, 2, 6])) == [pytest.approx(v) for v in (1.0, 1.0, 4.0)]


def test_the_summary_is_what_the_record_needs():
    scan = dataclasses.replace(blank((40, 44, 6), affine((1.0, 1.0, 6.0))), thickness_mm=4.0, slice_axis=2)
    assert acquisition_of(scan, profile="trapezoid").summary() == {
        "factors": [1.0, 1.0, 6.0],
        "coarse_shape": [40, 44, 6],
        "fine_shape": [40, 44, 36],
        "coarse_spacing_mm": [1.0, 1.0, 6.0],
        "fine_spacing_mm": [1.0, 1.0, 1.0],
        "profile": ["trapezoid"],
        "fwhm_mm": [None, None, 4.0],
        "assumed": [
            None,
            None,
            {"profile": "trapezoid", "fwhm_mm": 4.0, "profile_from": "told", "fwhm_from": "header"},
        ],
    }


def test_a_thickness_is_that_of_the_slice_axis_even_where_another_axis_is_coarser():
    scan = dataclasses.replace(blank((10, 12, 8), affine((3.0, 1.0, 2.0))), slice_axis=2, thickness_mm=1.5)
    assert fwhms_mm(acquisition_of(scan, factors=[2, 1, 2])) == [pytest.approx(3.0), None, pytest.approx(1.5)]


@pytest.mark.parametrize(
    "spacing",
    [
        (0.43, 0.43, 6.0),
        (0.39, 0.39, 5.0),
        (0.31, 0.31, 3.0),
        (0.3, 0.3, 3.0),
        (0.667,) * 3,
        (0.8, 0.8, 7.0),
        (5, 1, 0.5),
        (2.5, 2.5, 4.0),
    ],
)
@pytest.mark.parametrize("n", [3, 4, 7, 22, 40])
def test_the_default_grid_lies_inside_the_envelope_of_the_packaged_model(spacing, n):
    """However few slices there are: their number is rounded inwards."""
    acquisition = acquisition_of(blank((40, 40, n), affine(spacing)))
    envelope = describe_model(packaged_models()[DEFAULT_MODEL]).envelope
    assert envelope.objections("MR", acquisition.factors, acquisition.fine_spacing_mm) == []


@pytest.mark.parametrize(
    ("spacing", "factors", "axis"), [((1, 1, 4), (1, 1, 4), 2), ((2, 1, 6), (2, 2, 1), 0), ((1, 3, 2), (2, 2, 2), 1)]
)
def test_the_coarsest_axis_is_one_of_those_that_were_degraded(spacing, factors, axis):
    assert acquisition_of(blank((12, 14, 16), np.diag([*spacing, 1.0])), factors=factors).coarsest_axis == axis
