"""Distillation: a network learns in one answer what the sampler of a trained one reaches in several.

From any noisy state the teacher's probability flow ends at one clean state, and the student learns to name it: what
Luhman & Luhman 2021 (arXiv:2101.02388) do from noise alone, here from the levels of the student's process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.schedule import RHO, SIGMA_MIN
from medsr.errors import UsageError
from medsr.io.recipes import FORBID_UNKNOWN
from medsr.model.conditioning import conditioned
from medsr.model.weights import Model, load_model


@dataclass(frozen=True)
class Distil:
    """What a network is taught by, under `[training.distil]`.

    Attributes:
        teacher: Packaged model or weights file.
        steps: Steps of Heun's method that the teacher takes from a noisy state to the clean one.

    Raises:
        ValueError: No steps.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    teacher: str
    steps: int = 4

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; expected at least 1")


@dataclass(frozen=True)
class Teacher:
    """A trained model that tells what its sampler would reach.

    Attributes:
        model: The model.
        steps: Steps that it takes.
    """

    model: Model
    steps: int

    @torch.no_grad()
    def __call__(self, detail: Tensor, maps: Tensor, scan: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        """Clean states (B, 1, I, J, K) at the end of the flow from noisy ones; where sigma is inf, the true ones.

        Args:
            detail: True states (B, 1, I, J, K).
            maps: Maps (B, N_MAPS - 1, I, J, K).
            scan: Conditions (B, N_SCAN_CONDITIONS).
            sigma: Noise levels (B,).
            noise: White noise (B, 1, I, J, K).
        """
        infinite = torch.isinf(sigma)
        finite = torch.where(infinite, 1.0, sigma)
        denoise = self.model.process.denoiser(conditioned(self.model.net, maps, scan), torch.zeros_like(detail))
        reached = flow_end(denoise, detail + _wide(finite) * noise, finite, self.steps)
        return torch.where(_wide(infinite), detail, reached)


def teacher_of(settings: Distil, process_models: str, device: torch.device) -> Teacher:
    """The teacher that settings name.

    Args:
        settings: What is asked.
        process_models: What the student's states are (`Process.models`).
        device: Device of the training.

    Raises:
        UsageError: A model whose states are not those of the student, or that is no denoiser of a scan.
        ModelError: It can't be read.
    """
    model = load_model(settings.teacher, device)
    process = model.process
    other = process.classifies or process.encodes or process.coded
    if process.models != process_models or not process.sees_scan or other or process.spread is not None:
        raise UsageError(f"{settings.teacher} can't teach this network ({process.summary}); name a model of the detail")
    return Teacher(model, settings.steps)


def flow_end(denoise: Denoiser, x: Tensor, sigma: Tensor, n_steps: int) -> Tensor:
    """Clean states that the probability flow leads to, by Heun's method with a level of its own for each patch.

    Args:
        denoise: Denoiser.
        x: Noisy states (B, 1, I, J, K).
        sigma: Their levels (B,), finite.
        n_steps: Number of steps, spaced as by Karras et al. 2022, eq. 5; the last one is Euler's.
    """
    low, high = torch.minimum(sigma, torch.full_like(sigma, SIGMA_MIN)) ** (1 / RHO), sigma ** (1 / RHO)
    shares = [number / max(1, n_steps - 1) for number in range(n_steps)]
    levels = [*((high + share * (low - high)) ** RHO for share in shares), torch.zeros_like(sigma)]
    for number in range(n_steps):
        now, after = levels[number], levels[number + 1]
        clean = denoise(x, now)
        if number == n_steps - 1:
            return clean
        slope = (x - clean) / _wide(now)
        ahead = x + _wide(after - now) * slope
        slope_ahead = (ahead - denoise(ahead, after)) / _wide(after)
        x = x + _wide(after - now) * (slope + slope_ahead) / 2
    raise ValueError(f"{n_steps} steps; expected at least 1")


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None, None]
