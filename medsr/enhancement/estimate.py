"""What an enhancement will need, before it runs: voxels, memory and time, and the objections of the model's envelope.

Memory and time are estimates, good for a warning and not to be relied on: within about a third on the machines tried.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from medsr.enhancement.envelope import judge_grid
from medsr.enhancement.posterior import evaluations_of, tile_side
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.solved_grid import solved_grid
from medsr.model.conditioning import N_CONDITIONS, N_MAPS
from medsr.model.nets.detail import GRID, NetSpec
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.volume import Modality

# Peak memory of processes that enhanced 64 to 200 voxels a side, whole and in tiles.
PROCESS_BYTES = 450 * 2**20
MAPS_BYTES = {2: 260, 4: 340}  # per fine voxel, by the bytes of a number: maps, IBP estimate, state and their copies
PIECE_BYTES = {2: 2.5, 4: 5.0}  # per channel of the network and voxel of the largest piece that it sees
TILES: tuple[int | None, ...] = (None, 128, 96, 64, 32)
PROBE_VOXELS = 64  # a side: large enough to fill the cores, a fifth of a second on one of them
FREE_SHARE = 0.8  # of the free memory: the rest is for what other programs do meanwhile
SECONDS_PER_MVOXEL = 0.35  # for the work around the network, on one core


@dataclass(frozen=True)
class Estimate:
    """What a run will need.

    Attributes:
        shape: Voxels that the network sees, per axis, including the margin of a region.
        spacing_mm: Spacing of the result in mm, per axis.
        evaluations: Number of evaluations of the network on the whole grid.
        tile: Side of a tile in voxels; None: one piece.
        memory_bytes: Peak memory of the process.
        seconds: Duration of the work.
        objections: Reasons why the scan lies outside what the model was validated on; empty where it lies inside.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    evaluations: int
    tile: int | None
    memory_bytes: int
    seconds: float
    objections: tuple[str, ...]


def estimate(
    acquisition: Acquisition,
    modality: Modality,
    model: Model,
    settings: EnhanceSettings,
    voxels_per_s: float,
    memory_limit: int | None = None,
) -> Estimate:
    """What an enhancement will need; where `settings` name no tile, with the largest that stays below the limit.

    Args:
        acquisition: Acquisition of the scan or its part, and the finer grid.
        modality: Modality of the scan.
        model: Loaded model.
        settings: Request, as for `enhance`.
        voxels_per_s: Fine voxels per second of one evaluation (`measured_speed`).
        memory_limit: Memory that may be used, in bytes; None: no limit.
    """
    net, shape = model.net.spec, solved_grid(acquisition).fine_shape
    tiles = TILES if settings.tile is None else (settings.tile,)
    needs = {tile: _memory(shape, tile, net, model.dtype.itemsize) for tile in tiles}
    fitting = [tile for tile, need in needs.items() if memory_limit is None or need <= memory_limit]
    tile = fitting[0] if fitting else tiles[-1]
    seen = sum(int(np.prod(piece)) for piece in _pieces(shape, tile, net.reach))
    return Estimate(
        shape=shape,
        spacing_mm=acquisition.fine_spacing_mm,
        evaluations=evaluations_of(settings),
        tile=tile,
        memory_bytes=needs[tile],
        seconds=expected_seconds(settings, seen, int(np.prod(shape)), voxels_per_s),
        objections=judge_grid(modality, acquisition, model.spec.envelope).objections,
    )


def expected_seconds(settings: EnhanceSettings, seen: int, computed: int, voxels_per_s: float) -> float:
    """Seconds of the network, and of everything else for the mean and for every sample.

    Args:
        settings: Request, as for `enhance`.
        seen: Fine voxels that the network sees in one evaluation, margins of tiles included.
        computed: Fine voxels of the result.
        voxels_per_s: Fine voxels per second of one evaluation (`measured_speed`).
    """
    beside = SECONDS_PER_MVOXEL * 1e-6 * computed * (1 + settings.n_samples)
    return evaluations_of(settings) * seen / voxels_per_s + beside


def measured_speed(model: Model, clock: Callable[[], float] = time.monotonic) -> float:
    """Fine voxels per second of one evaluation on this machine, from a small probe after a warm-up.

    Args:
        model: Loaded model.
        clock: Clock in seconds.
    """
    maps = torch.zeros(1, N_MAPS, *[PROBE_VOXELS] * 3, device=model.device)
    conditions = torch.zeros(1, N_CONDITIONS, device=model.device)
    model(maps[..., : 4 * GRID], conditions).cpu()
    began = clock()
    model(maps, conditions).cpu()
    return float(PROBE_VOXELS**3 / max(clock() - began, 1e-6))


def seconds_left(done: int, total: int, elapsed_s: float) -> float:
    """Seconds left of work in equal parts.

    Args:
        done: Number of finished parts, at least 1.
        total: Number of all parts.
        elapsed_s: Seconds since the work began.
    """
    return elapsed_s * (total - done) / max(done, 1)


def usable_memory(device: str) -> int | None:
    """Bytes of memory that a run may use where nobody says it: most of what is free.

    Args:
        device: Type of the device, such as "cpu".

    Returns:
        None where the device has a memory of its own, or the system does not say what is free.
    """
    free = free_memory() if device == "cpu" else None
    return None if free is None else int(FREE_SHARE * free)


def free_memory() -> int | None:
    """Free memory of the machine in bytes; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as table:  # noqa: PTH123 - no file of ours
            facts = dict(line.split(":", 1) for line in table)
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _memory(shape: tuple[int, int, int], tile: int | None, net: NetSpec, n_bytes: int) -> int:
    largest = max(int(np.prod(piece)) for piece in _pieces(shape, tile, net.reach))
    return PROCESS_BYTES + MAPS_BYTES[n_bytes] * int(np.prod(shape)) + int(PIECE_BYTES[n_bytes] * net.width * largest)


def _pieces(shape: tuple[int, int, int], tile: int | None, reach: int) -> list[tuple[int, int, int]]:
    """Voxels per axis of every piece that the network sees, margins included (`medsr.model.tiling`)."""
    side = tile_side(shape, tile)
    sides = [[min(n, a + side + reach) - max(0, a - reach) for a in range(0, n, side)] for n in shape]
    return [(i, j, k) for i, j, k in itertools.product(*sides)]
