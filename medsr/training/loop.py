"""The training loop: batches to weights, resumable at any step with the same curve."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from medsr.diffusion.processes import PROCESSES
from medsr.model.nets import Net, channels_last
from medsr.training.autoencoding import network_for, noise_shape
from medsr.training.batches import Batch
from medsr.training.checkpoint import read_checkpoint, write_checkpoint
from medsr.training.distil import Teacher, teacher_of
from medsr.training.feed import feed
from medsr.training.muon import Muon
from medsr.training.objective import objective
from medsr.training.precision import mixed_precision
from medsr.training.replay import Replayed
from medsr.training.scans import TrainingScan
from medsr.training.schedule import TrainingSettings, learning_rate_at

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = 60.0  # at most so much work is lost to a kill
TRUNK = ("before", "deep", "after", "down", "up")


@dataclass(frozen=True)
class Progress:
    """One finished step: its number, its loss, and the running mean of the weights.

    The loss is a scalar tensor on the device of the run: reading it waits for the device.
    """

    step: int
    loss: Tensor
    average: dict[str, Tensor]


def train(
    scans: Sequence[Sequence[TrainingScan]],
    settings: TrainingSettings,
    folder: Path,
    device: torch.device,
    workers: int = 0,
    start: Mapping[str, Tensor] | None = None,
) -> Iterator[Progress]:
    """Train from the last checkpoint in `folder`, else from `start`, or from random weights, yielding after every step.

    A checkpoint is written every `CHECKPOINT_SECONDS`, and when the generator is closed between two steps.

    Args:
        scans: Result of `scans.training_scans`.
        settings: Settings of the run.
        folder: Folder of the checkpoint.
        device: Device to train on.
        workers: Number of processes that make the batches, see `feed.feed`.
        start: Weights to begin with.

    Raises:
        InputError: The checkpoint is not one of this network.
        MedsrError: A teacher or an autoencoder that can't be read, or is none of this network.
    """
    torch.manual_seed(settings.seed)
    net = channels_last(network_for(settings).to(device))
    if start is not None:
        net.load_state_dict(start)
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimisers = _optimisers(net, settings.learning_rate)
    path = folder / CHECKPOINT
    done = int(str(read_checkpoint(path, net, average, optimisers)["step"])) if path.exists() else 0
    distil, models = settings.distil, PROCESSES[settings.process].models
    teacher = None if distil is None else teacher_of(distil, models, device)
    learn = partial(_learn, net, optimisers, average, settings, teacher)
    take = Replayed(learn) if device.type == "cuda" else learn
    whole = True  # no step is half taken
    stored = time.monotonic()
    try:
        for batch in feed(scans, settings, range(done, settings.steps), device, workers):
            whole = False
            loss = take(*_inputs(batch, settings, done))
            done += 1
            whole = True
            if time.monotonic() - stored > CHECKPOINT_SECONDS:
                write_checkpoint(path, net, average, optimisers, {"step": done})
                stored = time.monotonic()
            yield Progress(done, loss, average)
    finally:
        if whole:
            write_checkpoint(path, net, average, optimisers, {"step": done})


def _inputs(batch: Batch, settings: TrainingSettings, step: int) -> tuple[Tensor, ...]:
    """All that one step differs from another by, for `_learn`."""
    device, count = batch.detail.device, len(batch.detail)
    generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + step)
    only_mean = step < settings.mean_only_share * settings.steps
    share_of_mean = 1.0 if only_mean else settings.mean_share
    sigma = PROCESSES[settings.process].training_levels(count, share_of_mean, generator)
    noise = torch.randn(noise_shape(settings, batch.detail), generator=generator, device=device)
    chance = torch.rand(count, generator=generator, device=device)
    rate = torch.full((), learning_rate_at(step, settings), device=device)
    # the memory of the running mean grows with the run (Karras et al. 2024, section 3)
    share = torch.full((), 1 / min(settings.average_steps, 1 + (step + 1) / 10), device=device)
    return batch.detail, batch.maps, batch.scan, batch.weight, sigma, noise, chance, rate, share


def _learn(
    net: Net,
    optimisers: Sequence[torch.optim.Optimizer],
    average: dict[str, Tensor],
    settings: TrainingSettings,
    teacher: Teacher | None,
    detail: Tensor,
    maps: Tensor,
    scan: Tensor,
    weight: Tensor,
    sigma: Tensor,
    noise: Tensor,
    chance: Tensor,
    rate: Tensor,
    share: Tensor,
) -> Tensor:
    """One step: the loss of a batch, its gradient, a step of both optimisers at `rate`, and `share` into the mean."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
    with torch.backends.cudnn.flags(enabled=True, benchmark=True):  # patches have two shapes: a few trials pay
        with mixed_precision(detail.device):
            loss = objective(net, teacher, settings, detail, maps, scan, weight, sigma, noise, chance)
        loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    for optimiser in optimisers:
        optimiser.step()
    with torch.no_grad():
        for name, value in net.state_dict().items():
            average[name].lerp_(value, share)
    return loss.detach()


def _optimisers(net: Net, learning_rate: float) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the kernels of the trunk, AdamW for the first and last layers, biases and embeddings."""
    kernels = [weight for name, weight in net.named_parameters() if weight.ndim == 5 and name.startswith(TRUNK)]
    chosen = {id(weight) for weight in kernels}
    others = [weight for weight in net.parameters() if id(weight) not in chosen]
    on_gpu = kernels[0].is_cuda
    adam = torch.optim.AdamW(others, learning_rate, betas=(0.9, 0.99), weight_decay=0.0, capturable=on_gpu)
    return Muon(kernels, learning_rate), adam
