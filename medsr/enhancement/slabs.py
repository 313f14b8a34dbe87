"""Scans too large for the memory: enhanced slab by slab, each as it would be in the whole scan.

Intensity range, noise and the noise of samples are those of the whole. Slabs are cut along an axis with a whole-number
factor, so that their voxels are voxels of the whole, and computed with a margin on either side.

The memory needed is the largest of three phases. Noise: 46 bytes per coarse voxel. Slabs: 4 per fine and 12 per coarse
voxel of the scan, 260 per fine voxel of one slab with its margins, 2.5 per channel of the network and voxel of one tile
(float32: 340 and 5). Writing: 10 per fine and 8 per coarse voxel. 5 % and 0.45 GiB for the process are added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, prod, sqrt

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.envelope import Verdict, admitted
from medsr.enhancement.estimate import MAPS_BYTES, PIECE_BYTES, PROCESS_BYTES
from medsr.enhancement.overshoot import overshoot
from medsr.enhancement.piece import enhance_piece
from medsr.enhancement.posterior import NOISE_FLOOR, TILE_VOX, WHOLE_VOXELS, OnProgress, Whole, scan_noise
from medsr.enhancement.region import MARGIN_VOX, Box, Part, part_of
from medsr.enhancement.result import Enhancement, on_fine_grid
from medsr.enhancement.settings import EnhanceSettings, Triple
from medsr.errors import ResourceError
from medsr.model.allocator import returning_freed_memory
from medsr.model.intensity import Scale, scale_of
from medsr.model.nets import NetSpec
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.record import Record
from medsr.volume import Volume

NOISE_BYTES_COARSE = 46  # per voxel, while range and noise of the whole are found
SLAB_BYTES_FINE, SLAB_BYTES_COARSE = 4, 12  # beside the slab itself: result; scan, as it was stored, residual
TILES = (None, 256, 128)
WRITE_BYTES_FINE, WRITE_BYTES_COARSE = 10, 8  # result, rounded, as stored; scan, residual
SLAB_MARGIN_VOX = 8  # fine voxels, beyond the margin of a region: more changes no voxel of a brain by 1e-4 of its range
HEAP = 1.05  # 5 % for what the heap loses between blocks
LEAST_FINE_VOX = 16  # thinner slabs are nearly all margin


@dataclass(frozen=True)
class Cut:
    """How a scan is cut.

    Attributes:
        axis: Axis across which slabs are cut.
        slab_vox: Fine voxels of a slab along that axis, margins not counted.
        tile: Side of a tile in voxels; None: as `enhance` chooses.
    """

    axis: int
    slab_vox: int
    tile: int | None = None


def memory_of(coarse: Triple, fine: Triple, cut: Cut, net: NetSpec, n_bytes: int) -> int:
    """Peak memory in bytes of a process that enhances a scan in slabs, or whole where a slab is all of it.

    Args:
        coarse: Voxels of the input, per axis.
        fine: Voxels of the result, per axis.
        cut: How the scan is cut.
        net: Sizes of the network.
        n_bytes: Bytes of a number in the network, 2 or 4.
    """
    n_coarse, n_fine = prod(coarse), prod(fine)
    is_whole = cut.slab_vox >= fine[cut.axis]
    shape = list(fine)
    if not is_whole:
        shape[cut.axis] = min(fine[cut.axis], cut.slab_vox + 2 * (SLAB_MARGIN_VOX + MARGIN_VOX))
    side = max(shape) if cut.tile is None and prod(shape) <= WHOLE_VOXELS else (cut.tile or TILE_VOX) + 2 * net.reach
    piece = prod(min(side, n) for n in shape)
    beside = 0 if is_whole else SLAB_BYTES_FINE * n_fine + SLAB_BYTES_COARSE * n_coarse
    phases = (
        NOISE_BYTES_COARSE * n_coarse,
        beside + MAPS_BYTES[n_bytes] * prod(shape) + PIECE_BYTES[n_bytes] * net.width * piece,
        WRITE_BYTES_FINE * n_fine + WRITE_BYTES_COARSE * n_coarse,
    )
    return PROCESS_BYTES + int(HEAP * max(phases))


def cut_for(
    coarse: Triple, fine: Triple, tile: int | None, net: NetSpec, n_bytes: int, memory_bytes: int
) -> Cut | None:
    """The thickest slabs that fit, with smaller tiles where need be; None where the whole scan fits.

    Args:
        coarse: Voxels of the input, per axis.
        fine: Voxels of the result, per axis.
        tile: Side of a tile in voxels; None: any of `TILES`.
        net: Sizes of the network.
        n_bytes: Bytes of a number in the network, 2 or 4.
        memory_bytes: Memory that may be used.

    Raises:
        ResourceError: not even the thinnest slab fits.
    """

    def need(cut: Cut) -> int:
        return memory_of(coarse, fine, cut, net, n_bytes)

    whole = Cut(0, fine[0], tile)
    if need(whole) <= memory_bytes:
        return None
    axes = sorted((axis for axis in range(3) if fine[axis] % coarse[axis] == 0), key=lambda axis: -fine[axis])
    tiles = TILES if tile is None else (tile,)
    cuts = [
        Cut(axis, fine[axis] // coarse[axis] * ceil(coarse[axis] / count), side)
        for side in tiles
        for axis in axes
        for count in range(2, fine[axis] // LEAST_FINE_VOX + 1)
    ]
    found = next((cut for cut in cuts if need(cut) <= memory_bytes), None)
    if found is None:
        least = min(map(need, [*cuts, whole]))
        raise ResourceError(
            f"a result of {' x '.join(map(str, fine))} voxels needs about {least / 2**30:.1f} GiB and "
            f"{memory_bytes / 2**30:.1f} GiB may be used; ask for coarser voxels, whole-number factors or more memory"
        )
    return found


def enhance_within(
    volume: Volume,
    model: Model,
    settings: EnhanceSettings,
    acquisition: Acquisition,
    on_progress: OnProgress | None,
    memory_bytes: int,
) -> Enhancement:
    """As `enhance`, in slabs where the whole scan would not fit into `memory_bytes`.

    Raises:
        ResourceError: not even the thinnest slab fits.
        MedsrError: as `enhance`.
    """
    net, n_bytes = model.net.spec, model.dtype.itemsize
    cut = cut_for(volume.shape, acquisition.fine_shape, settings.tile, net, n_bytes, memory_bytes)
    if cut is None:
        return enhance_piece(volume, model, settings, acquisition, on_progress)
    with returning_freed_memory():
        return _in_slabs(volume, model, replace(settings, tile=cut.tile), acquisition, on_progress, cut)


def _in_slabs(
    volume: Volume,
    model: Model,
    settings: EnhanceSettings,
    acquisition: Acquisition,
    on_progress: OnProgress | None,
    cut: Cut,
) -> Enhancement:
    coarse, fine, axis = volume.shape, acquisition.fine_shape, cut.axis
    verdict = admitted(volume, acquisition, model.spec, force=settings.force)
    scale = scale_of(volume.data, volume.modality)
    noise = scan_noise(volume, scale, settings)
    boxes = list(_boxes(coarse, fine, axis, cut.slab_vox))
    margin = ceil(SLAB_MARGIN_VOX * coarse[axis] / fine[axis])
    whole = _Assembled.empty(volume, acquisition, uncertainty=settings.mode == "uncertainty")
    for number, box in enumerate(boxes):
        part = part_of(volume, _wider(box, axis, margin, coarse[axis]), acquisition)
        result = enhance_piece(
            part.volume,
            model,
            settings,
            part.acquisition,
            _scaled(on_progress, number, len(boxes)),
            whole=Whole(scale, noise, part.origin),
        )
        whole.put(box, part, result)
    return whole.finished(volume, acquisition, verdict, scale, noise)


def _boxes(coarse: Triple, fine: Triple, axis: int, slab_vox: int) -> Iterator[Box]:
    """The slabs, in coarse voxels."""
    step = slab_vox * coarse[axis] // fine[axis]
    for start in range(0, coarse[axis], step):
        yield _along(axis, start, min(coarse[axis], start + step), coarse)


def _wider(box: Box, axis: int, margin: int, n: int) -> Box:
    start, stop = max(0, box.start[axis] - margin), min(n, box.stop[axis] + margin)
    return _along(axis, start, stop, box.stop)


def _along(axis: int, start: int, stop: int, shape: Triple) -> Box:
    low, high = [0, 0, 0], list(shape)
    low[axis], high[axis] = start, stop
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


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

    def finished(
        self, volume: Volume, acquisition: Acquisition, verdict: Verdict, scale: Scale, noise: float
    ) -> Enhancement:
        first, finer = self.records[0], on_fine_grid(volume, self.x, acquisition)
        further = [text for text in verdict.warnings if text not in first.warnings]
        seconds = {stage: round(sum(one.seconds[stage] for one in self.records), 3) for stage in first.seconds}
        beyond = overshoot(volume, finer, acquisition, noise * scale.width, scale.width)
        record = replace(
            first,
            input={**first.input, "shape": list(volume.shape)},
            task=acquisition.summary(),
            seconds=seconds,
            peak_memory_bytes=max(one.peak_memory_bytes for one in self.records),
            residual=_rms(self.residual) / (max(noise, NOISE_FLOOR) * scale.width),
            overshoot=beyond,
            drift=-float(self.residual.mean(dtype=np.float64)) / scale.width,
            uncertainty_rms=None if self.uncertainty is None else _rms(self.uncertainty) / scale.width,
            envelope=verdict.level,
            envelope_measured=verdict.measured,
            warnings=(
                *first.warnings,
                *further,
                f"computed in {len(self.records)} slabs, since memory does not hold the whole scan",
            ),
        )
        uncertainty = None if self.uncertainty is None else finer.with_data(self.uncertainty)
        return Enhancement(finer, uncertainty, volume.with_data(self.residual), record)


def _rms(values: NDArray[np.float32]) -> float:
    return sqrt(float(np.vdot(values, values)) / values.size)


def _copy(target: NDArray[np.float32], source: Volume, box: Box, outer: Box, factors: NDArray[np.float64]) -> None:
    """Copy the voxels of `box` out of a result on `outer`; boxes are in coarse voxels, `factors` lead to the grid."""
    place, size = np.rint(box.start * factors).astype(int), np.rint(box.shape * factors).astype(int)
    offset = np.rint(np.subtract(box.start, outer.start) * factors).astype(int)
    there = tuple(slice(a, a + n) for a, n in zip(place, size, strict=True))
    here = tuple(slice(a, a + n) for a, n in zip(offset, size, strict=True))
    target[there] = source.data[here]
