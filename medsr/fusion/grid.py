"""The grid that stacks are fused on: its spacing, what each stack is enhanced to for it, and the memory it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.enhancement.memory import usable_memory
from medsr.errors import ResourceError, UsageError
from medsr.physics.acquisition import DEFAULT_FACTOR, DEFAULT_FINEST_MM, SMALLEST_FACTOR, on_grids
from medsr.physics.assumption import is_isotropic
from medsr.volume import Volume

BYTES_PER_VOXEL = 400  # of the target grid: measured with two stacks of 0.9 and 4.1 million voxels, network included


@dataclass(frozen=True)
class Grid:
    """The grid that is solved for.

    Attributes:
        shape: Voxels per axis.
        affine: (4, 4), voxel index to RAS+ mm of the first stack.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]


def finest_mm(stacks: Sequence[Volume]) -> float:
    """Spacing in mm of a grid that nobody asked for: the finest of all stacks, half of it where all are isotropic."""
    finest = float(min(stack.spacing_mm.min() for stack in stacks))
    if all(is_isotropic(stack.spacing_mm) for stack in stacks):
        finest /= 2
    return max(DEFAULT_FINEST_MM, finest)


def reduced(stack: Volume, spacing_mm: float) -> Volume:
    """A stack averaged to voxels no finer than the target's, along the axes where it has finer ones.

    The network then works on as many voxels as the target has, and all stacks show what a scan of that spacing would.
    """
    shape = [
        max(1, round(n * float(h) / spacing_mm)) if h * SMALLEST_FACTOR < spacing_mm else n
        for n, h in zip(stack.shape, stack.spacing_mm, strict=True)
    ]
    if tuple(shape) == stack.shape:
        return stack
    averaged = on_grids(stack.affine, stack.shape, shape, "box", None)
    data = averaged.op(torch.from_numpy(np.array(stack.data))).numpy()
    return replace(stack, data=data, affine=averaged.coarse_affine)


def spacing_of(stack: Volume, target_mm: float) -> tuple[float, float, float]:
    """Spacing to which a stack is enhanced alone: that of the target, as far as a network goes.

    Raises:
        UsageError: the stack has nothing to be refined.
    """
    i, j, k = (float(max(min(target_mm, h), h / DEFAULT_FACTOR)) for h in stack.spacing_mm)
    if all(h / new < SMALLEST_FACTOR for h, new in zip(stack.spacing_mm, (i, j, k), strict=True)):
        raise UsageError(
            f"a stack has {min(stack.spacing_mm):.3g} mm along every axis and so would the result;"
            " give a finer --spacing"
        )
    return i, j, k


def check_memory(first: Volume, target_mm: float, memory_bytes: int | None) -> None:
    """Refuse a grid that would not fit.

    Args:
        first: The first stack, as it is fused.
        target_mm: Spacing of the target grid.
        memory_bytes: Memory that may be used; None: most of what is free.

    Raises:
        ResourceError: more is needed than may be used.
    """
    limit = usable_memory("cpu") if memory_bytes is None else memory_bytes
    spacing = spacing_of(first, target_mm)
    n_voxels = prod(n * h / new for n, h, new in zip(first.shape, first.spacing_mm, spacing, strict=True))
    needed = n_voxels * BYTES_PER_VOXEL
    if limit is not None and needed > limit:
        raise ResourceError(
            f"fusing onto {n_voxels / 1e6:.0f} million voxels takes about {needed / 2**30:.1f} GiB; "
            f"{limit / 2**30:.1f} GiB may be used: fuse crops of the stacks, or ask for a coarser --spacing"
        )
