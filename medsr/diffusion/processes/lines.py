"""Straight lines from the clean state to noise: r (1 - t) + n t, walked by evenly spaced t (`euler` is theirs).

The noise n has the deviation `spread`, so that sigma = spread t / (1 - t). In PMRF it lies around the posterior mean.
InDI's line ends at the IBP estimate plus noise, and the estimate is 0 in units of the detail.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medsr.diffusion.denoiser import Parametrisation
from medsr.diffusion.parametrisations import straight_clean, straight_velocity
from medsr.diffusion.process import Process

LAST_T = 0.999  # at 1 nothing is left of the clean state, and sigma is infinite
FIRST_T = 0.001
PMRF_SPREAD = 0.3  # of the noise around the mean, in units of the expected detail
INDI_SPREAD = 0.25  # of the noise that is added to the IBP estimate, same units


def line(parametrisation: Parametrisation, spread: float, summary: str, *, around_mean: bool = False) -> Process:
    """The process of a line to noise of that spread, around 0 or around the posterior mean."""

    def random_levels(count: int, generator: torch.Generator) -> Tensor:
        t = torch.rand(count, generator=generator, device=generator.device)
        return _sigma(FIRST_T + (LAST_T - FIRST_T) * t, spread)

    def levels(n_steps: int) -> Tensor:
        return _sigma(torch.linspace(LAST_T, 0, n_steps + 1, dtype=torch.float64), spread)

    return Process(summary, parametrisation, random_levels, levels, spread=spread if around_mean else None)


def _sigma(t: Tensor, spread: float) -> Tensor:
    return spread * t / (1 - t)


FLOW = line(straight_velocity(1.0), 1.0, "rectified flow from noise (Liu et al. 2022)")
PMRF = line(
    straight_velocity(PMRF_SPREAD),
    PMRF_SPREAD,
    "flow from the posterior mean plus noise, after PMRF (Ohayon et al. 2024), with the scan shown to it",
    around_mean=True,
)
INDI = line(
    straight_clean(INDI_SPREAD), INDI_SPREAD, "InDI from the IBP estimate plus noise (Delbracio & Milanfar 2023)"
)
