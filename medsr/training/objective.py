"""The loss of a batch: of its process, with or without the scan, from the truth or from a teacher."""

from __future__ import annotations

import torch
from torch import Tensor

from medsr.diffusion.denoiser import RawNetwork
from medsr.diffusion.guidance import sharpness_loss
from medsr.diffusion.loss import detail_loss, target_loss, unbiased_loss
from medsr.diffusion.process import Process
from medsr.diffusion.processes import PROCESSES
from medsr.model.conditioning import Network, conditioned
from medsr.model.nets import Autoencoder, LatentNet
from medsr.training.autoencoding import autoencoding_loss, coded
from medsr.training.distil import Teacher
from medsr.training.schedule import TrainingSettings


def objective(
    net: Network,
    teacher: Teacher | None,
    settings: TrainingSettings,
    detail: Tensor,
    maps: Tensor,
    scan: Tensor,
    weight: Tensor,
    sigma: Tensor,
    noise: Tensor,
    chance: Tensor,
) -> Tensor:
    """The mean loss of a batch.

    Args:
        net: Network that learns.
        teacher: Network that tells what is to be answered; None: the truth does.
        settings: Settings of the run.
        detail: True states (B, 1, I, J, K).
        maps: Maps (B, N_MAPS - 1, I, J, K).
        scan: Conditions (B, N_SCAN_CONDITIONS).
        weight: Weight of each voxel (B, 1, I, J, K).
        sigma: Noise levels (B,).
        noise: White noise (B, 1, I, J, K), or of the size of their codes where it learns those.
        chance: A random number 0 to 1 for each patch (B,).
    """
    process = PROCESSES[settings.process]
    if isinstance(net, Autoencoder):
        return autoencoding_loss(net, detail, noise)
    if isinstance(net, LatentNet):
        detail, maps = coded(net, detail, maps)
    if process.classifies:
        return sharpness_loss(conditioned(net, maps, scan), detail, sigma, noise, (chance < 0.5).to(detail.dtype))
    wanted = None if teacher is None else teacher(detail, maps, scan, sigma, noise)
    dropped = settings.drop_condition if process.sees_scan else 1.0
    if dropped > 0:
        seen = chance >= dropped
        maps, scan = maps * seen[:, None, None, None, None], scan * seen[:, None]
    raw = conditioned(net, maps, scan)
    if process.spread is not None:
        noise = process.noise(noise, _expected(process, raw, detail))
    if settings.weights == "truth":
        return detail_loss(raw, detail, sigma, noise, weight, process.parametrisation, wanted)
    loss = unbiased_loss if settings.weights == "scan" else target_loss
    return loss(raw, detail, sigma, noise, process.parametrisation, wanted)


@torch.no_grad()
def _expected(process: Process, raw: RawNetwork, detail: Tensor) -> Tensor:
    """The posterior mean by the network as it is."""
    infinite = torch.full((len(detail),), torch.inf, device=detail.device)
    return process.estimate(raw, torch.zeros_like(detail), infinite).mean
