"""Slices to grids: what makes one, what makes several, and every fault named at once."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import make_frame
from hypothesis import given
from hypothesis import strategies as st

from medsr.errors import GeometryError
from medsr.io.dicom.options import Policies
from medsr.io.dicom.stack import stacked


def frames_at(along, lean=0.0):
    return [make_frame((0, lean * z, z), index=k) for k, z in enumerate(along)]


@given(st.permutations(range(8)))
def test_the_order_of_the_frames_does_not_matter(order):
    frames = frames_at(3.0 * np.arange(8))
    (stack,) = stacked([frames[k] for k in order])
    assert [frame.index for frame in stack.frames] == list(range(8))
    assert stack.shape == (6, 5, 8)
    assert stack.places == tuple(range(8))


def test_filled_slices_are_marked_and_source_slices_keep_their_places():
    (stack,) = stacked(frames_at([0, 3, 6, 12, 15, 18, 21, 24]), Policies(gaps="fill"))
    assert stack.filled == (3,)
    assert stack.places == (0, 1, 2, 4, 5, 6, 7, 8)
    assert stack.shape == (6, 5, 9)
    for place, frame in zip(stack.places, stack.frames, strict=True):
        np.testing.assert_allclose(stack.affine @ [0, 0, place, 1], [*frame.position_mm * [-1, -1, 1], 1])


def test_split_parts_hold_every_slice_once():
    parts = stacked(frames_at([0, 3, 6, 9, 14, 19, 24]), Policies(gaps="split"))
    assert [[frame.index for frame in stack.frames] for stack in parts] == [[0, 1, 2, 3], [4, 5, 6]]
    assert [stack.spacing_mm[2] for stack in parts] == [3, 5]
    assert all(stack.filled == () for stack in parts)


@pytest.mark.parametrize("policies", [Policies(), Policies("fill"), Policies("split"), Policies(tilt="resample")])
def test_a_regular_series_is_the_same_under_every_policy(policies):
    (stack,) = stacked(frames_at(3.0 * np.arange(5)), policies)
    assert stack.filled == ()
    assert not stack.is_sheared


def test_everything_that_is_wrong_is_said_at_once():
    frames = frames_at([0, 3, 6, 12, 15, 18, 21, 24], lean=0.3)
    with pytest.raises(GeometryError, match=r"1 slice is missing .*; slices are sheared by 16.7 degrees.*gaps.*tilt"):
        stacked(frames)
    with pytest.raises(GeometryError, match=r"^slices are sheared"):
        stacked(frames, Policies(gaps="fill"))
    with pytest.raises(GeometryError, match=r"^1 slice is missing"):
        stacked(frames, Policies(tilt="resample"))
    (stack,) = stacked(frames, Policies("fill", "resample"))
    assert stack.is_sheared
    assert stack.filled == (3,)


def test_a_shear_that_no_gantry_makes_is_refused():
    with pytest.raises(GeometryError, match="at most 45 degrees"):
        stacked(frames_at(3.0 * np.arange(5), lean=1.5), Policies(tilt="resample"))


def test_a_slice_beside_the_line_is_named():
    frames = frames_at(3.0 * np.arange(5))
    frames[2] = make_frame((2, 0, 6), index=2)
    with pytest.raises(GeometryError, match="slice 3 lies 2 mm beside"):
        stacked(frames)


def test_what_nobody_can_mend_is_not_promised():
    with pytest.raises(GeometryError, match=r"vary .*; send the whole series again") as caught:
        stacked(frames_at([0, 4, 11, 20, 22]))
    assert "--gaps" not in str(caught.value)


def test_thickness_is_known_only_where_all_agree():
    def thickness(*values):
        (stack,) = stacked([make_frame((0, 0, 3 * k), thickness_mm=value) for k, value in enumerate(values)])
        return stack.thickness_mm

    assert thickness(5, 5, 5) == 5
    assert thickness(5, 5.01, 5) == 5
    assert thickness(5, 4, 5) is None
    assert thickness(5, None, 5) is None
    assert thickness(None, None) is None
