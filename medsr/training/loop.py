"""The training loop: batches to weights, resumable at any step with the same curve."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from medsr.conditioning import N_CONDITIONS, N_MAPS, conditioned
from medsr.diffusion.loss import detail_loss, draw_noise_levels
from medsr.nets import DetailNet, NetSpec, channels_last
from medsr.training.batches import TrainingScan, make_batch
from medsr.training.checkpoint import read_checkpoint, write_checkpoint
from medsr.training.muon import Muon

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_EVERY = 100
TRUNK = ("before", "deep", "after", "down", "up")


@dataclass(frozen=True)
class TrainingSettings:
    """A recipe's numbers; every step is a function of them and its own number.

    Attributes:
        steps: steps of the whole run.
        batch: patches per step.
        patch: side of a patch in voxels.
        slab: sides (long, middle, short) of the patches that see thick slices alone, with as many voxels a step.
        slab_from: share of the run after which slabs are mixed in.
        slab_share: share of the later steps that draw slabs.
        learning_rate: peak, of both optimisers.
        warmup: steps of linear rise.
        decay_share: share of the run, at its end, over which the learning rate falls to zero.
        plain_steps: steps on the plain task alone.
        widening_steps: steps over which the other tasks are mixed in.
        mean_only_share: share of the run, at its start, that learns the posterior mean alone.
        mean_share: share of each later batch that learns the posterior mean.
        average_steps: time constant of the running mean of the weights.
        seed: of everything drawn.
        net: width and depth of the network.
    """

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
    seed: int = 0
    net: NetSpec = field(default_factory=lambda: NetSpec(N_MAPS, N_CONDITIONS))


@dataclass(frozen=True)
class Progress:
    """One finished step: its number, its loss, and the running mean of the weights."""

    step: int
    loss: float
    seconds: float
    average: dict[str, Tensor]


def train(
    scans: Sequence[Sequence[TrainingScan]], settings: TrainingSettings, folder: Path, device: torch.device
) -> Iterator[Progress]:
    """Train from the last checkpoint in `folder`, or from nothing, yielding after every step.

    A checkpoint is written every `CHECKPOINT_EVERY` steps, and when the generator is closed between two steps.
    """
    torch.manual_seed(settings.seed)
    net = channels_last(DetailNet(settings.net).to(device))
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimisers = _optimisers(net, settings.learning_rate)
    path = folder / CHECKPOINT
    step = 0
    if path.exists():
        step = int(str(read_checkpoint(path, net, average, optimisers)["step"]))
    whole = True  # no step is half taken
    try:
        while step < settings.steps:
            began, whole = time.monotonic(), False
            loss = _step(net, optimisers, scans, settings, step, device)
            step += 1
            _update_average(average, net, settings, step)
            whole = True
            if step % CHECKPOINT_EVERY == 0:
                write_checkpoint(path, net, average, optimisers, {"step": step})
            yield Progress(step, loss, time.monotonic() - began, average)
    finally:
        if whole:
            write_checkpoint(path, net, average, optimisers, {"step": step})


def learning_rate_at(step: int, settings: TrainingSettings) -> float:
    """Linear rise, constant, linear fall to zero."""
    rise = min(1.0, (step + 1) / max(1, settings.warmup))
    fall = min(1.0, (settings.steps - step) / max(1.0, settings.decay_share * settings.steps))
    return settings.learning_rate * rise * fall


def variety_at(step: int, settings: TrainingSettings) -> float:
    """0 during the plain steps, then rising to 1 over `widening_steps`."""
    return min(1.0, max(0.0, (step - settings.plain_steps) / max(1, settings.widening_steps)))


def patches_at(step: int, settings: TrainingSettings) -> tuple[tuple[int, int, int], int]:
    """Sides and number of the patches of a step: cubes, or slabs of as many voxels, spread evenly over the steps."""
    cube = (settings.patch, settings.patch, settings.patch)
    slabs = int((step + 1) * settings.slab_share) > int(step * settings.slab_share)
    if step < settings.slab_from * settings.steps or not slabs:
        return cube, settings.batch
    return settings.slab, max(1, round(settings.batch * math.prod(cube) / math.prod(settings.slab)))


def _step(
    net: DetailNet,
    optimisers: Sequence[torch.optim.Optimizer],
    scans: Sequence[Sequence[TrainingScan]],
    settings: TrainingSettings,
    step: int,
    device: torch.device,
) -> float:
    shape, count = patches_at(step, settings)
    batch = make_batch(scans, (settings.seed, step), count, shape, variety_at(step, settings), device)
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    only_mean = step < settings.mean_only_share * settings.steps
    sigma = draw_noise_levels(count, 1.0 if only_mean else settings.mean_share, generator).to(device)
    noise = torch.randn(batch.detail.shape, generator=generator).to(device)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        optimiser.zero_grad(set_to_none=True)
    with torch.autocast(device.type, torch.bfloat16):
        loss = detail_loss(conditioned(net, batch.maps, batch.scan), batch.detail, sigma, noise, batch.weight)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    for optimiser in optimisers:
        optimiser.step()
    return float(loss.detach())


def _optimisers(net: DetailNet, learning_rate: float) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the kernels of the trunk, AdamW for the first and last layers, biases and embeddings."""
    kernels = [weight for name, weight in net.named_parameters() if weight.ndim == 5 and name.startswith(TRUNK)]
    chosen = {id(weight) for weight in kernels}
    others = [weight for weight in net.parameters() if id(weight) not in chosen]
    return Muon(kernels, learning_rate), torch.optim.AdamW(others, learning_rate, betas=(0.9, 0.99), weight_decay=0.0)


def _update_average(average: dict[str, Tensor], net: DetailNet, settings: TrainingSettings, step: int) -> None:
    """Running mean whose memory grows with the run up to `average_steps` (Karras et al. 2024, section 3)."""
    keep = 1 - 1 / min(settings.average_steps, 1 + step / 10)
    for name, value in net.state_dict().items():
        average[name].lerp_(value, 1 - keep)
