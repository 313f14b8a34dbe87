"""A recipe's numbers, and what they say of each step: its learning rate, its patches, how varied they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from medsr.diffusion.names import DEFAULT_PROCESS, ProcessName
from medsr.diffusion.processes import PROCESSES
from medsr.io.recipes import FORBID_UNKNOWN
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import NetSpec
from medsr.training.distil import Distil
from medsr.training.extras import NO_EXTRAS, Extras

SMALLEST_SIDE = 12  # of a patch: on a grid two deep oneDNN's bfloat16 weight gradient is wrong on CPUs without AMX


@dataclass(frozen=True)
class TrainingSettings:
    """A recipe's numbers; every step is a function of them and its own number.

    Attributes:
        steps: Steps of the whole run.
        batch: Patches per step.
        patch: Side of a patch in voxels.
        slab: Sides (long, middle, short) of the patches that see thick slices alone, with as many voxels a step.
        slab_from: Share of the run after which slabs are mixed in.
        slab_share: Share of the later steps that use slabs.
        learning_rate: Peak learning rate of both optimisers.
        warmup: Steps of linear rise.
        decay_share: Share of the run, at its end, over which the learning rate falls to zero.
        plain_steps: Steps on the simplest task alone: factor 2 on all axes, no noise.
        widening_steps: Steps over which the other tasks are mixed in.
        mean_only_share: Share of the run, at its start, that learns the posterior mean alone.
        mean_share: Share of each later batch that learns the posterior mean.
        average_steps: Time constant of the running mean of the weights.
        weights: What a patch counts by. "truth": its true detail, and voxels near planted lesions more, as the shipped
            weights were trained; their mean lies nearer to zero than that of all details that fit. "scan": what the
            network sees alone, which leaves the mean where it is. "target": nothing; the plain error of what the raw
            network predicts, as most papers train.
        process: Diffusion process (`medsr.diffusion.processes`).
        drop_condition: Share of the patches, 0 to 1, that the network does not see the scan of, so that `guidance` can
            be asked for; about 0.1 to 0.2 where it is used.
        distil: Teacher of a network that is to need few steps; without it the truth teaches.
        autoencoder: Weights file of the autoencoder that the states are codes of, for the process `latent`.
        seed: Random seed of the whole run.
        extras: What patches hold beyond an ideal acquisition of a real scan.
        net: Width and depth of the network.

    Raises:
        ValueError: Patches smaller than `SMALLEST_SIDE`, a share outside 0 to 1, or codes where the process has none.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    steps: int = 18000
    batch: int = 8
    patch: int = 32
    slab: tuple[int, int, int] = (64, 40, 16)
    slab_from: float = 0.3
    slab_share: float = 0.5
    learning_rate: float = 1e-3
    warmup: int = 300
    decay_share: float = 0.45
    plain_steps: int = 200
    widening_steps: int = 1000
    mean_only_share: float = 0.35
    mean_share: float = 0.5
    average_steps: int = 500
    weights: Literal["truth", "scan", "target"] = "truth"
    process: ProcessName = DEFAULT_PROCESS
    drop_condition: float = 0.0
    distil: Distil | None = None
    autoencoder: str | None = None
    seed: int = 0
    extras: Extras = NO_EXTRAS
    net: NetSpec = field(default_factory=lambda: NetSpec(N_MAPS, N_CONDITIONS))

    def __post_init__(self) -> None:
        if min(self.patch, *self.slab) < SMALLEST_SIDE:
            raise ValueError(
                f"patches of {self.patch} and {self.slab} voxels; expected sides of {SMALLEST_SIDE} or more"
            )
        if not 0 <= self.drop_condition <= 1:
            raise ValueError(f"drop_condition is {self.drop_condition:g}; expected a share from 0 to 1")
        process = PROCESSES[self.process]
        if process.coded != (self.autoencoder is not None):
            asked = "needs one, whose file" if process.coded else "has none; leave out"
            raise ValueError(f"the process {self.process} {asked} `autoencoder` names")
        if (process.coded or process.encodes) != (self.net.codes > 0):
            asked = "4, say" if process.coded or process.encodes else "0"
            raise ValueError(f"codes is {self.net.codes} for the process {self.process}; expected {asked}")
        if process.coded and (self.weights == "truth" or self.distil is not None):
            raise ValueError('the process latent learns codes; expected weights = "scan" or "target" and no distil')


def learning_rate_at(step: int, settings: TrainingSettings) -> float:
    """Linear rise, constant, linear fall to zero."""
    rise = min(1.0, (step + 1) / max(1, settings.warmup))
    fall = min(1.0, (settings.steps - step) / max(1.0, settings.decay_share * settings.steps))
    return settings.learning_rate * rise * fall


def variety_at(step: int, settings: TrainingSettings) -> float:
    """Share of random acquisitions: 0 during the first `plain_steps`, then rising to 1 over `widening_steps`."""
    return min(1.0, max(0.0, (step - settings.plain_steps) / max(1, settings.widening_steps)))


def patches_at(step: int, settings: TrainingSettings) -> tuple[tuple[int, int, int], int]:
    """Sides and number of the patches of a step: cubes, or slabs of as many voxels, spread evenly over the steps."""
    cube = (settings.patch, settings.patch, settings.patch)
    slabs = int((step + 1) * settings.slab_share) > int(step * settings.slab_share)
    if step < settings.slab_from * settings.steps or not slabs:
        return cube, settings.batch
    return settings.slab, max(1, round(settings.batch * math.prod(cube) / math.prod(settings.slab)))
