"""Scans too large for the memory: enhanced block by block, each as it would be in the whole scan.

Intensity range, noise and the noise of samples are those of the whole. Blocks are computed with a margin on either side
(`medsr.enhancement.memory`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.envelope import Verdict, admitted
from medsr.enhancement.memory import Sizes, block_for, block_margin
from medsr.enhancement.piece import OnState, enhance_piece
from medsr.enhancement.posterior import NOISE_FLOOR, OnProgress
from medsr.enhancement.reference_free import measured
from medsr.enhancement.region import Box, Part, part_of
from medsr.enhancement.result import Enhancement, on_fine_grid
from medsr.enhancement.settings import EnhanceSettings, Triple
from medsr.enhancement.whole import Whole
from medsr.model.allocator import returning_freed_memory
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.record import Record
from medsr.volume import Volume


def enhance_within(
    volume: Volume,
    model: Model,
    settings: EnhanceSettings,
    acquisition: Acquisition,
    on_progress: OnProgress | None,
    memory_bytes: int | None,
    on_state: OnState | None = None,
) -> Enhancement:
    """The enhancement of a whole scan, in blocks where it would not fit into `memory_bytes` in one piece.

    Args:
        volume: Input.
        model: Loaded model.
        settings: What is asked; grid and acquisition are those of `acquisition`.
        acquisition: How `volume` was acquired, and the finer grid.
        on_progress: Called as the work goes on.
        memory_bytes: Memory that may be used; None: no limit.
        on_state: Called after each step of the sample, in mode "sample"; not where the scan is computed in blocks.

    Raises:
        ResourceError: not even the smallest blocks fit.
        MedsrError: as `enhance`.
    """
    sizes = Sizes.of(acquisition)
    block = block_for(sizes, model, settings, memory_bytes)
    if block == sizes.coarse:
        return enhance_piece(volume, model, settings, acquisition, on_progress, on_state=on_state)
    with returning_freed_memory():
        return _in_blocks(volume, model, settings, acquisition, on_progress, block)


def _in_blocks(
    volume: Volume,
    model: Model,
    settings: EnhanceSettings,
    acquisition: Acquisition,
    on_progress: OnProgress | None,
    block: Triple,
) -> Enhancement:
    verdict = admitted(volume, acquisition, model.spec, force=settings.force)
    whole = Whole.of(volume, settings, acquisition)
    boxes = list(_boxes(volume.shape, block))
    solved = Sizes.of(acquisition).solved
    margins = [block_margin(n_coarse, n_solved) for n_coarse, n_solved in zip(volume.shape, solved, strict=True)]
    assembled = _Assembled.empty(volume, acquisition, uncertainty=settings.mode == "uncertainty")
    for number, box in enumerate(boxes):
        part = part_of(volume, _wider(box, margins, volume.shape), acquisition)
        result = enhance_piece(
            part.volume,
            model,
            settings,
            part.acquisition,
            _scaled(on_progress, number, len(boxes)),
            whole=whole.at(part.origin),
        )
        assembled.put(box, part, result)
    return assembled.finished(volume, acquisition, verdict, whole)


def _boxes(shape: Triple, block: Triple) -> Iterator[Box]:
    """The blocks of a scan of `shape`, in coarse voxels."""
    for start in itertools.product(*(range(0, n, side) for n, side in zip(shape, block, strict=True))):
        stop = tuple(min(n, a + side) for a, n, side in zip(start, shape, block, strict=True))
        yield Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _wider(box: Box, margins: list[int], shape: Triple) -> Box:
    start = [max(0, a - margin) for a, margin in zip(box.start, margins, strict=True)]
    stop = [min(n, b + margin) for b, n, margin in zip(box.stop, shape, margins, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _scaled(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda stage, done, total: on_progress(stage, number * total + done, count * total)


@dataclass
class _Assembled:
    """Results put in their places."""

    x: NDArray[np.float32]
    residual: NDArray[np.float32]
    uncertainty: NDArray[np.float32] | None
    records: list[Record]

    @classmethod
    def empty(cls, volume: Volume, acquisition: Acquisition, *, uncertainty: bool) -> _Assembled:
        fine = acquisition.fine_shape
        deviations = np.empty(fine, np.float32) if uncertainty else None
        return cls(np.empty(fine, np.float32), np.empty(volume.shape, np.float32), deviations, [])

    def put(self, box: Box, part: Part, result: Enhancement) -> None:
        """Copy what lies in the box."""
        fine = np.array(self.x.shape) / self.residual.shape
        _copy(self.x, result.volume, box, part.outer, fine)
        _copy(self.residual, result.residual, box, part.outer, np.ones(3))
        if self.uncertainty is not None and result.uncertainty is not None:
            _copy(self.uncertainty, result.uncertainty, box, part.outer, fine)
        self.records.append(result.record)

    def finished(self, volume: Volume, acquisition: Acquisition, verdict: Verdict, whole: Whole) -> Enhancement:
        scale, noise = whole.scale, whole.noise
        first, finer = self.records[0], on_fine_grid(volume, self.x, acquisition)
        further = [text for text in verdict.warnings if text not in first.warnings]
        seconds = {stage: round(sum(one.seconds[stage] for one in self.records), 3) for stage in first.seconds}
        checks = measured(volume, finer, acquisition, noise * scale.width, scale)
        record = replace(
            first,
            input={**first.input, "shape": list(volume.shape)},
            task=acquisition.summary(),
            seconds=seconds,
            peak_memory_bytes=max(one.peak_memory_bytes for one in self.records),
            residual=_rms(self.residual) / (max(noise, NOISE_FLOOR) * scale.width),
            overshoot=checks.overshoot,
            ripple=checks.flat.ripple,
            roughness=checks.flat.roughness,
            drift=-float(self.residual.mean(dtype=np.float64)) / scale.width,
            uncertainty_rms=None if self.uncertainty is None else _rms(self.uncertainty) / scale.width,
            envelope=verdict.level,
            envelope_measured=verdict.measured,
            warnings=(
                *first.warnings,
                *further,
                f"computed in {len(self.records)} blocks, since memory does not hold the whole scan in one piece",
            ),
        )
        uncertainty = None if self.uncertainty is None else finer.with_data(self.uncertainty)
        return Enhancement(finer, uncertainty, volume.with_data(self.residual), record, acquisition)


def _rms(values: NDArray[np.float32]) -> float:
    return sqrt(float(np.vdot(values, values)) / values.size)


def _copy(target: NDArray[np.float32], source: Volume, box: Box, outer: Box, factors: NDArray[np.float64]) -> None:
    """Copy the voxels of `box` out of a result on `outer`; boxes are in coarse voxels, `factors` lead to the grid."""
    place, size = np.rint(box.start * factors).astype(int), np.rint(box.shape * factors).astype(int)
    offset = np.rint(np.subtract(box.start, outer.start) * factors).astype(int)
    there = tuple(slice(a, a + n) for a, n in zip(place, size, strict=True))
    here = tuple(slice(a, a + n) for a, n in zip(offset, size, strict=True))
    target[there] = source.data[here]
