"""Slices to grids: what makes one, what makes several, and every fault named at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dicom_phantoms import make_frame
from hypothesis import given
from hypothesis import strategies as st

from medsr.errors import GeometryError
from medsr.io.dicom.options import Policies
from medsr.io.dicom.stack import ct_passes, stacked


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


SKULL_BASE = np.array([0, 4, 8, 12, 17, 23, 29, 35.0])  # mm: four slices of 4 mm, four of 6 mm


def uneven(thickness=(4, 4, 4, 4, 6, 6, 6, 6)):
    numbered = enumerate(zip(SKULL_BASE, thickness, strict=True))
    return [make_frame((0, 0, z), index=k, thickness_mm=t) for k, (z, t) in numbered]


def test_slices_that_touch_lie_on_an_even_grid_through_the_thin_ones():
    (stack,) = stacked(uneven())
    assert stack.shape == (6, 5, 10)
    assert stack.spacing_mm[2] == 4
    assert stack.thickness_mm is None
    assert stack.places == (0, 1, 2, 3, 4.25, 5.75, 7.25, 8.75)
    assert stack.filled == (4, 5, 6, 7, 8, 9)
    np.testing.assert_allclose(stack.affine @ [0, 0, 4.25, 1], [0, 0, 17, 1])


def test_a_grid_that_begins_with_thick_slices_keeps_their_positions():
    (stack,) = stacked([replace(frame, position_mm=np.array([0, 0, 35]) - frame.position_mm) for frame in uneven()])
    for place, frame in zip(stack.places, stack.frames, strict=True):
        np.testing.assert_allclose(stack.affine @ [0, 0, place, 1], [*frame.position_mm * [-1, -1, 1], 1], atol=1e-9)
    assert [frame.index for frame in stack.frames] == list(reversed(range(8)))


def test_a_tilted_gantry_does_not_change_the_distances_that_are_said():
    lean = np.array([[1, 0, 0], [0, 1, 0.3], [0, 0, 1]])
    frames = [replace(one, position_mm=lean @ one.position_mm) for one in uneven()]
    (stack,) = stacked(frames, Policies(tilt="resample"))
    assert stack.is_sheared
    assert stack.distance_mm == pytest.approx(4)
    assert stack.distances_text == "4 mm after slices 1 to 3, 5 mm after slice 4, 6 mm after slices 5 to 7 of 8"


def test_slices_with_gaps_between_them_lie_on_an_even_grid_only_if_asked():
    frames = uneven(thickness=(4,) * 8)
    with pytest.raises(GeometryError, match=r"distances between slices vary \(4 mm .*--gaps fill or --gaps split"):
        stacked(frames)
    (stack,) = stacked(frames, Policies(gaps="fill"))
    assert stack.shape[2] == 10


def test_slices_that_touch_can_be_split():
    assert [len(stack.frames) for stack in stacked(uneven(), Policies(gaps="split"))] == [4, 4]


def test_slices_that_touch_are_not_filled_where_they_were_to_be_split_and_cannot():
    frames = [*uneven()[:4], make_frame((0, 0, 17), index=4, thickness_mm=6)]
    assert stacked(frames)[0].shape[2] == 5
    with pytest.raises(GeometryError, match="--gaps fill"):
        stacked(frames, Policies(gaps="split"))


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


def passes_at(*places):
    return [
        make_frame((0, 0, z), index=k, ct_pass=str(number))
        for number, along in enumerate(places, 1)
        for k, z in enumerate(along)
    ]


HALF_STEP = ([0, 4, 8, 12], [2, 6, 10, 14])
OVERLAP = ([0, 4, 8, 12], [10, 14, 18, 22])
REPEATED_SLICE = ([0, 4, 8, 12], [8])


@pytest.mark.parametrize("places", [HALF_STEP, OVERLAP, REPEATED_SLICE])
@pytest.mark.parametrize("policies", [Policies(), Policies("fill"), Policies("split")])
def test_ct_passes_over_the_same_part_of_the_body_are_never_mixed(places, policies):
    with pytest.raises(GeometryError, match=r"2 acquisitions .* cover the same part of the body.*--volume"):
        stacked(passes_at(*places), policies)


@pytest.mark.parametrize("places", [([0, 4], [8, 12]), ([0, 4, 8], [0, 4, 8]), ([0, 4], [4, 8]), ([0], [4], [8])])
def test_ct_passes_that_follow_each_other_or_repeat_stay_together(places):
    frames = passes_at(*places)
    assert ct_passes(frames) == [frames]


def test_slices_without_an_acquisition_number_are_a_pass_of_their_own():
    numbered, without = passes_at([0, 4, 8, 12]), [make_frame((0, 0, z)) for z in (2, 6, 10, 14)]
    assert ct_passes([*numbered, *without]) == [numbered, without]
    assert ct_passes(without) == [without]


def in_time(places, times):
    """Slices of one CT acquisition, each with its time."""
    return [
        replace(make_frame((0, 0, z), index=k, ct_pass="1"), labels={"acquisition time": time})
        for k, (z, time) in enumerate(zip(places, times, strict=True))
    ]


def test_a_second_pass_under_the_same_number_is_told_by_its_time():
    times = [f"1015{second:02d}.5" for second in (0, 1, 2, 3, 30, 31, 32, 33)]
    frames = in_time([0, 4, 8, 12, 2, 6, 10, 14], times)
    assert ct_passes(frames) == [frames[:4], frames[4:]]
    dated = [
        replace(frame, labels={"acquisition time": f"20260101{frame.labels['acquisition time']}"}) for frame in frames
    ]
    assert [len(one) for one in ct_passes(dated)] == [4, 4]
    with pytest.raises(GeometryError, match="2 acquisitions of 4, 4 slices"):
        stacked(frames)


@pytest.mark.parametrize(
    ("places", "times"),
    [
        ([0, 4, 8, 12, 16, 20], [0, 1, 2, 30, 31, 32]),  # the table waited, and went on
        ([20, 16, 12, 8, 4, 0], [0, 1, 2, 30, 31, 32]),
        ([0, 4, 8, 0, 4, 8], [0, 1, 2, 30, 31, 32]),  # two points in time
        ([0, 4, 8, 12, 16, 6], [0, 1, 2, 3, 4, 30]),  # a single slice came late
        ([0, 4, 8, 12, 16, 20], [5, 5, 5, 5, 5, 5]),
    ],
)
def test_one_pass_stays_one_whenever_its_slices_were_measured(places, times):
    frames = in_time(places, [f"1015{second:02d}" for second in times])
    assert ct_passes(frames) == [frames]


@pytest.mark.parametrize("time", ["", "noon", "10"])
def test_a_time_that_is_none_tells_no_passes_apart(time):
    frames = in_time([0, 4, 8, 2, 6, 10], [*["101500"] * 3, *[time] * 3])
    assert ct_passes(frames) == [frames]


OBLIQUE = np.array([[0.8, 0.36, 0.48], [-0.6, 0.48, 0.64]])


@pytest.mark.parametrize("directions", [np.eye(3)[:2], OBLIQUE])
@pytest.mark.parametrize("distance", [0.625, 1.25, 3.15])
def test_positions_rounded_to_a_decimal_are_even(directions, distance):
    true = np.outer(distance * np.arange(40), np.cross(*directions)) + 0.03
    frames = [make_frame(tuple(np.round(p, 1)), directions=directions, rounding_mm=0.05) for p in true]
    (stack,) = stacked(frames)
    assert stack.spacing_mm[2] == pytest.approx(distance, rel=0.01)
    assert not stack.is_sheared


def test_rounding_hides_neither_a_missing_slice_nor_a_tilt():
    rounded = [make_frame((0, 0, round(0.625 * k, 1)), rounding_mm=0.05) for k in range(20) if k != 7]
    with pytest.raises(GeometryError, match="1 slice is missing"):
        stacked(rounded)
    tilted = [make_frame((0, round(0.05 * z, 1), z), rounding_mm=0.05) for z in 3.0 * np.arange(20)]
    with pytest.raises(GeometryError, match=r"sheared by 2\.8"):
        stacked(tilted)


def test_positions_with_more_decimals_are_held_to_them():
    with pytest.raises(GeometryError, match="distances between slices vary"):
        stacked([make_frame((0, 0, round(0.625 * k, 1)), rounding_mm=0.0005) for k in range(20)])


def test_rounding_as_coarse_as_the_slices_are_apart_proves_nothing():
    with pytest.raises(GeometryError, match="distances between slices vary"):
        stacked([make_frame((0, 0, z), rounding_mm=0.05) for z in (0.0, 0.2, 0.3, 0.6, 0.7, 0.9)])
