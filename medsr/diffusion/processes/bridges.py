"""Bridges from the clean state to the IBP estimate, which is 0 in units of the detail.

A Brownian bridge (I2SB) divided by the share of the clean state is a Brownian motion in sigma, so its Markov posterior
is the ancestral step of DDPM. Residual shifting has the same marginals as some sigma too, but keeps more of the noise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medsr.diffusion.parametrisations import bridge, clean
from medsr.diffusion.process import Process

BRIDGE_VARIANCE = 1.0  # of the forward noise, in squared units of the expected detail
LAST_TAU, FIRST_TAU = 0.999, 0.001

KAPPA = 2.0
# As published but for the least noise, 0.2 there, which would take the finest texture from details of deviation 1.
FIRST_ETA, LAST_ETA = (0.05 / KAPPA) ** 2, 0.99**2
POWER = 0.3


def bridge_sigma(tau: Tensor) -> Tensor:
    """Noise level of the Brownian bridge where a share tau of its variance is spent: sigma^2 = S tau / (1 - tau)."""
    return torch.sqrt(BRIDGE_VARIANCE * tau / (1 - tau))


def shift_eta(share: Tensor) -> Tensor:
    """Shift eta at a share 0 to 1 of the steps: its root rises geometrically in share^0.3 (Yue et al. 2023)."""
    return FIRST_ETA * (LAST_ETA / FIRST_ETA) ** (share**POWER)


def shift_sigma(eta: Tensor) -> Tensor:
    """Noise level of x ~ N((1 - eta) r, kappa^2 eta): sigma = kappa sqrt(eta) / (1 - eta)."""
    return KAPPA * torch.sqrt(eta) / (1 - eta)


def eta_at(sigma: float) -> float:
    """Shift whose noise level is sigma, the inverse of `shift_sigma`."""
    if sigma == 0:
        return 0.0
    root = (float((KAPPA**2 + 4 * sigma**2) ** 0.5) - KAPPA) / (2 * sigma)
    return root**2


def shift_kept(sigma: float, sigma_next: float) -> float:
    """Share of the noise that the Markov posterior of residual shifting keeps: eta_next / eta."""
    return eta_at(sigma_next) / eta_at(sigma)


def _bridge_levels(n_steps: int) -> Tensor:
    return bridge_sigma(torch.linspace(LAST_TAU, 0, n_steps + 1, dtype=torch.float64))


def _random_bridge_levels(count: int, generator: torch.Generator) -> Tensor:
    share = torch.rand(count, generator=generator, device=generator.device)
    return bridge_sigma(FIRST_TAU + (LAST_TAU - FIRST_TAU) * share)


def _shift_levels(n_steps: int) -> Tensor:
    share = torch.linspace(1, 0, n_steps, dtype=torch.float64)
    return torch.cat([shift_sigma(shift_eta(share)), share.new_zeros(1)])


def _random_shift_levels(count: int, generator: torch.Generator) -> Tensor:
    return shift_sigma(shift_eta(torch.rand(count, generator=generator, device=generator.device)))


I2SB = Process(
    "I2SB: Brownian bridge from the IBP estimate (Liu et al. 2023)",
    bridge(BRIDGE_VARIANCE),
    _random_bridge_levels,
    _bridge_levels,
)
RESSHIFT = Process(
    "residual shifting from the IBP estimate plus noise (Yue et al. 2023)",
    clean,
    _random_shift_levels,
    _shift_levels,
    kept=shift_kept,
)
