"""A region in the viewer's world, drawn or visible."""

from __future__ import annotations

import numpy as np
import pytest
from medsr_napari.regions import box_of_shapes, visible_slab

from medsr.errors import UsageError


def test_a_rectangle_is_a_box_as_deep_as_asked():
    low, high = box_of_shapes([[[5, 1, 2], [5, 1, 8], [5, 9, 8], [5, 9, 2]]], 20)
    assert (low.tolist(), high.tolist()) == ([-5, 1, 2], [15, 9, 8])


def test_rectangles_on_two_slices_span_a_box_and_steps_are_no_place():
    low, high = box_of_shapes([[[0, 5, 1, 2], [0, 5, 9, 8]], [[2, 30, 3, 0], [2, 30, 4, 1]]], 20)
    assert (low.tolist(), high.tolist()) == ([5, 1, 0], [30, 9, 8])


def test_nothing_drawn_is_said():
    with pytest.raises(UsageError, match="Draw box"):
        box_of_shapes([], 20)


def test_what_is_visible_is_as_deep_as_asked_around_the_slice():
    low, high = visible_slab([[0, 90, 40], [0, 10, 60]], (33, 50, 50), (-2, -1), 10)
    assert (low.tolist(), high.tolist()) == ([28, 10, 40], [38, 90, 60])


def test_in_3d_all_of_it_is_visible():
    low, high = visible_slab(np.array([[0, 0, 0], [9, 8, 7]]), (3, 3, 3), (-3, -2, -1), 10)
    assert (low.tolist(), high.tolist()) == ([0, 0, 0], [9, 8, 7])
