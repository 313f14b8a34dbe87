"""From a raw network to a denoiser: the preconditioning of Karras et al. 2022, up to infinite noise.

States are in units of the expected detail, so that sigma_data = 1. At sigma = inf the noisy state carries nothing:
its input is zero and the denoiser is the posterior mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

RawNetwork = Callable[[Tensor, Tensor], Tensor]
"""Scaled noisy state (B, C, I, J, K) and features of the noise level (B, N_NOISE_FEATURES) to (B, 2 C, I, J, K).

C is 1, or the numbers of a code where states are codes.
"""

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""Noisy state (B, 1, I, J, K) and sigma (B,) to the expected clean state (B, 1, I, J, K)."""


class Estimate(NamedTuple):
    """The network's prediction of the clean state: its mean and the logarithm of its variance, (B, 1, I, J, K)."""

    mean: Tensor
    log_variance: Tensor


class Coefficients(NamedTuple):
    """Scales of a network's input and answer for sigma_data = 1, each (B, 1, 1, 1, 1)."""

    skip: Tensor
    out: Tensor
    into: Tensor


Parametrisation = Callable[[Tensor], Coefficients]
"""Noise levels (B,), above 0 or inf, to what a raw network predicts there."""


def coefficients(sigma: Tensor) -> Coefficients:
    """c_skip = 1 / (sigma^2 + 1), c_out = sigma / sqrt(sigma^2 + 1), c_in = 1 / sqrt(sigma^2 + 1); 0, 1, 0 at inf.

    Karras et al. 2022, table 1; `medsr.diffusion.parametrisations` has others.
    """
    sigma = sigma[:, None, None, None, None]
    infinite = torch.isinf(sigma)
    finite = torch.where(infinite, 1.0, sigma)
    root = torch.sqrt(finite**2 + 1)
    return Coefficients(
        skip=torch.where(infinite, 0.0, 1 / root**2),
        out=torch.where(infinite, 1.0, finite / root),
        into=torch.where(infinite, 0.0, 1 / root),
    )


def noise_features(sigma: Tensor) -> Tensor:
    """Features (B, N_NOISE_FEATURES) of the noise level, bounded and smooth up to sigma = inf."""
    scales = coefficients(sigma)
    features = [scales.skip.flatten(), scales.into.flatten(), torch.isinf(sigma).to(sigma.dtype)]
    return torch.stack(features, dim=1)


def estimate(
    net: RawNetwork,
    noisy: Tensor,
    sigma: Tensor,
    parametrisation: Parametrisation = coefficients,
) -> Estimate:
    """D(noisy; sigma) = c_skip noisy + c_out F(c_in noisy) and its log variance (Karras et al. 2022, eq. 7).

    Args:
        net: Raw network F; the second half of its maps is the log variance of the first.
        noisy: Clean state plus noise, (B, 1, I, J, K), in units of the expected detail; ignored where `sigma` is inf.
        sigma: Standard deviation of the noise (B,), same units, above 0 or inf.
        parametrisation: What F predicts.
    """
    scales = parametrisation(sigma)
    known = torch.where(torch.isinf(sigma)[:, None, None, None, None], 0.0, noisy)
    raw = net(scales.into * known, noise_features(sigma))
    answer, log_variance = raw.chunk(2, dim=1)
    mean = scales.skip * known + scales.out * answer
    return Estimate(mean, log_variance + 2 * torch.log(scales.out.abs()))


def mean_of(net: RawNetwork, parametrisation: Parametrisation = coefficients) -> Denoiser:
    """The denoiser that a sampler needs: the mean alone."""
    return lambda noisy, sigma: estimate(net, noisy, sigma, parametrisation).mean
