"""What lies at the edges of the picture, in letters of the body."""

from __future__ import annotations

import pytest
from medsr_napari.first_view import directions
from medsr_napari.layers import METADATA_KEY, layer_of, slice_axis_of
from phantoms import affine, blank


@pytest.mark.parametrize(
    ("order", "orientation", "said"),
    [
        ((0, 1, 2), ("up", "left"), "left R, right L, top A, bottom P"),
        ((0, 1, 2), ("down", "left"), "left R, right L, top P, bottom A"),
        ((0, 1, 2), ("up", "right"), "left L, right R, top A, bottom P"),
        ((2, 0, 1), ("up", "left"), "left A, right P, top S, bottom I"),
        ((1, 0, 2), ("up", "left"), "left R, right L, top S, bottom I"),
        ((0, 1, 2, 3), ("up", "left"), "left R, right L, top A, bottom P"),
        ((0, 3, 1, 2), ("up", "left"), "left A, right P, top S, bottom I"),
    ],
)
def test_directions(order, orientation, said):
    assert directions(order, orientation) == said


@pytest.mark.parametrize(("axes", "across"), [((0, 1, 2), 0), ((1, 2, 0), 2), ((0, 2, 1), 1), ((2, 1, 0), 2)])
def test_the_axis_across_the_slices_is_that_of_the_layer(axes, across):
    grid = affine((1.0, 1.0, 5.0), axes=axes, turn_deg=(8, -5, 6))
    facts = layer_of(blank((20, 22, 8), grid, slice_axis=2), "scan")[1]["metadata"][METADATA_KEY]
    assert slice_axis_of(facts) == across
    assert slice_axis_of({**facts, "slice_axis": None}) is None
