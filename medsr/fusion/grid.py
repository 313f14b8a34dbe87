"""The grid that stacks are fused on, and what each stack is enhanced to for it; from headers alone, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.enhancement.assumed import acquisition_for
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.io.outline import Outline
from medsr.physics.acquisition import (
    DEFAULT_FACTOR,
    DEFAULT_FINEST_MM,
    ROUNDING,
    SMALLEST_FACTOR,
    Acquisition,
    on_grids,
)
from medsr.physics.assumption import Sampled, is_isotropic
from medsr.volume import Volume


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid that is solved for.

    Attributes:
        shape: Voxels per axis.
        affine: (4, 4), voxel index to RAS+ mm of the first stack.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Spacing in mm, (3,)."""
        return grids.spacing_mm(self.affine)

    def widened(self, by_mm: float) -> tuple[Grid, tuple[slice, slice, slice]]:
        """A grid that reaches further by at least a length on all sides, and which of its voxels are those of this."""
        margins = [ceil(by_mm / h) for h in self.spacing_mm]
        i, j, k = (n + 2 * margin for n, margin in zip(self.shape, margins, strict=True))
        a, b, c = (slice(margin, margin + n) for n, margin in zip(self.shape, margins, strict=True))
        return Grid((i, j, k), grids.crop(self.affine, [-margin for margin in margins])), (a, b, c)

    def along(self, scan: Sampled) -> NDArray[np.float64]:
        """Its spacing in mm along the axes of a scan, (3,), between them where these run askew."""
        cosines = (self.affine[:3, :3] / self.spacing_mm).T @ (scan.affine[:3, :3] / scan.spacing_mm)
        return np.asarray(np.sqrt(self.spacing_mm**2 @ cosines**2))


def wanted_of(stacks: Sequence[Sampled], settings: EnhanceSettings, grid: Grid | None) -> list[NDArray[np.float64]]:
    """Spacing in mm that the result has along the axes of each stack, (3,).

    Args:
        stacks: Stacks, or what their headers say.
        settings: What is asked; the spacing matters here.
        grid: Grid that is asked for instead; None: as the settings say.

    Raises:
        UsageError: a spacing that is asked for is finer than a network goes for the first stack, whose grid it is.
    """
    if grid is not None:
        return [grid.along(stack) for stack in stacks]
    if settings.spacing_mm is None:
        return [np.full(3, finest_mm(stacks))] * len(stacks)
    asked, widest = settings.spacing_mm[0], float(stacks[0].spacing_mm.max())
    if asked * DEFAULT_FACTOR < widest * (1 - ROUNDING):
        raise UsageError(
            f"a spacing of {asked:g} mm is {widest / asked:.3g} times finer than the first stack's slices of "
            f"{widest:.3g} mm; expected at most {DEFAULT_FACTOR:g} times: give --spacing "
            f"{ceil(100 * widest / DEFAULT_FACTOR) / 100:g} or more"
        )
    return [np.full(3, asked)] * len(stacks)


def finest_mm(stacks: Sequence[Sampled]) -> float:
    """Spacing in mm of a grid that nobody asked for: the finest of all stacks, half of it where all are isotropic."""
    finest = float(min(stack.spacing_mm.min() for stack in stacks))
    if all(is_isotropic(stack.spacing_mm) for stack in stacks):
        finest /= 2
    return max(DEFAULT_FINEST_MM, finest)


def thickest_mm(stacks: Iterable[Sampled]) -> float:
    """The widest spacing of all stacks: what lies further beyond a grid tells nothing of it."""
    return max(float(stack.spacing_mm.max()) for stack in stacks)


def reduced(stack: Volume, wanted_mm: NDArray[np.float64]) -> Volume:
    """A stack averaged to voxels no finer than the target's, along the axes where it has finer ones.

    The network then works on as many voxels as the target has, and all stacks show what a scan of that spacing would.
    """
    shape = _reduced(stack, wanted_mm)
    if shape == stack.shape:
        return stack
    import torch

    averaged = on_grids(stack.affine, stack.shape, shape, "box", None)
    data = averaged.op(torch.from_numpy(np.array(stack.data))).numpy()
    return replace(stack, data=data, affine=averaged.coarse_affine)


def _reduced(stack: Sampled, wanted_mm: NDArray[np.float64]) -> tuple[int, int, int]:
    i, j, k = (
        max(1, round(n * float(h) / float(wanted))) if h * SMALLEST_FACTOR < wanted else n
        for n, h, wanted in zip(stack.shape, stack.spacing_mm, wanted_mm, strict=True)
    )
    return i, j, k


def spacing_of(stack: Sampled, wanted_mm: NDArray[np.float64]) -> tuple[float, float, float]:
    """Spacing to which a stack is enhanced alone: that of the target, as far as a network goes.

    Raises:
        UsageError: the stack has nothing to be refined.
    """
    steps = zip(wanted_mm, stack.spacing_mm, strict=True)
    i, j, k = (float(max(min(wanted, h), h / DEFAULT_FACTOR)) for wanted, h in steps)
    if all(h / new < SMALLEST_FACTOR for h, new in zip(stack.spacing_mm, (i, j, k), strict=True)):
        raise UsageError(
            f"a stack has voxels of {grids.axes_text(stack.spacing_mm)} mm and the result would have none that are "
            "finer; give a finer --spacing or --grid"
        )
    return i, j, k


def planned(stacks: Sequence[Outline], settings: EnhanceSettings, grid: Grid | None) -> list[Acquisition]:
    """What each stack is enhanced to alone; without a grid that is asked for, the first one's is that of the result.

    Args:
        stacks: What the headers of the stacks say.
        settings: What is asked.
        grid: Grid that is asked for; None: as the settings say.

    Raises:
        UsageError: a stack has nothing to be refined, or the settings do not fit it.
    """
    found = []
    for stack, wanted in zip(stacks, wanted_of(stacks, settings, grid), strict=True):
        shape = _reduced(stack, wanted)
        seen = replace(stack, shape=shape, affine=grids.resized(stack.affine, stack.shape, shape))
        found.append(acquisition_for(seen, replace(settings, spacing_mm=spacing_of(seen, wanted))))
    return found
