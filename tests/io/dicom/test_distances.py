"""Where slices are missing, where distances change, and what of it can be mended."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.io.dicom import distances


@st.composite
def grids_with_holes(draw):
    n, step = draw(st.integers(4, 60)), draw(st.floats(0.3, 10))
    inner = draw(st.sets(st.integers(1, n - 2), max_size=n // 3))
    places = [k for k in range(n) if k not in inner]
    if not any(b - a == 1 for a, b in pairwise(places)):
        places = list(range(n))
    return np.array(places), step


@given(grids_with_holes())
def test_the_places_of_the_slices_that_are_left_are_found(grid):
    places, step = grid
    part = distances.with_gaps(17.0 + step * places)
    assert part is not None
    assert part.places == tuple(places)
    assert sorted([*part.places, *part.filled]) == list(range(places[-1] + 1))
    assert distances.is_even(step * places) == (part.filled == ())


@given(grids_with_holes())
def test_even_parts_hold_every_slice_once_and_are_even(grid):
    along = grid[1] * grid[0]
    parts = distances.even_parts(along)
    if parts is not None:
        assert [k for part in parts for k in range(part.start, part.stop)] == list(range(len(along)))
        assert all(distances.is_even(along[part.start : part.stop]) and part.filled == () for part in parts)


def test_a_change_of_distance_is_cut_where_it_happens():
    along = np.array([0, 2.5, 5, 7.5, 10, 15, 20, 25, 30])
    parts = distances.even_parts(along)
    assert [(part.start, part.stop) for part in parts] == [(0, 5), (5, 9)]
    assert distances.described(along) == "2.5 mm after slices 1 to 4, 5 mm after slices 5 to 8 of 9"


@pytest.mark.parametrize("along", [[0, 4, 11, 20, 22], [0, 8, 12, 16, 24], [0, 4, 8, 16]])
def test_a_slice_that_would_stand_alone_is_no_part(along):
    assert distances.even_parts(np.array(along, float)) is None


def test_wide_gaps_and_many_gaps_are_not_filled():
    def fillable(places):
        return distances.fillable(distances.with_gaps(3.0 * np.array(places)))

    assert fillable([*range(10), *range(13, 23)])
    assert not fillable([*range(10), *range(14, 40)])
    assert not fillable([0, 1, 3, 5, 7, 9, 10])
    assert distances.with_gaps(np.array([0.0, 4, 8, 15, 22])) is None


def test_a_long_list_of_changes_is_cut_short():
    assert distances.described(np.cumsum(np.arange(20.0) ** 2)).endswith("and 13 more changes of 20")


@st.composite
def rows(draw):
    """Two or three runs of slices: their distances, from 1 to 2 times the smallest."""
    step = draw(st.floats(0.5, 8))
    stretches = [1.0, *draw(st.lists(st.floats(1.1, 2), min_size=1, max_size=2))]
    counts = [draw(st.integers(3, 9)) for _ in stretches]
    order = draw(st.permutations(range(len(stretches))))
    steps = np.concatenate([np.full(counts[k], step * stretches[k]) for k in order])
    return np.concatenate([[0.0], np.cumsum(steps)]) - draw(st.floats(-50, 50)), step


@given(rows())
def test_uneven_slices_keep_their_positions_on_an_even_grid(row):
    along, step = row
    part = distances.on_even_grid(along)
    assert part is not None
    places = np.array(part.places)
    np.testing.assert_allclose(np.diff(places) * step, np.diff(along), atol=2 * distances.MAX_STEP_JITTER * step)
    assert -0.5 <= places[0] <= 0.5
    assert abs(places[-1] - (part.n_places - 1)) <= 0.5
    assert sum(place == round(place) for place in places) >= 4  # the finest run lies on the grid
    assert np.abs(places[:, None] - np.arange(part.n_places)).min(axis=0).max() <= 1


def test_no_place_of_the_grid_lies_half_a_step_outside():
    along = np.array([0, 5, 7.5, 10, 12.5, 16.25])
    for one in (along, along[-1] - along[::-1]):
        part = distances.on_even_grid(one)
        assert part is not None
        assert -0.5 <= part.places[0] < 0.5
        assert part.n_places - 1 - part.places[-1] < 0.5


@pytest.mark.parametrize(
    "along", [[0, 4, 8, 12, 20.5, 29], [0, 1, 3, 5, 7, 9, 10], [0, 4, 10, 14, 20], [0, 4, 9], [0, 4, 8, 12, 13.5, 15]]
)
def test_distances_that_have_no_even_grid(along):
    assert distances.on_even_grid(np.array(along, float)) is None


@pytest.mark.parametrize(
    ("thickness", "expected"),
    [
        ([4, 4, 4, 6, 6, 6], True),
        ([4, 4, 4, 4, 6, 6], False),  # the last three lie 6 mm apart, and one of them is 4 mm thick
        ([4, 4, 4, 4, 4, 4], False),  # gaps of 2 mm
        ([6, 6, 6, 6, 6, 6], False),  # the thin ones would overlap
        ([4, 4, 4, np.nan, 6, 6], False),
    ],
)
def test_slices_touch_where_their_thickness_reaches_to_the_next(thickness, expected):
    along = np.array([0, 4, 8, 13, 19, 25.0])
    assert distances.touch(along, np.array(thickness, float)) is expected


@pytest.mark.parametrize(("joint", "expected"), [(1.4, False), (1.6, True), (2.0, True), (2.4, True), (3.0, False)])
def test_a_slice_that_is_missing_where_the_thickness_changes_is_missed(joint, expected):
    along = np.cumsum([0, 1, 1, 1, joint, 3, 3])
    assert distances.touch(along, np.array([1, 1, 1, 1, 3, 3, 3.0])) is expected


def test_rounded_positions_have_an_even_grid_too():
    along = np.round(np.concatenate([0.625 * np.arange(8), 0.625 * 7 + 1.25 * np.arange(1, 6)]), 1)
    assert distances.on_even_grid(along) is None
    part = distances.on_even_grid(along, rounding_mm=0.05)
    assert part is not None
    assert part.n_places == 18


def test_of_two_runs_of_thin_slices_the_longer_one_lies_on_the_grid():
    part = distances.on_even_grid(np.array([0, 4, 8, 13, 17, 21, 25, 29.0]))
    assert part is not None
    assert [place == round(place) for place in part.places] == [False] * 3 + [True] * 5
