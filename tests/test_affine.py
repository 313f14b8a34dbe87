"""Laws of the affine maths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, affines, shapes

from medsr import affine as grids
from medsr.errors import GeometryError


@given(affines(), shapes(1, 300), shapes(1, 300))
def test_resizing_keeps_the_corners_of_the_field_of_view(matrix, shape, new_shape):
    resized = grids.resized(matrix, shape, new_shape)
    before, after = grids.fov_corners(matrix, shape), grids.fov_corners(resized, new_shape)
    assert np.abs(before - after).max() < 1e-6


@given(affines(), shapes(1, 300), shapes(1, 300))
def test_resizing_there_and_back_changes_nothing(matrix, shape, new_shape):
    back = grids.resized(grids.resized(matrix, shape, new_shape), new_shape, shape)
    assert np.abs(back - matrix).max() < 1e-6


@given(affines(), shapes())
def test_spacing_scales_with_the_number_of_voxels(matrix, shape):
    doubled = grids.resized(matrix, shape, [2 * n for n in shape])
    np.testing.assert_allclose(grids.spacing_mm(doubled), grids.spacing_mm(matrix) / 2, rtol=1e-12)


@given(affines(), st.tuples(*[st.integers(-20, 20)] * 3), st.tuples(*[st.integers(0, 20)] * 3))
def test_a_crop_keeps_every_voxel_in_its_place(matrix, start, index):
    cropped = grids.crop(matrix, start)
    world = matrix @ [*np.add(start, index), 1]
    np.testing.assert_allclose(cropped @ [*index, 1], world, atol=1e-9)


@given(affines(), shapes(2, 6))
def test_turning_to_ras_keeps_every_voxel_in_its_place(matrix, shape):
    data = np.arange(np.prod(shape)).reshape(shape)
    turned, turned_affine = grids.to_ras(data, matrix)
    places = {int(data[i]): (matrix @ [*i, 1])[:3] for i in np.ndindex(*shape)}
    for i in np.ndindex(*turned.shape):
        np.testing.assert_allclose((turned_affine @ [*i, 1])[:3], places[int(turned[i])], atol=1e-8)


@given(affines(max_turn_deg=20))
def test_axes_turned_to_ras_run_right_anterior_superior(matrix):
    _, turned = grids.to_ras(np.zeros((2, 3, 4)), matrix)
    assert grids.axis_codes(turned) == "RAS"


@given(affines())
def test_a_rectilinear_affine_passes_unchanged(matrix):
    np.testing.assert_array_equal(grids.checked(matrix), matrix)


def test_checking_copies():
    matrix = np.eye(4)
    grids.checked(matrix)[0, 0] = 7
    assert matrix[0, 0] == 1


SHEARED = np.eye(4) + 0.05 * np.eye(4, k=1) * [[1], [0], [0], [0]]
PARALLEL = affine()
PARALLEL[:3, 1] = PARALLEL[:3, 0]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((4, 4)), "last row"),
        (np.diag([1.0, 1.0, 0.0, 1.0]), "spacing"),
        (np.diag([1.0, 1.0, 1e4, 1.0]), "spacing"),
        (np.diag([1.0, 1e200, 1.0, 1.0]), "spacing"),
        (PARALLEL, "singular"),
        (SHEARED, "sheared by up to 2.86 degrees"),
        (np.full((4, 4), np.nan), "not finite"),
        (np.diag([1.0, np.inf, 1.0, 1.0]), "not finite"),
        (np.eye(3), r"shape \(3, 3\)"),
        (np.diag([1.0, 1.0, 1.0, 2.0]), "last row"),
    ],
)
def test_what_is_no_regular_grid_is_refused(matrix, message):
    with pytest.raises(GeometryError, match=message):
        grids.checked(matrix)


@given(st.tuples(*[st.integers(1, 2**31)] * 3))
def test_whole_numbers_are_written_in_full(shape):
    assert grids.axes_text(shape) == grids.axes_text(np.array(shape)) == " x ".join(map(str, shape))


def test_other_numbers_are_written_with_four_digits():
    assert grids.axes_text((0.9375, 1.0, 2.99996)) == "0.9375 x 1 x 3"
