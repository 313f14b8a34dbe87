"""Denoisers that are led: towards a condition that was dropped in training, a class, or a correction of the answer."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from medsr.diffusion.denoiser import Denoiser, RawNetwork, coefficients, noise_features

LogProbability = Callable[[Tensor, Tensor], Tensor]
"""Noisy state (B, 1, I, J, K) and sigma (B,) to the logarithm of a class's probability, summed over all of it."""


def classifier_free(conditional: Denoiser, unconditional: Denoiser, weight: float) -> Denoiser:
    """D_u + w (D_c - D_u) (Ho & Salimans 2022): w = 1 is the conditional one; more leads farther than the posterior."""

    def led(x: Tensor, sigma: Tensor) -> Tensor:
        without = unconditional(x, sigma)
        return without + weight * (conditional(x, sigma) - without)

    return led


def classified(denoise: Denoiser, log_probability: LogProbability, scale: float) -> Denoiser:
    """D + scale sigma^2 grad log p(class | x): the score of the class added (Dhariwal & Nichol 2021, section 4)."""

    def led(x: Tensor, sigma: Tensor) -> Tensor:
        with torch.enable_grad():
            free = x.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(log_probability(free, sigma), free)
        return denoise(x, sigma) + scale * sigma[:, None, None, None, None] ** 2 * gradient

    return led


def pulled(denoise: Denoiser, correction: Callable[[Tensor, Tensor], Tensor]) -> Denoiser:
    """D + J^T c(D): a correction of the answer taken back to the noisy state through the network, J = dD / dx.

    Args:
        denoise: Denoiser that gradients pass through.
        correction: Answer (B, 1, I, J, K) and sigma (B,) to its correction.
    """

    def led(x: Tensor, sigma: Tensor) -> Tensor:
        with torch.enable_grad():
            free = x.detach().clone().requires_grad_()
            clean = denoise(free, sigma)
            answer = clean.detach()
            (gradient,) = torch.autograd.grad(clean, free, correction(answer, sigma))
        return answer + gradient

    return led


def sharpness(net: RawNetwork) -> LogProbability:
    """The logarithm of the probability that a noisy detail is sharp, by a classifier's first map of logits."""

    def log_probability(x: Tensor, sigma: Tensor) -> Tensor:
        logits = net(coefficients(sigma).into * x, noise_features(sigma))[:, :1]
        return F.logsigmoid(logits).sum()

    return log_probability


def blurred(detail: Tensor) -> Tensor:
    """Detail (B, 1, I, J, K) blurred twice by (1, 2, 1) / 4 along each axis, repeated at the border."""
    for dim in (-3, -2, -1, -3, -2, -1):
        n = detail.shape[dim]
        padded = torch.cat([detail.narrow(dim, 0, 1), detail, detail.narrow(dim, n - 1, 1)], dim=dim)
        detail = (padded.narrow(dim, 0, n) + 2 * padded.narrow(dim, 1, n) + padded.narrow(dim, 2, n)) / 4
    return detail


def sharpness_loss(net: RawNetwork, detail: Tensor, sigma: Tensor, noise: Tensor, sharp: Tensor) -> Tensor:
    """Cross entropy of a classifier that tells sharp from blurred details under noise.

    Args:
        net: Raw network; its first map holds a logit for each voxel.
        detail: True detail (B, 1, I, J, K).
        sigma: Noise levels (B,), finite.
        noise: White noise (B, 1, I, J, K) of unit variance.
        sharp: 1 for patches that are shown as they are, 0 for those that are blurred first, (B,).
    """
    truth = sharp[:, None, None, None, None]
    state = truth * detail + (1 - truth) * blurred(detail) + sigma[:, None, None, None, None] * noise
    logits = net(coefficients(sigma).into * state, noise_features(sigma))[:, :1]
    return F.binary_cross_entropy_with_logits(logits, truth.expand_as(logits))
