"""What could be fused by its headers: thick slices of one body that see it in different ways."""

from __future__ import annotations

import numpy as np
import pytest

from medsr.fusion.groups import is_stack, stacks_of_one_body
from medsr.io.outline import Outline

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


def grid(name: str, *, thick_mm: float = 4.0, at_mm: tuple[float, float, float] = (0, 0, 0), times: int = 1) -> Outline:
    """A field of view of 120 mm in slices across one axis."""
    spacing = [1.0, 1.0, 1.0]
    spacing[AXES[name]] = thick_mm
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = np.array(at_mm) + np.array(spacing) / 2
    i, j, k = (round(120 / h) for h in spacing)
    return Outline((i, j, k), affine, times)


def groups(*grids: Outline | None, keys: str = "") -> list[tuple[int, ...]]:
    """Groups of grids; a letter of `keys` is that of each, all the same by default."""
    return stacks_of_one_body(list(zip(keys or "a" * len(grids), grids, strict=True)))


def test_thick_slices_in_several_orientations_are_one_group():
    assert groups(grid("axial"), grid("coronal"), grid("sagittal", thick_mm=3)) == [(0, 1, 2)]


def test_what_differs_in_its_key_or_has_none_is_apart():
    pair = grid("axial"), grid("coronal")
    assert groups(*pair, keys="ab") == []
    assert stacks_of_one_body([("", pair[0]), ("", pair[1])]) == []
    assert groups(*pair, *pair, keys="abab") == []
    assert groups(pair[0], pair[0], pair[1], pair[1], keys="abab") == [(0, 2), (1, 3)]


@pytest.mark.parametrize("other", [grid("coronal", thick_mm=1), grid("coronal", times=2), None])
def test_thin_slices_series_over_time_and_unknown_grids_are_left_out(other):
    assert groups(grid("axial"), other) == []
    assert groups(other, grid("axial"), grid("sagittal")) == [(1, 2)]


@pytest.mark.parametrize(
    ("spacing", "thick"), [((1, 1, 4), True), ((1, 1, 1.9), False), ((1.5, 1.5, 2.5), False), ((0.4, 0.4, 2), True)]
)
def test_slices_are_thick_by_themselves_and_against_the_plane(spacing, thick):
    assert is_stack(Outline((9, 9, 9), np.diag([*spacing, 1.0]))) is thick


def test_a_localizer_is_no_stack():
    assert is_stack(Outline((9, 9, 6), np.diag([1.0, 1.0, 4.0, 1.0])))
    assert not is_stack(Outline((9, 9, 5), np.diag([1.0, 1.0, 4.0, 1.0])))


def test_parallel_slices_count_where_they_lie_between_the_others():
    assert groups(grid("axial"), grid("axial", at_mm=(0, 0, 2))) == [(0, 1)]
    assert groups(grid("axial"), grid("axial", at_mm=(0, 0, 8))) == []  # on the same slices
    assert groups(grid("axial"), grid("axial", at_mm=(5, 3, 0.2))) == []
    assert groups(grid("axial"), grid("axial", thick_mm=5)) == [(0, 1)]
    longer = grid("axial")
    assert groups(grid("axial"), Outline((120, 120, 33), longer.affine)) == []


def test_a_repetition_joins_a_group_and_makes_none():
    assert groups(grid("axial"), grid("axial")) == []
    assert groups(grid("axial"), grid("axial"), grid("coronal")) == [(0, 1, 2)]


def test_a_turn_of_the_slices_counts_from_some_degrees_on():
    for degrees, found in ((3, []), (15, [(0, 1)])):
        angle = np.radians(degrees)
        turn = np.eye(4)
        turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        one = grid("axial", at_mm=(-60, -60, -60))
        middle_slice = np.eye(4)
        middle_slice[2, 3] = 2  # turned about the middle of a slice, which stays where it is
        other = Outline(one.shape, middle_slice @ turn @ np.linalg.inv(middle_slice) @ one.affine)
        assert groups(one, other) == found, degrees


def test_stacks_far_apart_are_apart_and_the_next_group_is_found():
    far = (500.0, 0.0, 0.0)
    found = groups(grid("axial"), grid("axial", at_mm=far), grid("coronal"), grid("coronal", at_mm=far))
    assert found == [(0, 2), (1, 3)]
    assert groups(grid("axial"), grid("coronal", at_mm=(0, 0, 110))) == []
    below = grid("axial", at_mm=(0, 0, 60))  # more of the same with the first, and something new with the last
    assert groups(grid("axial"), below, grid("coronal", at_mm=(0, 0, 110))) == [(1, 2)]
