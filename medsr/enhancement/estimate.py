"""What an enhancement will need, before it runs: voxels, memory and time, and the objections of the model's envelope.

Memory and time are estimates, good for a warning and not to be relied on: within about a third on the machines tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, prod

import torch

from medsr.diffusion.process import Process
from medsr.enhancement.cascade import stages_of
from medsr.enhancement.envelope import judge_grid
from medsr.enhancement.memory import Sizes, block_for, memory_of, seen_voxels
from medsr.enhancement.posterior import evaluations_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import ResourceError
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import GRID
from medsr.model.states import states_of
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.volume import Modality

PROBE_VOXELS = 64  # a side: large enough to fill the cores, a fifth of a second on one of them
SECONDS_PER_MVOXEL = 0.35  # for the work around the network, on one core


@dataclass(frozen=True)
class Estimate:
    """What a run will need.

    Attributes:
        shape: Voxels that the network sees, per axis, including the margin of a region.
        spacing_mm: Spacing of the result in mm, per axis.
        evaluations: Number of evaluations of the network on the whole grid.
        n_blocks: Blocks that it is computed in; 1: in one piece.
        memory_bytes: Peak memory of the process.
        seconds: Duration of the work.
        objections: Reasons why the scan lies outside what the model was validated on; empty where it lies inside.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    evaluations: int
    n_blocks: int
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
    *,
    in_blocks: bool = True,
) -> Estimate:
    """What an enhancement will need, in blocks where it would not fit into `memory_limit` in one piece.

    A cascade needs the memory of its last stage and the time of all.

    Args:
        acquisition: Acquisition of the scan or its part, and the finer grid.
        modality: Modality of the scan.
        model: Loaded model.
        settings: Request, as for `enhance`.
        voxels_per_s: Fine voxels per second of one evaluation (`measured_speed`).
        memory_limit: Memory that may be used, in bytes; None: no limit. Where nothing fits, that of one piece is told.
        in_blocks: Whether it may be cut into blocks; a region is computed in one piece, as are the stages of a cascade.
    """
    objections = judge_grid(modality, acquisition, model.spec.envelope).objections
    if settings.cascade is not None:
        alone = replace(settings, cascade=None)
        stages = [
            estimate(stage, modality, model, alone, voxels_per_s, memory_limit, in_blocks=False)
            for stage in stages_of(acquisition)
        ]
        said = (f"stage {n} of the cascade: {text}" for n, one in enumerate(stages, 1) for text in one.objections)
        seconds = sum(one.seconds for one in stages)
        return replace(stages[-1], seconds=seconds, objections=objections if len(stages) == 1 else (*objections, *said))
    sizes = Sizes.of(acquisition)
    try:
        block = block_for(sizes, model, settings, memory_limit) if in_blocks else sizes.coarse
    except ResourceError:
        block = sizes.coarse
    seen = seen_voxels(sizes, block, model, settings)
    return Estimate(
        shape=sizes.solved,
        spacing_mm=acquisition.fine_spacing_mm,
        evaluations=evaluations_of(settings, model.process),
        n_blocks=prod(ceil(n / side) for n, side in zip(sizes.coarse, block, strict=True)),
        memory_bytes=memory_of(sizes, block, model, settings),
        seconds=expected_seconds(settings, model.process, seen, prod(sizes.solved), voxels_per_s),
        objections=objections,
    )


def expected_seconds(
    settings: EnhanceSettings, process: Process, seen: int, computed: int, voxels_per_s: float
) -> float:
    """Seconds of the network, and of everything else for the mean and for every sample.

    Args:
        settings: Request, as for `enhance`.
        process: Process of the model.
        seen: Fine voxels that the network sees in one evaluation, margins of tiles included.
        computed: Fine voxels of the result.
        voxels_per_s: Fine voxels per second of one evaluation (`measured_speed`).
    """
    beside = SECONDS_PER_MVOXEL * 1e-6 * computed * (1 + settings.n_samples)
    return evaluations_of(settings, process) * seen / voxels_per_s + beside


def measured_speed(model: Model, clock: Callable[[], float] = time.monotonic) -> float:
    """Fine voxels per second of one evaluation on this machine, from a small probe after a warm-up.

    Where states are codes, one is decoded and encoded as well.

    Args:
        model: Loaded model.
        clock: Clock in seconds.
    """
    states = states_of(model.net, (PROBE_VOXELS, PROBE_VOXELS, PROBE_VOXELS))
    maps = states.maps(torch.zeros(1, N_MAPS - 1, *[PROBE_VOXELS] * 3, device=model.device))
    maps = torch.cat([torch.zeros(1, states.channels, *states.shape, device=model.device), maps], dim=1)
    conditions = torch.zeros(1, N_CONDITIONS, device=model.device)
    model(maps[..., : 4 * GRID], conditions).cpu()
    began = clock()
    answer = model(maps, conditions)[:, : states.channels]
    states.encode(states.decode(answer)).cpu()
    return float(PROBE_VOXELS**3 / max(clock() - began, 1e-6))


def seconds_left(done: int, total: int, elapsed_s: float) -> float:
    """Seconds left of work in equal parts.

    Args:
        done: Number of finished parts, at least 1.
        total: Number of all parts.
        elapsed_s: Seconds since the work began.
    """
    return elapsed_s * (total - done) / max(done, 1)
