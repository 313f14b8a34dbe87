"""What a raw network F predicts, as D(x; sigma) = c_skip x + c_out F(c_in x), for sigma_data = 1.

All of them denoise x = r + sigma eps. A process of its paper, a r + b eps, is this one divided by a, with sigma = b / a
(docs/explanation/equations.md, eq. 14).
"""

from __future__ import annotations

import torch
from torch import Tensor

from medsr.diffusion.denoiser import Coefficients, Parametrisation, coefficients


def noise(sigma: Tensor) -> Coefficients:
    """F is the noise (Ho et al. 2020): r = x - sigma F, with nothing to say of r at sigma = inf."""
    level = sigma[:, None, None, None, None]
    return Coefficients(skip=torch.ones_like(level), out=-level, into=coefficients(sigma).into)


def velocity(sigma: Tensor) -> Coefficients:
    """F is v = a eps - b r with a^2 + b^2 = 1 (Salimans & Ho 2022): those of Karras et al. with F's sign turned."""
    scales = coefficients(sigma)
    return scales._replace(out=-scales.out)


def clean(sigma: Tensor) -> Coefficients:
    """F is the clean state r itself."""
    scales = coefficients(sigma)
    return scales._replace(skip=torch.zeros_like(scales.skip), out=torch.ones_like(scales.out))


def straight_share(sigma: Tensor, spread: float) -> Tensor:
    """Share a = 1 - t of the clean state on the line from it to noise of that spread, (B, 1, 1, 1, 1); 0 at inf."""
    return spread / (spread + sigma[:, None, None, None, None])


def straight_velocity(spread: float) -> Parametrisation:
    """F is n - r, the velocity along the line from r to the noise n = spread eps (Liu et al. 2022)."""

    def scales(sigma: Tensor) -> Coefficients:
        a = straight_share(sigma, spread)
        return Coefficients(skip=a, out=a - 1, into=a)

    return scales


def straight_clean(spread: float) -> Parametrisation:
    """F is r, and sees the point on the line from it to the noise of that spread (Delbracio & Milanfar 2023)."""

    def scales(sigma: Tensor) -> Coefficients:
        a = straight_share(sigma, spread)
        return Coefficients(skip=torch.zeros_like(a), out=torch.ones_like(a), into=a)

    return scales


def bridge_share(sigma: Tensor, variance: float) -> Tensor:
    """Share a = 1 - tau of the clean state in a Brownian bridge to 0, where sigma^2 = variance tau / (1 - tau)."""
    return variance / (variance + sigma[:, None, None, None, None] ** 2)


def bridge(variance: float) -> Parametrisation:
    """F is (X - r) / s, X the bridge and s its forward deviation (Liu et al. 2023)."""

    def scales(sigma: Tensor) -> Coefficients:
        a = bridge_share(sigma, variance)
        return Coefficients(skip=a, out=-torch.sqrt(variance * (1 - a)), into=a)

    return scales
