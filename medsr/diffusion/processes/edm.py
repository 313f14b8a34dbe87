"""Karras et al. 2022 from the posterior mean, the default, and what is made of it.

The distilled form has one or two levels. The prior models the scan itself and sees none. The classifier tells sharp
details from blurred ones at every noise level.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from medsr.diffusion.denoiser import coefficients
from medsr.diffusion.process import Process
from medsr.diffusion.schedule import SIGMA_MAX, karras
from medsr.errors import UsageError

FEW_LEVELS = (SIGMA_MAX, 0.5)  # the second one leaves half of a unit detail's variance open
PRIOR_MAX, PRIOR_MIN = 20.0, 0.02  # in units of a scan's deviation
PRIOR_RHO = 7.0  # Karras et al. 2022, table 1


def log_normal(middle: float, width: float, low: float, high: float) -> Callable[[int, torch.Generator], Tensor]:
    """Random levels with ln sigma ~ N(ln middle, width^2), clipped to low and high."""

    def levels(count: int, generator: torch.Generator) -> Tensor:
        log_sigma = width * torch.randn(count, generator=generator, device=generator.device) + math.log(middle)
        return log_sigma.exp().clamp(low, high)

    return levels


def few(n_steps: int) -> Tensor:
    """The levels of a distilled network: as many steps as it was taught.

    Raises:
        UsageError: more than that.
    """
    if not 1 <= n_steps <= len(FEW_LEVELS):
        raise UsageError(
            f"steps is {n_steps}; this model was distilled to {len(FEW_LEVELS)}, so ask for --steps 1 or 2"
        )
    return torch.tensor([*FEW_LEVELS[:n_steps], 0.0], dtype=torch.float64)


def few_at_random(count: int, generator: torch.Generator) -> Tensor:
    """Random levels (count,) of those that a distilled network is asked at."""
    chosen = torch.randint(len(FEW_LEVELS), (count,), generator=generator, device=generator.device)
    return torch.tensor(FEW_LEVELS, device=generator.device)[chosen]


def nothing_kept(sigma: float, sigma_next: float) -> float:
    """Ancestral steps of a distilled network take all noise anew, since its answer is a clean sample already."""
    return 0.0


EDM = Process(
    summary="EDM of the detail, from the posterior mean (Karras et al. 2022): the default",
    parametrisation=coefficients,
    random_levels=log_normal(0.4, 1.0, 0.03, 8.0),
    levels=karras,
    starts="mean",
    rescaled=True,
)
FEW = replace(
    EDM,
    summary="EDM distilled to one or two steps; the second one with the ancestral sampler (Song et al. 2023)",
    random_levels=few_at_random,
    levels=few,
    kept=nothing_kept,
)
PRIOR = replace(
    EDM,
    summary="EDM of the scan itself that sees no scan: all that ties it to one is the data step",
    random_levels=log_normal(0.6, 1.2, PRIOR_MIN, PRIOR_MAX),
    levels=partial(karras, sigma_max=PRIOR_MAX, sigma_min=PRIOR_MIN, rho=PRIOR_RHO),
    starts="noise",
    models="scan",
    sees_scan=False,
    tells_mean=False,
    rescaled=False,
    error_variance=1.0,
)
SHARPNESS = replace(EDM, summary="classifier of noisy details: sharp or blurred", tells_mean=False, classifies=True)
