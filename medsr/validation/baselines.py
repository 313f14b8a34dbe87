"""What needs no learning: the methods every learned result is held against, and the band-limited reference.

Each method takes the operator, the scan y (..., i, j, k) and the standard deviation of its noise, and returns
(..., I, J, K) of the same type. All but `tv` work in any unit; `tv` expects the model's range of about 0 to 1, because
its weight is a constant there. Constants were chosen on training scans only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor

from medsr.physics.ops import AxisSampling, Separable

Method = Callable[[Separable, Tensor, float], Tensor]
Matrix = NDArray[np.float64]

AXES = (-3, -2, -1)
CORRELATION_LENGTHS = np.geomspace(0.5, 500.0, 60)  # in fine voxels; tried in turn
LENGTH_SHARE = 0.5  # of the fitted length: edges hold more fine detail than a stationary field that differs as much
VARIANCE_GAIN = 2.0  # over the fitted variance: air is flat and tissue is not, and the estimate must suit tissue
SMALLEST_VARIANCE = 1e-9  # of the largest; smaller ones are rounding
TV_ITERATIONS = 40  # few on purpose: with all the time in the world the result turns into flat patches
TV_STEP = 5.0  # over the share of fine voxels that is measured, which is the data term's mean curvature
TV_DETAIL_WEIGHT = 5e-5  # times the share and the largest factor squared: coarser scans leave larger errors
TV_NOISE_WEIGHT = 1e3  # times the share and the noise cubed: of a small estimate the larger part is fine anatomy


def nearest(op: Separable, y: Tensor, noise_sigma: float) -> Tensor:
    """Nearest neighbour; `noise_sigma` is not used."""
    return op.nearest(y)


def linear(op: Separable, y: Tensor, noise_sigma: float) -> Tensor:
    """Linear interpolation; `noise_sigma` is not used."""
    return op.linear(y)


def cubic(op: Separable, y: Tensor, noise_sigma: float) -> Tensor:
    """Cubic B-spline interpolation; `noise_sigma` is not used."""
    return op.cubic(y)


def ibp(op: Separable, y: Tensor, noise_sigma: float) -> Tensor:
    """G y, the fixed point of iterative back-projection, without a noise term; `noise_sigma` is not used."""
    return op.ibp(y)


def wiener(op: Separable, y: Tensor, noise_sigma: float) -> Tensor:
    """The best linear estimate for a stationary covariance read from y itself (docs/explanation/equations.md, eq. 8).

    x = mu + K A' (A K A' + sigma^2 I)^-1 (y - mu) with K = v K_1 (x) K_2 (x) K_3, each a Matern 3/2 correlation. Its
    length per axis is half the one that gives the measured ratio of the squared differences of second and of next
    neighbours, and v twice what gives the latter. Solved in closed form by the eigenvectors of each A_k K_k A_k';
    without noise an axis that is not degraded is left alone.

    Args:
        op: Forward operator A.
        y: Scan, (..., i, j, k), any unit.
        noise_sigma: Standard deviation of the noise, in the unit of y, >= 0.
    """
    mean = y.mean(dtype=torch.float64)
    centred = y.to(torch.float64) - mean
    priors = [_axis_prior(axis, centred, dim, noise_sigma) for dim, axis in zip(AXES, op.axes, strict=True)]
    spectrum = torch.ones((), dtype=torch.float64)
    for dim, prior in zip(AXES, priors, strict=True):
        if prior.is_identity:
            values = np.ones(y.shape[dim])
        else:
            values = prior.eigenvalues
            centred = _along(prior.to_eigen, centred, dim)
        spectrum = spectrum[..., None] * torch.from_numpy(values)
    weighted = centred / (spectrum + noise_sigma**2 / _variance(priors)).to(y.device)
    for dim, prior in sorted(zip(AXES, priors, strict=True), key=lambda item: item[1].growth):
        if not prior.is_identity:
            weighted = _along(prior.from_eigen, weighted, dim)
    return (weighted + mean).to(y.dtype)


@dataclass(frozen=True)
class _AxisPrior:
    """One axis of the Wiener filter.

    Attributes:
        eigenvalues: Eigenvalues of A K A', (n_coarse,).
        to_eigen: Transform to the eigenvectors U', (n_coarse, n_coarse).
        from_eigen: Transform to the fine grid K A' U, (n_fine, n_coarse).
        measured_variance: Mean of the diagonal of A K A'.
        variance: The v of K that would explain the neighbours' differences along this axis alone.
        is_identity: Whether the axis is neither degraded nor noisy.
    """

    eigenvalues: Matrix
    to_eigen: Matrix
    from_eigen: Matrix
    measured_variance: float
    variance: float
    is_identity: bool

    @property
    def growth(self) -> float:
        """Fine over coarse voxels."""
        return float(self.from_eigen.shape[0] / self.from_eigen.shape[1])


def _axis_prior(axis: AxisSampling | None, centred: Tensor, dim: int, noise_sigma: float) -> _AxisPrior:
    forward = np.eye(centred.shape[dim]) if axis is None else axis.matrix("forward")
    distance = np.abs(np.subtract.outer(np.arange(forward.shape[1]), np.arange(forward.shape[1])))
    first, second = (_squared_difference(centred, dim, lag, noise_sigma) for lag in (1, 2))
    middle = forward[_middle_rows(forward.shape[0])]

    def modelled(length: float) -> tuple[float, float]:
        seen = middle @ _matern(distance, length) @ middle.T
        return float(2 * (seen[1, 1] - seen[0, 1])), float(2 * (seen[1, 1] - seen[0, 2]))

    ratios = [b / max(a, 1e-12) for a, b in (modelled(length) for length in CORRELATION_LENGTHS)]
    length = LENGTH_SHARE * float(CORRELATION_LENGTHS[int(np.argmin(np.abs(np.array(ratios) - second / first)))])
    correlation = _matern(distance, length)
    seen = forward @ correlation @ forward.T
    values, vectors = np.linalg.eigh(seen)
    return _AxisPrior(
        eigenvalues=np.maximum(values, SMALLEST_VARIANCE * values[-1]),
        to_eigen=vectors.T,
        from_eigen=correlation @ forward.T @ vectors,
        measured_variance=float(np.mean(np.diag(seen))),
        variance=first / max(modelled(length)[0], 1e-12),
        is_identity=axis is None and noise_sigma == 0,
    )


def _variance(priors: list[_AxisPrior]) -> float:
    """The v of K: what each axis asks for, given what the other two average away, as a geometric mean."""
    total = float(np.prod([prior.measured_variance for prior in priors]))
    seen = [prior for prior in priors if len(prior.eigenvalues) > 1]  # a single sample has no neighbours
    logarithms = [np.log(prior.variance * prior.measured_variance / total) for prior in seen]
    return VARIANCE_GAIN * float(np.exp(np.mean(logarithms)))


def _squared_difference(centred: Tensor, dim: int, lag: int, noise_sigma: float) -> float:
    n = centred.shape[dim]
    lag = min(lag, n - 1)
    power = float((centred.narrow(dim, lag, n - lag) - centred.narrow(dim, 0, n - lag)).square().mean())
    return max(power - 2 * noise_sigma**2, 1e-3 * power, 1e-30)


def _middle_rows(n: int) -> list[int]:
    """Three neighbours far from the faces."""
    centre = n // 2
    return [max(centre - 1, 0), centre, min(centre + 1, n - 1)]


def _matern(distance: NDArray[np.int_], length: float) -> Matrix:
    scaled = np.sqrt(3.0) * distance / length
    return np.asarray((1 + scaled) * np.exp(-scaled), dtype=np.float64)


def _along(matrix: Matrix, x: Tensor, dim: int) -> Tensor:
    return torch.movedim(torch.tensordot(x, torch.from_numpy(matrix).to(x), dims=([dim], [1])), -1, dim)


def tv(op: Separable, y: Tensor, noise_sigma: float) -> Tensor:
    """Total variation with the known profile (docs/explanation/equations.md, eq. 9).

    Minimises |A x - y|^2 / 2 + weight TV(x).

    Isotropic TV of weighted forward differences: axes along which neighbours differ more, as across thick slices,
    count less. The algorithm of Chambolle & Pock 2011 with the exact proximal step of the data term, from the IBP
    estimate G y, for `TV_ITERATIONS` iterations. The weight is share (5e-5 factor^2 + 1000 sigma^3), share being coarse
    over fine voxels.

    Args:
        op: Forward operator A.
        y: Scan, (..., i, j, k), in the model's range of about 0 to 1.
        noise_sigma: Standard deviation of the noise, in the unit of y, >= 0.
    """
    degraded = [axis for axis in op.axes if axis is not None]
    share = float(np.prod([axis.n_coarse / axis.n_fine for axis in degraded]))
    factor = max((axis.n_fine / axis.n_coarse for axis in degraded), default=1.0)
    weight = share * (TV_DETAIL_WEIGHT * factor**2 + TV_NOISE_WEIGHT * noise_sigma**3)
    x = op.ibp(y)
    scales = _difference_scales(x)
    step = TV_STEP / share
    dual_step = 1 / (step * 4 * sum(scale**2 for scale in scales))
    dual = [torch.zeros_like(x) for _ in AXES]
    ahead = x
    for _ in range(TV_ITERATIONS):
        _ascend(dual, ahead, scales, dual_step, weight)
        x_next = op.prox(_descend(x, dual, scales, step), y, 1 / step)
        ahead = 2 * x_next - x
        x = x_next
    return x


def _difference_scales(x: Tensor) -> list[float]:
    """Weight of each axis, at most 1: the smallest mean difference of neighbours over the axis's own."""
    means = [float(torch.diff(x, dim=dim).abs().mean()) if x.shape[dim] > 1 else 0.0 for dim in AXES]
    smallest = min((mean for mean in means if mean > 0), default=1.0)
    return [smallest / mean if mean > 0 else 1.0 for mean in means]


def _ascend(dual: list[Tensor], x: Tensor, scales: list[float], dual_step: float, weight: float) -> None:
    """Add the differences of x to the dual field and shorten its vectors to `weight`, in place: memory is the limit."""
    for field, dim, scale in zip(dual, AXES, scales, strict=True):
        field.narrow(dim, 0, x.shape[dim] - 1).add_(torch.diff(x, dim=dim), alpha=dual_step * scale)
    length = torch.zeros_like(x)
    for field in dual:
        length.addcmul_(field, field)
    length.sqrt_().div_(weight).clamp_(min=1.0)
    for field in dual:
        field.div_(length)


def _descend(x: Tensor, dual: list[Tensor], scales: list[float], step: float) -> Tensor:
    """Take `step` times the adjoint of the weighted differences from x."""
    moved = x.clone()
    for field, dim, scale in zip(dual, AXES, scales, strict=True):
        inner = field.narrow(dim, 0, x.shape[dim] - 1)
        moved.narrow(dim, 0, x.shape[dim] - 1).add_(inner, alpha=step * scale)
        moved.narrow(dim, 1, x.shape[dim] - 1).sub_(inner, alpha=step * scale)
    return moved


def band_limited(op: Separable, y: Tensor, noise_sigma: float, reference: Tensor) -> Tensor:
    """The reference without what lies above the coarse Nyquist frequency of each degraded axis: perfect deblurring.

    A ceiling: no method that only restores frequencies inside that band comes nearer to the reference. The band is
    cut in the cosine transform, which mirrors the scan at its faces: the lowest n_coarse of n_fine terms are kept.

    Args:
        op: Forward operator A.
        y: Scan; not used, like `noise_sigma`: so that it can be called beside the methods.
        noise_sigma: Standard deviation of the noise; not used.
        reference: Reference, (..., I, J, K), any unit.
    """
    kept = reference
    for dim, axis in zip(AXES, op.axes, strict=True):
        if axis is not None:
            waves = fft.dct(np.eye(axis.n_fine), axis=0, norm="ortho")[: axis.n_coarse]
            kept = _along(waves.T @ waves, kept, dim)
    return kept


METHODS: dict[str, Method] = {
    "nearest": nearest,
    "linear": linear,
    "cubic": cubic,
    "ibp": ibp,
    "wiener": wiener,
    "tv": tv,
}
