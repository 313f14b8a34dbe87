"""Where stacks overlap, by where their headers put them: for a picture, before any of them is registered."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.fusion.grid import Grid
from medsr.physics.assumption import Sampled

MOST_VOX = 96  # along an axis of a picture


def picture_grid(scan: Sampled, most_vox: int = MOST_VOX) -> Grid:
    """A grid over the field of view of a scan whose voxels are nearly cubes, `most_vox` of them along its longest side.

    Args:
        scan: Scan, or what its headers say.
        most_vox: Voxels along the longest side.
    """
    sides_mm = np.array(scan.shape) * scan.spacing_mm
    h = float(sides_mm.max()) / most_vox
    i, j, k = (max(1, ceil(float(side) / h - 1e-6)) for side in sides_mm)
    return Grid((i, j, k), grids.resized(scan.affine, scan.shape, (i, j, k)))


def coverage(stacks: Sequence[Sampled], grid: Grid) -> NDArray[np.uint8]:
    """How many of the stacks show the middle of each voxel of a grid, (I, J, K).

    Args:
        stacks: Stacks, or what their headers say.
        grid: Grid to look at.
    """
    count = np.zeros(grid.shape, np.uint8)
    for stack in stacks:
        into = np.linalg.inv(stack.affine) @ grid.affine
        inside = np.ones(grid.shape, np.bool_)
        for axis, n in enumerate(stack.shape):
            i, j, k = (into[axis, other] * np.arange(m) for other, m in enumerate(grid.shape))
            place = into[axis, 3] + i[:, None, None] + j[:, None] + k
            inside &= (place >= -0.5) & (place < n - 0.5)
        count += inside
    return count
