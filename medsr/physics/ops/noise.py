"""Noise of a scanner: adding it to a scan, and estimating how much of it a scan holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import gammainc, gammaincinv
from torch import Tensor

DIFFERENCE = np.array([1.0, -4.0, 6.0, -4.0, 1.0])  # second differences twice: little of anatomy passes, half of noise
WINDOW_VOX = 7  # side of the box in which the noise's power is averaged: small enough to lie inside one tissue
FLAT_SHARE = 0.25  # the flattest quarter of the tissue, where noise and not anatomy sets the local power
FEWEST_VOXELS = 64  # of tissue; with fewer nothing can be said


def add_gaussian(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """The scan x plus white Gaussian noise of standard deviation `sigma`, as in CT."""
    return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def add_rician(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Magnitude of x with complex noise of `sigma` per channel, as in MR (Gudbjartsson & Patz 1995, eq. 1)."""
    real, imaginary = (
        sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) for _ in range(2)
    )
    return torch.hypot(x + real, imaginary)


def estimate_sigma(y: Tensor, axes: tuple[int, ...] = (-3, -2, -1)) -> float:
    """Standard deviation of the noise in a scan, from its flattest tissue; 0.0 where there is too little to tell.

    Fourth differences along each of `axes` leave white noise and the finest anatomy (Immerkaer 1996 uses second ones).
    Their power is averaged in boxes of 7 voxels a side, around voxels brighter than the scan's mean: air holds less
    noise in magnitude MR, or none where it was set to 0. Of these boxes the flattest quarter counts, and its mean is
    divided by what it would be for white noise alone, so white noise is estimated without bias. Anatomy finer than
    the voxels remains and makes it an upper bound; noise that is correlated between neighbours is underestimated.

    Args:
        y: Scan (I, J, K) in any unit; the result has the same unit.
        axes: Axes along which neighbours are alike; leave out the axis of thick slices.
    """
    used = sorted({axis % 3 for axis in axes if y.shape[axis] > 2 * len(DIFFERENCE)})
    detail = y.to(torch.float64)
    for axis in used:
        detail = torch.diff(detail, n=len(DIFFERENCE) - 1, dim=axis) / float(np.linalg.norm(DIFFERENCE))
    box = [min(WINDOW_VOX, n) for n in detail.shape]
    power = torch.nn.functional.avg_pool3d(detail.square()[None, None], kernel_size=box, stride=1)[0, 0]
    margins = [(n - m) // 2 for n, m in zip(y.shape, power.shape, strict=True)]
    centre = y[tuple(slice(start, start + m) for start, m in zip(margins, power.shape, strict=True))]
    tissue = power[(centre > y.to(torch.float64).mean()) & (power > 0)]  # exactly 0: background that was masked out
    if not used or tissue.numel() < FEWEST_VOXELS:
        return 0.0
    flat = torch.sort(tissue).values[: int(FLAT_SHARE * tissue.numel())]
    return float((flat.mean() / _flat_mean_of_white_noise(used, box)).sqrt())


def _flat_mean_of_white_noise(axes: Sequence[int], box: Sequence[int]) -> float:
    """Mean of the smallest `FLAT_SHARE` of the boxes' powers over the mean of all, for white noise of any level.

    The mean of n correlated squares is close to a gamma variable of relative variance v = 2 sum rho^2 / n^2, summed
    over all pairs of voxels in the box; rho is the correlation that the differences leave.
    """
    variance = 2.0
    for axis, n in enumerate(box):
        correlation = np.zeros(n)
        correlation[0] = 1.0
        if axis in axes:
            lags = np.correlate(DIFFERENCE, DIFFERENCE, "full")[len(DIFFERENCE) - 1 :] / np.sum(DIFFERENCE**2)
            correlation[: len(lags)] = lags[:n]
        n_pairs = np.where(np.arange(n) == 0, 1, 2) * (n - np.arange(n))
        variance *= float(np.sum(n_pairs * correlation**2)) / n**2
    shape = 1 / variance
    return float(gammainc(shape + 1, gammaincinv(shape, FLAT_SHARE)) / FLAT_SHARE)
