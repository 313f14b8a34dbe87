"""Noise levels that a sampler visits, in units of the expected detail."""

from __future__ import annotations

import torch
from torch import Tensor

SIGMA_MAX = 2.65
START_SIGMA = 3.0  # a little more than the first level: denoisers take off a little too much (docs/physics.md, eq. 12)
SIGMA_MIN = 0.05
RHO = 3.0


def karras(n_steps: int, sigma_max: float = SIGMA_MAX, sigma_min: float = SIGMA_MIN, rho: float = RHO) -> Tensor:
    """Falling levels (n_steps + 1,), float64, the last one 0 (Karras et al. 2022, eq. 5).

    Args:
        n_steps: Number of steps, at least 1.
        sigma_max: First level, in units of the expected detail.
        sigma_min: Last level above zero, same units.
        rho: Exponent of the spacing; larger values put more levels near `sigma_min`.

    Raises:
        ValueError: no steps, or levels that don't fall.
    """
    if n_steps < 1 or not sigma_max >= sigma_min > 0:
        raise ValueError(
            f"{n_steps} steps from {sigma_max} to {sigma_min}; expected at least 1 step and falling positive levels"
        )
    ramp = torch.linspace(0, 1, n_steps, dtype=torch.float64)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    levels = (high + ramp * (low - high)) ** rho
    return torch.cat([levels, levels.new_zeros(1)])
