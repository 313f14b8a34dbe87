"""A region of a scan, enhanced for a quick look as it would be in the whole scan.

Intensity range, noise and the noise of samples are those of the whole scan; a margin around the region is computed with
it and cut off again. Where the factors are whole numbers, the fine grid is exactly a part of the whole one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from medsr import affine as grids
from medsr.enhancement.piece import OnState, enhance_piece
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings, Triple
from medsr.enhancement.solved_grid import solved_grid
from medsr.enhancement.walk import WalkStep
from medsr.enhancement.whole import Whole
from medsr.errors import UsageError
from medsr.model.net_spec import GRID
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition, on_grids
from medsr.physics.ops import Separable
from medsr.volume import Volume

# On the network's grid; on a brain at factor 5 the rest changed a region by 6e-4 of its range (root mean square).
MARGIN_VOX = 12
MARGIN_SAMPLES = 3  # coarse voxels at least, for the interpolation
LEAST_VOX = 4  # coarse voxels of a region per axis


@dataclass(frozen=True)
class Box:
    """A box of voxels, half-open.

    Attributes:
        start: First voxel along each axis.
        stop: One past the last voxel along each axis.

    Raises:
        UsageError: a box that is empty along an axis, or a negative index.
    """

    start: Triple
    stop: Triple

    def __post_init__(self) -> None:
        if any(a < 0 or b <= a for a, b in zip(self.start, self.stop, strict=True)):
            raise UsageError(
                f"the region goes from voxel {self.start} to {self.stop}; expected indices from 0 and at least one "
                "voxel along every axis"
            )

    @property
    def shape(self) -> Triple:
        """Voxels per axis."""
        i, j, k = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k


@dataclass(frozen=True)
class Part:
    """A region ready to be enhanced.

    Attributes:
        box: Region in voxels of the whole input, at least `LEAST_VOX` along every axis.
        outer: Region with its margin.
        volume: Input voxels of `outer`.
        acquisition: Acquisition of `volume`.
        origin: First voxel of the part on the network's grid of the whole.
    """

    box: Box
    outer: Box
    volume: Volume
    acquisition: Acquisition
    origin: Triple

    def box_on(self, shape: Triple) -> Box:
        """The region on a grid of `shape` over the field of view of `outer`, to the nearest voxel."""
        ratio = np.array(shape) / self.outer.shape
        offset = np.subtract(self.box.start, self.outer.start)
        start, stop = np.rint(offset * ratio), np.rint((offset + self.box.shape) * ratio)
        return Box(_triple(start), _triple(stop))


def crop(volume: Volume, box: Box) -> Volume:
    """The voxels of a box, where they lie in the body.

    Raises:
        UsageError: the box does not lie within the scan.
    """
    check_inside(volume, box)
    window = tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
    return volume.with_data(np.array(volume.data[window]), grids.crop(volume.affine, box.start))


def central_block(volume: Volume, side: int) -> Box:
    """The box in the middle of a scan, `side` voxels along every axis that has as many."""
    start = [max(0, (n - side) // 2) for n in volume.shape]
    return Box(_triple(start), _triple(min(n, a + side) for a, n in zip(start, volume.shape, strict=True)))


def part_of(volume: Volume, box: Box, acquisition: Acquisition) -> Part:
    """The part of a scan that has to be computed for a region.

    Args:
        volume: Whole input.
        box: Region in voxels of the input.
        acquisition: Acquisition of the whole input.

    Raises:
        UsageError: the box does not lie within the scan.
    """
    check_inside(volume, box)
    solved = solved_grid(acquisition)
    axes = zip(box.start, box.stop, volume.shape, solved.fine_shape, strict=True)
    spans = [_grown(start, stop, n_coarse, n_fine) for start, stop, n_coarse, n_fine in axes]
    inner = Box(_triple(span[0] for span in spans), _triple(span[1] for span in spans))
    outer = Box(_triple(span[2] for span in spans), _triple(span[3] for span in spans))
    part = crop(volume, outer)
    origin = _triple(round(a * f) for a, f in zip(outer.start, solved.factors, strict=True))
    return Part(inner, outer, part, _like(acquisition, part), origin)


def enhance_region(
    volume: Volume,
    box: Box,
    model: Model,
    settings: EnhanceSettings,
    acquisition: Acquisition,
    on_progress: OnProgress | None = None,
    on_state: OnState | None = None,
) -> Enhancement:
    """The region of `enhance(volume, model, settings, acquisition)`, at the cost of the region and its margin.

    Args:
        volume: Whole input.
        box: Region in voxels of the input; widened to `LEAST_VOX` where it is narrower.
        model: Loaded model.
        settings: Request, as for `enhance`.
        acquisition: Acquisition of the whole input.
        on_progress: Called as the work goes on.
        on_state: Called after each step in mode "sample", with the region alone.

    Raises:
        MedsrError: as `enhance`, or the box does not lie within the scan.
    """
    part = part_of(volume, box, acquisition)
    whole = Whole.of(volume, settings, acquisition).at(part.origin)
    shown = None if on_state is None else lambda number, state: on_state(number, _inner_step(state, part))
    result = enhance_piece(part.volume, model, settings, part.acquisition, on_progress, whole=whole, on_state=shown)
    said = f"a region only: voxels {part.box.start} to {part.box.stop} of {volume.shape}"
    residual = inner(result.residual, part)
    return replace(
        result,
        volume=inner(result.volume, part),
        uncertainty=None if result.uncertainty is None else inner(result.uncertainty, part),
        residual=residual,
        acquisition=_like(acquisition, residual),
        record=replace(result.record, warnings=(*result.record.warnings, said)),
    )


def check_inside(volume: Volume, box: Box) -> None:
    """Refuse a box that reaches beyond a scan.

    Raises:
        UsageError: the box does not lie within the scan.
    """
    if any(b > n for b, n in zip(box.stop, volume.shape, strict=True)):
        raise UsageError(
            f"the region ends at voxel {box.stop} and the scan has {volume.shape} voxels; choose a region inside it"
        )


def most_margin(n_coarse: int, n_fine: int) -> int:
    """Coarse voxels that a region of one axis is widened by at most, on either side.

    Args:
        n_coarse: Voxels of the whole input.
        n_fine: Voxels of the whole on the network's grid.
    """
    step = (Fraction(n_fine, n_coarse) / GRID).denominator
    return _margin(n_coarse, n_fine) + (step - 1 if step <= 2 * MARGIN_SAMPLES else 0)


def _margin(n_coarse: int, n_fine: int) -> int:
    return max(MARGIN_SAMPLES, ceil(MARGIN_VOX * n_coarse / n_fine))


def _grown(start: int, stop: int, n_coarse: int, n_fine: int) -> tuple[int, int, int, int]:
    """A region of one axis, at least `LEAST_VOX` wide, and the same with its margin."""
    missing = max(0, min(LEAST_VOX, n_coarse) - (stop - start))
    start = max(0, min(start - missing // 2, n_coarse - (stop - start) - missing))
    stop = max(stop, start + min(LEAST_VOX, n_coarse))
    margin = _margin(n_coarse, n_fine)
    first = _on_grid(max(0, start - margin), n_coarse, n_fine)
    behind = _on_grid(max(0, n_coarse - stop - margin), n_coarse, n_fine)  # flipped, the part begins where it ends
    return start, stop, first, n_coarse - behind


def _on_grid(start: int, n_coarse: int, n_fine: int) -> int:
    """A start not after `start` whose fine voxel is whole and a multiple of the network's grid, if one lies near."""
    step = (Fraction(n_fine, n_coarse) / GRID).denominator
    return start - start % step if start % step <= step and step <= 2 * MARGIN_SAMPLES else start


def _like(acquisition: Acquisition, part: Volume) -> Acquisition:
    """The same acquisition of a part; profiles keep their widths in mm."""
    shape = [round(n * factor) for n, factor in zip(part.shape, acquisition.factors, strict=True)]
    fine = grids.resized(part.affine, part.shape, shape)
    whole = on_grids(fine, _triple(shape), part.shape, "kspace", None)
    axes = [
        old and new and replace(new, profile=old.profile, fwhm=old.fwhm)
        for new, old in zip(whole.op.axes, acquisition.op.axes, strict=True)
    ]
    return replace(whole, op=Separable((axes[0], axes[1], axes[2])), assumed=acquisition.assumed)


def _inner_step(step: WalkStep, part: Part) -> WalkStep:
    return WalkStep(*(inner(scan, part) for scan in (step.noisy, step.clean, step.measured, step.prior)))


def inner(volume: Volume, part: Part) -> Volume:
    """A result on the part's fine or coarse grid without the margin."""
    return crop(volume, part.box_on(volume.shape))


def _triple(values: Iterable[Any]) -> Triple:
    i, j, k = (int(value) for value in values)
    return i, j, k
