"""What a `Volume` holds to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affines, head, shapes

from medsr.errors import GeometryError, InputError
from medsr.volume import MAX_VOXELS, Source, Volume, check_shape, is_whole_number


@given(affines(), shapes(2, 6), st.sampled_from([None, 0, 1, 2]))
def test_turning_to_ras_keeps_voxels_and_the_slice_axis_in_place(matrix, shape, slice_axis):
    volume = Volume(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), matrix, slice_axis=slice_axis)
    turned = volume.to_ras()
    for value in (0, int(np.prod(shape)) - 1):
        (before,), (after,) = np.argwhere(volume.data == value), np.argwhere(turned.data == value)
        np.testing.assert_allclose(turned.affine @ [*after, 1], volume.affine @ [*before, 1], atol=1e-8)
    if slice_axis is None:
        assert turned.slice_axis is None
    else:
        before, after = volume.affine[:3, slice_axis], turned.affine[:3, turned.slice_axis]
        np.testing.assert_allclose(np.abs(before @ after), before @ before, rtol=1e-9)


def test_voxels_and_fields_cannot_be_changed():
    volume = head((6, 6, 6))
    with pytest.raises(ValueError, match="read-only"):
        volume.data[0, 0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        volume.modality = "CT"


def test_the_array_it_was_made_from_stays_writable():
    data = np.ones((2, 2, 2), np.float32)
    Volume(data, np.eye(4))
    data[0, 0, 0] = 5
    assert data.flags.writeable


def test_other_voxels_keep_what_is_known_of_the_scan():
    volume = dataclasses.replace(head((6, 6, 6)), thickness_mm=3.0, slice_axis=2, source=Source(contrast="T1w"))
    other = volume.with_data(np.zeros((3, 3, 3), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    assert (other.thickness_mm, other.slice_axis, other.source.contrast) == (3.0, 2, "T1w")
    np.testing.assert_array_equal(other.spacing_mm, [2, 2, 2])


def test_a_volume_is_shown_in_one_line_that_tells_its_grid_and_no_more():
    data = np.zeros((176, 4, 5), np.float32)
    source = Source("dicom", "ab" * 32, "int16", "T1w", warnings=("a warning",))
    assert repr(Volume(data, np.eye(4), source=source)) == "Volume(MR T1w, 176 x 4 x 5 voxels of 1 x 1 x 1 mm, RAS)"
    turned = Volume(data, np.diag([-0.9375, -1, 3, 1]), "CT", source=Source(contrast="CT"))
    assert repr(turned) == "Volume(CT, 176 x 4 x 5 voxels of 0.9375 x 1 x 3 mm, LPS)"


@given(affines(), shapes(2, 6))
def test_any_volume_is_shown_in_one_line(matrix, shape):
    text = repr(Volume(np.zeros(shape, np.float32), matrix))
    assert "\n" not in text
    assert len(text) < 120


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_counted_and_refused(bad):
    data = np.zeros((3, 3, 3), np.float32)
    data[1, 1, 1] = bad
    with pytest.raises(InputError, match="1 of 27 voxels"):
        Volume(data, np.eye(4))


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4, 2), (4, 4, 1), (0, 4, 4), (2**20, 2**20, 2**20)])
def test_shapes_that_are_no_volume_are_refused_before_memory_is_asked_for(shape):
    with pytest.raises(InputError):
        check_shape(shape)


def test_the_largest_volume_is_allowed():
    check_shape((2, 2, MAX_VOXELS // 4))
    with pytest.raises(InputError, match="limit"):
        check_shape((2, 2, MAX_VOXELS // 4 + 1))


def test_a_singular_affine_is_refused():
    with pytest.raises(GeometryError):
        Volume(np.zeros((2, 2, 2), np.float32), np.diag([1.0, 1.0, 0.0, 1.0]))


@pytest.mark.parametrize(("dtype", "whole"), [("uint8", True), ("int32", True), ("float32", False), (">i2", True)])
def test_whole_number_types(dtype, whole):
    assert is_whole_number(dtype) is whole
