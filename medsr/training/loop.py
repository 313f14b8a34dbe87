"""The training loop: batches to weights, resumable at any step with the same curve."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medsr.conditioning import conditioned
from medsr.diffusion.loss import detail_loss, draw_noise_levels
from medsr.nets import DetailNet, channels_last
from medsr.training.batches import Batch, TrainingScan
from medsr.training.checkpoint import read_checkpoint, write_checkpoint
from medsr.training.feed import feed
from medsr.training.muon import Muon
from medsr.training.schedule import TrainingSettings, learning_rate_at

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = 60.0  # at most so much work is lost to a kill
TRUNK = ("before", "deep", "after", "down", "up")


@dataclass(frozen=True)
class Progress:
    """One finished step: its number, its loss, and the running mean of the weights.

    The loss is a tensor of no dimensions on the device of the run: to read it is to wait for the device.
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
) -> Iterator[Progress]:
    """Train from the last checkpoint in `folder`, or from nothing, yielding after every step.

    A checkpoint is written every `CHECKPOINT_SECONDS`, and when the generator is closed between two steps.

    Args:
        scans: of `batches.training_scans`.
        settings: of the run.
        folder: of the checkpoint.
        device: that trains.
        workers: processes that make the batches, see `feed.feed`.

    Raises:
        InputError: the checkpoint is not one of this network.
    """
    torch.manual_seed(settings.seed)
    net = channels_last(DetailNet(settings.net).to(device))
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimisers = _optimisers(net, settings.learning_rate)
    path = folder / CHECKPOINT
    done = int(str(read_checkpoint(path, net, average, optimisers)["step"])) if path.exists() else 0
    whole = True  # no step is half taken
    stored = time.monotonic()
    try:
        for batch in feed(scans, settings, range(done, settings.steps), device, workers):
            whole = False
            loss = _step(net, optimisers, batch, settings, done)
            done += 1
            _update_average(average, net, settings, done)
            whole = True
            if time.monotonic() - stored > CHECKPOINT_SECONDS:
                write_checkpoint(path, net, average, optimisers, {"step": done})
                stored = time.monotonic()
            yield Progress(done, loss, average)
    finally:
        if whole:
            write_checkpoint(path, net, average, optimisers, {"step": done})


def _step(
    net: DetailNet, optimisers: Sequence[torch.optim.Optimizer], batch: Batch, settings: TrainingSettings, step: int
) -> Tensor:
    device, count = batch.detail.device, len(batch.detail)
    generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + step)
    only_mean = step < settings.mean_only_share * settings.steps
    sigma = draw_noise_levels(count, 1.0 if only_mean else settings.mean_share, generator)
    noise = torch.randn(batch.detail.shape, generator=generator, device=device)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        optimiser.zero_grad(set_to_none=True)
    # Kernels are chosen by trial: the patches have two shapes, so a few steps pay for it.
    with torch.backends.cudnn.flags(enabled=True, benchmark=True), torch.autocast(device.type, torch.bfloat16):
        loss = detail_loss(conditioned(net, batch.maps, batch.scan), batch.detail, sigma, noise, batch.weight)
    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    for optimiser in optimisers:
        optimiser.step()
    return loss.detach()


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
