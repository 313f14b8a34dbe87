"""Consistency with the measurement: pull a prediction as near to the scan as the scan's noise allows.

`DATA_STEPS` lists by name what a walk may do at every step (`EnhanceSettings.data_step`).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from torch import Tensor

from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.guidance import pulled
from medsr.enhancement.settings import DataStep
from medsr.model.states import Proximal
from medsr.physics.ops import Separable

CONTRADICTION = 1.3  # residual in units of the noise, above which the result contradicts the scan
FITS_NOISE, CLEAR_NOISE = 0.1, 0.01  # a lower residual repeats the noise, where there is this much, in the model range


def noise_ratio(noise_sigma: float, error_variance: float, sigma: float = float("inf")) -> float:
    """Variance of the scan's noise over the variance of the prediction's own error, for `Separable.prox`.

    At noise level sigma a prediction with posterior error v has an error of variance sigma^2 v / (sigma^2 + v)
    (docs/explanation/equations.md, eq. 11).

    Args:
        noise_sigma: Standard deviation of the scan's noise, in units of the expected detail.
        error_variance: Variance of the network's error in measured directions, in the same units squared, above 0.
        sigma: Noise level of the state, same units; inf for the posterior mean.
    """
    tau2 = error_variance if sigma == float("inf") else sigma**2 * error_variance / (sigma**2 + error_variance)
    return noise_sigma**2 / tau2


def mean_eigenvalue(op: Separable) -> float:
    """The mean eigenvalue of A A^T: a white error of variance 1 has this variance in what is measured of it."""
    return prod(1.0 if axis is None else float(np.mean(axis.eigenvalues)) for axis in op.axes)


def consistent(denoise: Denoiser, op: Proximal, rest: Tensor, noise_sigma: float, error_variance: float) -> Denoiser:
    """A denoiser that agrees with the scan to within its noise (DiffPIR's data step, Zhu et al. 2023, eq. 13).

    Args:
        denoise: Denoiser of the detail, or of codes of it.
        op: Operator of the acquisition, as it sees that.
        rest: Scan minus degraded IBP estimate, (B, 1, i, j, k), in units of the expected detail.
        noise_sigma: Standard deviation of the scan's noise, same units.
        error_variance: Variance of the network's error in measured directions (`noise_ratio`).
    """

    def consistent_denoise(noisy: Tensor, sigma: Tensor) -> Tensor:
        ratio = noise_ratio(noise_sigma, error_variance, float(sigma.flatten()[0]))
        return op.prox(denoise(noisy, sigma), rest, ratio)

    return consistent_denoise


def projected(denoise: Denoiser, op: Proximal, rest: Tensor, noise_sigma: float, error_variance: float) -> Denoiser:
    """A denoiser that reproduces the scan, its noise included (DDNM, Wang et al. 2023); arguments as `consistent`."""
    return lambda noisy, sigma: op.prox(denoise(noisy, sigma), rest, 0.0)


def led_by_gradient(
    denoise: Denoiser, op: Proximal, rest: Tensor, noise_sigma: float, error_variance: float
) -> Denoiser:
    """A denoiser with the gradient of the scan's likelihood through the network (DPS, Chung et al. 2023).

    The likelihood of a noisy state is that of its clean one with the error of the denoiser's answer added to the noise,
    tau^2 A A^T + noise^2 (Song et al. 2023, pseudo-inverse guidance), which is exact for a white Gaussian prior. Of
    codes the encoder's change stands for the adjoint of the decoder, which it is where the two are orthonormal.
    Arguments as `consistent`.
    """

    def correction(clean: Tensor, sigma: Tensor) -> Tensor:
        level = float(sigma.flatten()[0])
        ratio = noise_ratio(noise_sigma, error_variance, level)
        return (level**2 + error_variance) / error_variance * (op.prox(clean, rest, ratio) - clean)

    return pulled(denoise, correction)


DATA_STEPS: dict[DataStep, Callable[[Denoiser, Proximal, Tensor, float, float], Denoiser]] = {
    "prox": consistent,
    "project": projected,
    "gradient": led_by_gradient,
}


def residual_said(residual: float, noise: float) -> tuple[str, ...]:
    """The residual as warnings of a record: one line where it tells that something assumed is wrong.

    Args:
        residual: Root mean square of the scan minus the degraded result, in units of the noise.
        noise: Standard deviation of the noise, in the model range.
    """
    if residual > CONTRADICTION:
        return (
            f"the result contradicts the scan (residual of {residual:.2f} noise units; expected about 1): the assumed "
            "acquisition or noise is wrong, so give the true --profile, --thickness or --noise",
        )
    if noise > CLEAR_NOISE and residual < FITS_NOISE:
        return (
            f"the result repeats the scan's noise (residual of {residual:.2f} noise units; expected about 1): give the "
            "true --noise",
        )
    return ()


def residual_map(op: Separable, x: Tensor, y: Tensor) -> Tensor:
    """The residual y - A x, (..., i, j, k) on the coarse grid, in the unit of x."""
    return y - op(x)
