"""Samplers as generators: each walks down a list of noise levels and yields every step.

Each step calls `denoise(x, sigma)`; for a progress bar, a picture or an early stop, loop over the steps. States are
(B, 1, I, J, K) in units of the expected detail; levels (N + 1,) end at 0. The clean state of the last step is the
result. `SAMPLERS` lists the samplers by name: a new one is a function here, its entry in the table, and its name in
`medsr.enhancement.settings.SamplerName`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from medsr.diffusion.denoiser import Denoiser

Noise = Callable[[int], Tensor]
"""White noise (B, 1, I, J, K) of unit variance for the step of that number."""

Kept = Callable[[float, float], float]
"""From a level and the next one to the share of the next noise's variance that is the noise of before."""


class Step(NamedTuple):
    """One step of a sampler.

    Attributes:
        x: State that the step reached, (B, 1, I, J, K).
        clean: Clean state that the denoiser expected, (B, 1, I, J, K).
        sigma: Noise level that the step started from.
    """

    x: Tensor
    clean: Tensor
    sigma: float


def euler(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise | None = None, kept: Kept | None = None
) -> Iterator[Step]:
    """Euler's method, first order: DDIM with eta = 0 (Song et al. 2021, eq. 12; Karras et al. 2022, algorithm 1)."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        clean = denoise(x, _level(x, sigma))
        x = clean + (sigma_next / sigma) * (x - clean)
        yield Step(x, clean, sigma)


def heun(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise | None = None, kept: Kept | None = None
) -> Iterator[Step]:
    """Heun's method, second order: two evaluations per step, one in the last (Karras et al. 2022, algorithm 1)."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        clean = denoise(x, _level(x, sigma))
        slope = (x - clean) / sigma
        x_next = x + (sigma_next - sigma) * slope
        if sigma_next > 0:
            slope_next = (x_next - denoise(x_next, _level(x, sigma_next))) / sigma_next
            x_next = x + (sigma_next - sigma) * (slope + slope_next) / 2
        x = x_next
        yield Step(x, clean, sigma)


def dpm_solver_2m(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise | None = None, kept: Kept | None = None
) -> Iterator[Step]:
    """DPM-Solver++(2M), second order: one evaluation per step, extrapolated (Lu et al. 2022, algorithm 2)."""
    clean_before, width_before = None, 0.0
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        clean = denoise(x, _level(x, sigma))
        if sigma_next == 0:
            x = clean
        else:
            ratio = sigma_next / sigma
            width = -torch.log(torch.tensor(ratio, dtype=torch.float64)).item()
            ahead = clean
            if clean_before is not None:
                ahead = clean + (clean - clean_before) * (width / (2 * width_before))
            x = ratio * x + (1 - ratio) * ahead
            clean_before, width_before = clean, width
        yield Step(x, clean, sigma)


def ancestral(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, eta: float = 1.0, kept: Kept | None = None
) -> Iterator[Step]:
    """Ancestral sampling: step below the next level, then add fresh noise up to it (DDPM, Ho et al. 2020, eq. 7).

    Args:
        denoise: Denoiser.
        x: Noisy state to start from, (B, 1, I, J, K).
        sigmas: Falling levels (N + 1,), the last one 0.
        noise: Fresh noise for the step of a number.
        eta: Share of fresh noise: 1 is DDPM, 0 is `euler`.
        kept: How much of the noise a Markov posterior keeps; None: as DDPM's, (sigma_next / sigma)^2.
    """
    for number, (sigma, sigma_next) in enumerate(pairwise(sigmas.tolist())):
        clean = denoise(x, _level(x, sigma))
        if kept is None:
            up = min(sigma_next, eta * sigma_next * (max(sigma**2 - sigma_next**2, 0.0) ** 0.5) / sigma)
        else:
            up = eta * sigma_next * max(1 - kept(sigma, sigma_next), 0.0) ** 0.5
        down = (sigma_next**2 - up**2) ** 0.5
        x = clean + (down / sigma) * (x - clean)
        if up > 0:
            x = x + up * noise(number)
        yield Step(x, clean, sigma)


class Run(Protocol):
    """What the samplers have in common: deterministic ones ignore the fresh noise and what is kept of the old one."""

    def __call__(
        self, denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, kept: Kept | None = None
    ) -> Iterator[Step]:
        """Steps from a denoiser, a state and falling levels."""
        ...


@dataclass(frozen=True)
class Sampler:
    """One entry of `SAMPLERS`.

    Attributes:
        run: Generator of steps.
        evaluations: Number of evaluations of the network for a number of steps.
        summary: Method in a line, as help texts show it.
    """

    run: Run
    evaluations: Callable[[int], int]
    summary: str


def _one_per_step(n_steps: int) -> int:
    return n_steps


def _two_per_step_but_the_last(n_steps: int) -> int:
    return 2 * n_steps - 1


SAMPLERS: dict[str, Sampler] = {
    "dpm2m": Sampler(dpm_solver_2m, _one_per_step, "DPM-Solver++(2M): second order, deterministic"),
    "euler": Sampler(euler, _one_per_step, "Euler (DDIM): first order, deterministic"),
    "heun": Sampler(heun, _two_per_step_but_the_last, "Heun: second order, deterministic, two evaluations per step"),
    "ancestral": Sampler(ancestral, _one_per_step, "ancestral (DDPM): first order, fresh noise at every step"),
}


def last_of(steps: Iterator[Step]) -> Step:
    """The last step of a sampler.

    Raises:
        ValueError: the sampler took no step.
    """
    last = deque(steps, maxlen=1)
    if not last:
        raise ValueError("the sampler took no step; expected at least two noise levels")
    return last[0]


def _level(x: Tensor, sigma: float) -> Tensor:
    return torch.full((x.shape[0],), sigma, dtype=x.dtype, device=x.device)
