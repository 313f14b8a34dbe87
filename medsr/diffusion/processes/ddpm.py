"""Variance-preserving chains of 1,000 steps (Ho et al. 2020), divided by the root of alpha_bar.

sigma_t^2 = (1 - alpha_bar_t) / alpha_bar_t. A walk of fewer steps visits as many of the levels, evenly spaced from the
last to the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from medsr.diffusion.denoiser import Parametrisation
from medsr.diffusion.names import ProcessName
from medsr.diffusion.parametrisations import clean, noise, velocity
from medsr.diffusion.process import Process
from medsr.errors import UsageError

N_CHAIN = 1000
FIRST_BETA, LAST_BETA = 1e-4, 0.02  # Ho et al. 2020, section 4
OFFSET, MOST_BETA = 0.008, 0.999  # Nichol & Dhariwal 2021, section 3.2
MOST_DETAIL = 20.0  # units of the expected detail: less than 1 voxel in 10,000 of six training scans held more


def linear_alpha_bar() -> Tensor:
    """alpha_bar (N_CHAIN,) of a linear schedule of beta, float64."""
    return torch.cumprod(1 - torch.linspace(FIRST_BETA, LAST_BETA, N_CHAIN, dtype=torch.float64), dim=0)


def cosine_alpha_bar() -> Tensor:
    """alpha_bar (N_CHAIN,) of the cosine schedule, float64 (Nichol & Dhariwal 2021, eq. 17)."""
    t = torch.linspace(0, 1, N_CHAIN + 1, dtype=torch.float64)
    f = torch.cos((t + OFFSET) / (1 + OFFSET) * math.pi / 2) ** 2
    return torch.cumprod(1 - (1 - f[1:] / f[:-1]).clamp_max(MOST_BETA), dim=0)


def ddpm(
    alpha_bar: Tensor,
    parametrisation: Parametrisation,
    summary: str,
    *,
    tells_mean: bool = True,
    most: float | None = None,
) -> Process:
    """The process of a chain.

    Args:
        alpha_bar: Falling shares (N_CHAIN,) of the clean state's variance.
        parametrisation: What the network predicts.
        summary: The process in a line.
        tells_mean: Whether that has a limit at sigma = inf.
        most: Absolute value that clean states are cut at; None: they are left as they are.
    """
    chain = torch.sqrt((1 - alpha_bar) / alpha_bar)

    def random_levels(count: int, generator: torch.Generator) -> Tensor:
        t = torch.randint(N_CHAIN, (count,), generator=generator, device=generator.device)
        return chain.float().to(generator.device)[t]

    def levels(n_steps: int) -> Tensor:
        if not 1 <= n_steps <= N_CHAIN:
            raise UsageError(f"steps is {n_steps}; the model's chain has {N_CHAIN}, so ask for 1 to {N_CHAIN}")
        t = torch.linspace(N_CHAIN - 1, 0, n_steps, dtype=torch.float64).round().long()
        return torch.cat([chain[t], chain.new_zeros(1)])

    return Process(summary, parametrisation, random_levels, levels, tells_mean=tells_mean, most=most)


SCHEDULES: tuple[tuple[ProcessName, ProcessName, ProcessName, str, Callable[[], Tensor]], ...] = (
    ("ddpm_linear", "ddpm_linear_v", "ddpm_linear_x0", "linear", linear_alpha_bar),
    ("ddpm_cosine", "ddpm_cosine_v", "ddpm_cosine_x0", "cosine", cosine_alpha_bar),
)
DDPM: dict[ProcessName, Process] = {}
for of_noise, of_v, of_x0, kind, schedule in SCHEDULES:
    said = f"DDPM with a {kind} schedule that predicts"
    # An error of the noise is sigma times as large in the clean state, thousands of times at the first levels, so that
    # walks blow up where it is not cut (as in the code of Ho et al. 2020, at the range of pictures).
    by_noise = f"{said} the noise (Ho et al. 2020)"
    DDPM[of_noise] = ddpm(schedule(), noise, by_noise, tells_mean=False, most=MOST_DETAIL)
    DDPM[of_v] = ddpm(schedule(), velocity, f"{said} v (Salimans & Ho 2022)")
    DDPM[of_x0] = ddpm(schedule(), clean, f"{said} the detail")
