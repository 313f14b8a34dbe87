"""Sheared slices put upright: the same values at the same places in the body."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import affine

from medsr.affine import checked, spacing_mm
from medsr.io.dicom.tilt import upright


def field(ras: np.ndarray) -> np.ndarray:
    """A smooth picture of the body, everywhere above 0."""
    return 200 + 100 * np.sin(ras[..., 0] / 9) * np.cos(ras[..., 1] / 11 + ras[..., 2] / 13)


def places(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.moveaxis(np.indices(shape), 0, -1) @ matrix[:3, :3].T + matrix[:3, 3]


@settings(max_examples=10)
@given(lean_row=st.floats(-0.6, 0.6), lean_column=st.floats(-0.6, 0.6), turn=st.floats(-30, 30))
def test_values_stay_where_they_lie_in_the_body(lean_row, lean_column, turn):
    matrix = affine((1.0, 1.5, 3.0), turn_deg=(turn, 10, -turn), origin_mm=(10, -20, 30))
    matrix[:3, 2] += lean_row * matrix[:3, 0] + lean_column * matrix[:3, 1]
    data = field(places(matrix, (24, 20, 6))).astype(np.float32)
    moved, straight = upright(data, matrix)
    checked(straight)
    np.testing.assert_allclose(spacing_mm(straight), (1.0, 1.5, 3.0))
    source = (
        places(straight, moved.shape) @ np.linalg.inv(matrix[:3, :3]).T - np.linalg.inv(matrix[:3, :3]) @ matrix[:3, 3]
    )
    ends = np.array(data.shape) - 1
    well_inside = np.all((source[..., :2] > 3) & (source[..., :2] < ends[:2] - 3), axis=-1)
    np.testing.assert_allclose(moved[well_inside], field(places(straight, moved.shape))[well_inside], atol=1)
    outside = np.any((source[..., :2] < -0.51) | (source[..., :2] > ends[:2] + 0.51), axis=-1)
    assert np.all(moved[outside] == data.min())
    assert np.all((source[..., 2] > -1e-6) & (source[..., 2] < ends[2] + 1e-6))  # planes stay where they are


def test_what_is_upright_stays_as_it_is():
    data = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    matrix = affine((1, 1.5, 3), turn_deg=(5, 10, -20))
    moved, straight = upright(data, matrix)
    np.testing.assert_allclose(moved, data, atol=1e-5)
    np.testing.assert_allclose(straight, matrix, atol=1e-9)


def test_no_value_leaves_the_range_of_its_slice():
    data = np.random.default_rng(0).choice([0.0, 1000.0], (30, 30, 5)).astype(np.float32)
    data[..., 2] = 500
    matrix = affine((1, 1, 3))
    matrix[:3, 2] += 0.37 * matrix[:3, 0]
    moved, _ = upright(data, matrix)
    assert moved.min() == 0
    assert moved.max() == 1000
    assert set(np.unique(moved[..., 2])) == {0.0, 500.0}
