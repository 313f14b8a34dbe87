"""The training losses: squared error, relative to one thing or another, and a Gaussian likelihood for the variance."""

from __future__ import annotations

import torch
from torch import Tensor

from medsr.diffusion.denoiser import Estimate, Parametrisation, RawNetwork, coefficients, estimate, noise_features

SMALLEST_ENERGY = (
    0.3  # added to a patch's, in squared units of the expected detail, so that flat patches don't dominate
)
VARIANCE_WEIGHT = 0.2  # weight of the likelihood beside the error
LOG_VARIANCE_RANGE = (-10.0, 4.0)
PATCH = (1, 2, 3, 4)  # dimensions of one patch of a batch


def detail_loss(
    net: RawNetwork,
    detail: Tensor,
    sigma: Tensor,
    noise: Tensor,
    weight: Tensor,
    parametrisation: Parametrisation = coefficients,
    wanted: Tensor | None = None,
) -> Tensor:
    """Mean over the batch of each patch's error relative to its own unknown part, plus the variance's likelihood.

    A patch's squared error is divided by e s^2 / (e + s^2), e the mean square of its detail and s its noise level: the
    error of the best linear answer. So an easy patch counts as much as a hard one, and with s = inf the loss is the
    error over the IBP estimate's error. The variance head sees the mean without gradient (Seitzer et al. 2022).

    Both e and the weight know what the network is asked for. Of all details that fit a scan, those with little energy
    count more, so the answer of least loss is not their mean but lies nearer to zero: see `unbiased_loss`.

    Args:
        net: Raw network.
        detail: True detail (B, 1, I, J, K), in units of the expected detail.
        sigma: Noise levels (B,), same units; inf for the posterior mean.
        noise: White noise (B, 1, I, J, K) of unit variance.
        weight: Weight of each voxel (B, 1, I, J, K), 0 or more.
        parametrisation: What the raw network predicts.
        wanted: What is to be answered (B, 1, I, J, K); None: the true detail.
    """
    mean, log_variance = _answer(net, detail, sigma, noise, parametrisation)
    count = weight.sum(dim=PATCH).clamp_min(1)
    square = (mean - (detail if wanted is None else wanted)) ** 2
    energy = (detail**2 * weight).sum(dim=PATCH) / count + SMALLEST_ENERGY
    error = (square * weight).sum(dim=PATCH) / count / _linear_error(energy, sigma)
    likelihood = (_likelihood(square, log_variance) * weight).sum(dim=PATCH) / count
    return (error + VARIANCE_WEIGHT * likelihood).mean()


def unbiased_loss(
    net: RawNetwork,
    detail: Tensor,
    sigma: Tensor,
    noise: Tensor,
    parametrisation: Parametrisation = coefficients,
    wanted: Tensor | None = None,
) -> Tensor:
    """As `detail_loss`, but every weight is a function of what the network sees, so that its best answer is the mean.

    A patch's squared error is divided by what the variance head expects it to be, without gradient, plus a part of the
    least energy. That is known before the detail is: of all details that fit a scan, each counts alike. Karras et al.
    2024 (arXiv:2312.02696) learn such a weight beside the mean too, there by noise level alone.

    Args:
        net: Raw network.
        detail: True detail (B, 1, I, J, K), in units of the expected detail.
        sigma: Noise levels (B,), same units; inf for the posterior mean.
        noise: White noise (B, 1, I, J, K) of unit variance.
        parametrisation: What the raw network predicts.
        wanted: What is to be answered (B, 1, I, J, K); None: the true detail.
    """
    mean, log_variance = _answer(net, detail, sigma, noise, parametrisation)
    square = (mean - (detail if wanted is None else wanted)) ** 2
    floor = _linear_error(torch.full_like(sigma, SMALLEST_ENERGY), sigma)
    expected = log_variance.detach().exp().mean(dim=PATCH) + floor
    error = square.mean(dim=PATCH) / expected
    return (error + VARIANCE_WEIGHT * _likelihood(square, log_variance).mean(dim=PATCH)).mean()


def target_loss(
    net: RawNetwork,
    detail: Tensor,
    sigma: Tensor,
    noise: Tensor,
    parametrisation: Parametrisation = coefficients,
    wanted: Tensor | None = None,
) -> Tensor:
    """The plain squared error of what the raw network predicts: noise, velocity or detail, as each paper trains it.

    For noise it is the simple loss of DDPM (Ho et al. 2020, eq. 14). The best answer is the mean at every level. The
    variance's likelihood is that of the raw answer too, which differs from the detail's by a constant.

    Args:
        net: Raw network.
        detail: True clean state (B, 1, I, J, K).
        sigma: Noise levels (B,), same units; inf for the posterior mean.
        noise: Noise (B, 1, I, J, K) of unit variance.
        parametrisation: What the raw network predicts.
        wanted: What is to be answered (B, 1, I, J, K); None: the true detail.
    """
    scales = parametrisation(sigma)
    noisy = _noisy(detail, sigma, noise)
    raw = net(scales.into * noisy, noise_features(sigma))
    target = ((detail if wanted is None else wanted) - scales.skip * noisy) / scales.out
    answer, log_variance = raw.chunk(2, dim=1)
    square = (answer - target) ** 2
    return square.mean() + VARIANCE_WEIGHT * _likelihood(square, log_variance.clamp(*LOG_VARIANCE_RANGE)).mean()


def _noisy(detail: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Clean states plus noise; at sigma = inf, where the state carries nothing, zero."""
    infinite = torch.isinf(sigma)[:, None, None, None, None]
    finite = torch.where(torch.isinf(sigma), 0.0, sigma)[:, None, None, None, None]
    return torch.where(infinite, 0.0, detail + finite * noise)


def _answer(
    net: RawNetwork, detail: Tensor, sigma: Tensor, noise: Tensor, parametrisation: Parametrisation
) -> Estimate:
    mean, log_variance = estimate(net, _noisy(detail, sigma, noise), sigma, parametrisation)
    return Estimate(mean, log_variance.clamp(*LOG_VARIANCE_RANGE))


def _linear_error(energy: Tensor, sigma: Tensor) -> Tensor:
    """Mean square error (B,) of the best linear answer to detail of that mean square."""
    return torch.where(torch.isinf(sigma), energy, energy * sigma**2 / (energy + sigma**2))


def _likelihood(square: Tensor, log_variance: Tensor) -> Tensor:
    """Negative logarithm of a Gaussian's likelihood, but for a constant; the error is taken as it is."""
    return 0.5 * (square.detach() * torch.exp(-log_variance) + log_variance)
