"""Scans without headers in the place of a series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dicom_phantoms import write_classic
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, affines, head

from medsr.affine import crop
from medsr.errors import UsageError
from medsr.io.dicom.places import check_same_place, on_axes_of, placed
from medsr.volume import Volume

DATA = np.random.default_rng(0).integers(0, 900, (8, 6, 4)).astype(np.int16)
MATRIX = affine((1, 1, 3), flips=(-1, -1, 1))


@given(affines(), st.permutations((0, 1, 2)), st.tuples(*[st.sampled_from((-1, 1))] * 3))
def test_axes_turned_and_back_are_the_same_scan(matrix, order, flips):
    volume = Volume(DATA, matrix, slice_axis=2)
    turn = np.eye(4)
    turn[:3, :3] = np.eye(3)[:, list(order)] * flips
    turned = on_axes_of(volume, matrix @ turn)
    np.testing.assert_allclose(turned.affine[:3, :3], (matrix @ turn)[:3, :3], atol=1e-9)
    again = on_axes_of(turned, matrix)
    np.testing.assert_array_equal(again.data, DATA)
    np.testing.assert_allclose(again.affine, matrix, atol=1e-9)
    assert again.slice_axis == 2
    assert turned.shape[turned.slice_axis] == 4


def test_a_volume_takes_modality_and_slices_of_the_series(tmp_path):
    write_classic(tmp_path, DATA, MATRIX, modality="CT")
    (scan,) = placed([Volume(DATA[:, :, ::-1], MATRIX @ np.diag([1, 1, -1, 1.0]) @ shifted(3))], tmp_path)
    np.testing.assert_array_equal(scan.volume.data, DATA)
    assert scan.volume.modality == "CT"
    assert len(scan.stack.frames) == 4


def shifted(k: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[2, 3] = -k
    return matrix


def test_part_of_the_field_of_view_is_the_same_place():
    whole = head((20, 20, 20))
    part = replace(whole, data=whole.data[5:15, 5:15, 5:15], affine=crop(whole.affine, (5, 5, 5)))
    check_same_place(part, whole)
    check_same_place(whole, part)


@pytest.mark.parametrize("shift", [(12, 0, 0), (0, -15, 0), (0, 0, 300)])
def test_another_place_is_refused(shift):
    whole = head((20, 20, 20))
    with pytest.raises(UsageError, match="of their field of view"):
        check_same_place(replace(whole, affine=crop(whole.affine, shift)), whole)
