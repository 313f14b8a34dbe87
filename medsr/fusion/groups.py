"""Which scans are stacks of one body, as far as headers tell: thick slices that see one place in different ways."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medsr.fusion.checks import FEWEST_SLICES
from medsr.io.outline import Outline
from medsr.registration.rigid import LEAST_OVERLAP, overlap

THICK_MM, THICK_RATIO = 2.0, 2.0  # slices are thick at this distance, and this times the finest spacing
ANOTHER_WAY_DEG = 10.0  # between the normals of slices
ANOTHER_PLACE = 0.1  # of the distance between slices: how far those of a parallel stack lie beside them


def stacks_of_one_body(scans: Sequence[tuple[str, Outline | None]]) -> list[tuple[int, ...]]:
    """Groups of scans that could be fused.

    All of a group overlap with its first one, and two of them at least differ in orientation or in the place of their
    slices: a repetition alone sees nothing new.

    Args:
        scans: For each what must be the same in a group, such as subject and contrast, "" for a scan that goes with
            none; and its grid, None where it is not known.

    Returns:
        Indices of the scans of each group, ascending; a scan is in one group at most.
    """
    able = {n: (key, grid) for n, (key, grid) in enumerate(scans) if key and grid is not None and is_stack(grid)}
    groups = []
    while able:
        key, first = next(iter(able.values()))
        group = {n: grid for n, (other, grid) in able.items() if other == key and _overlap(first, grid)}
        if any(_sees_more(one, other) for one, other in itertools.combinations(group.values(), 2)):
            groups.append(tuple(group))
        else:
            group = {min(able): first}
        able = {n: scan for n, scan in able.items() if n not in group}
    return groups


def is_stack(grid: Outline) -> bool:
    """Whether a scan has thick slices, one volume of them, and more than a localizer has."""
    spacing = grid.spacing_mm
    is_thick = bool(spacing.max() >= max(THICK_MM, THICK_RATIO * spacing.min()))
    return is_thick and grid.n_volumes == 1 and min(grid.shape) >= FEWEST_SLICES


def _overlap(one: Outline, other: Outline) -> bool:
    return max(overlap(one, other), overlap(other, one)) >= LEAST_OVERLAP


def _sees_more(one: Outline, other: Outline) -> bool:
    """Whether slices run another way, or lie between those of the other scan."""
    (normal, at_mm, step_mm), (other_normal, other_at_mm, other_step_mm) = _slices(one), _slices(other)
    if abs(normal @ other_normal) < np.cos(np.radians(ANOTHER_WAY_DEG)):
        return True
    if abs(step_mm - other_step_mm) > ANOTHER_PLACE * step_mm:
        return True
    beside = float((other_at_mm - at_mm) @ normal) / step_mm
    return abs(beside - round(beside)) > ANOTHER_PLACE


def _slices(grid: Outline) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Normal of the slices, the middle of the first one and the distance between two, in mm."""
    across = int(np.argmax(grid.spacing_mm))
    middle = (np.array(grid.shape) - 1) / 2
    middle[across] = 0
    step = grid.affine[:3, across]
    length = float(np.linalg.norm(step))
    return step / length, (grid.affine @ np.append(middle, 1))[:3], length
