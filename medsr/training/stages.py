"""Patches as the stages of a cascade see them: references of coarser voxels along one axis, refined by about two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from medsr.physics.ops import AxisSampling, Separable

COARSER = (1, 2, 4)  # the last stage of a cascade, and the two before it


@dataclass(frozen=True)
class Stage:
    """The grid of a stage against that of the scan; as it stands here they are one.

    Attributes:
        axis: Axis of the coarser voxels, which the stage refines.
        coarser: Voxels of the scan in one of the stage, along that axis.
    """

    axis: int = 0
    coarser: int = 1

    def on_scan(self, sides: Sequence[int]) -> list[int]:
        """Voxels of the scan along each axis for as many of the stage."""
        return [n * self.coarser if axis == self.axis else n for axis, n in enumerate(sides)]

    def spacing_mm(self, scan_mm: tuple[float, float, float]) -> tuple[float, float, float]:
        """Voxel spacing of the stage's grid for that of the scan."""
        i, j, k = (h * self.coarser if axis == self.axis else h for axis, h in enumerate(scan_mm))
        return i, j, k


NO_STAGE = Stage()


def sample_stage(rng: np.random.Generator, degradable: tuple[bool, bool, bool]) -> Stage:
    """A random stage of a cascade along one of the axes that may be degraded."""
    axis = int(rng.choice([axis for axis in range(3) if degradable[axis]]))
    return Stage(axis, int(rng.choice(COARSER)))


def coarsened(x: Tensor, inner: tuple[slice, slice, slice], stage: Stage) -> tuple[Tensor, tuple[slice, slice, slice]]:
    """A window of a scan on the grid of a stage, and the place of the patch in it.

    The stage after it takes its result for a scan that a Gaussian as wide as its voxels acquired (equation 16), so that
    is what a reference is here.

    Args:
        x: Window (I, J, K) of a whole number of the stage's voxels.
        inner: Place of the patch in it, of as many voxels as the patch has on the grid of the stage times `coarser`.
        stage: The stage.
    """
    if stage.coarser == 1:
        return x, inner
    n = x.shape[stage.axis]
    axes: list[AxisSampling | None] = [None, None, None]
    axes[stage.axis] = AxisSampling(n, n // stage.coarser, "gaussian", float(stage.coarser))
    places, place = list(inner), inner[stage.axis]
    start = place.start // stage.coarser
    places[stage.axis] = slice(start, start + (place.stop - place.start) // stage.coarser)
    return Separable((axes[0], axes[1], axes[2]))(x[None, None])[0, 0], (places[0], places[1], places[2])
