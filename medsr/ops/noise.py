"""What a scanner adds to the signal, and how much of it a scan holds."""

from __future__ import annotations

import torch
from torch import Tensor

FLAT_SHARE = 0.25  # the flattest quarter of the tissue, where noise and not anatomy sets the local variance


def add_gaussian(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """X plus white Gaussian noise of standard deviation `sigma`, as in CT."""
    return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def add_rician(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Magnitude of x with complex noise of `sigma` per channel, as in MR (Gudbjartsson & Patz 1995, eq. 1)."""
    real, imaginary = (
        sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) for _ in range(2)
    )
    return torch.hypot(x + real, imaginary)


def estimate_sigma(y: Tensor, axes: tuple[int, ...] = (-3, -2, -1)) -> float:
    """Standard deviation of the noise in a scan, from its flattest tissue; anatomy makes it an upper bound.

    The noise is read from second differences along `axes` (noise gain sqrt(6) each, Immerkaer 1996), squared and
    averaged over 5 voxels a side, in the flattest quarter of the voxels above the scan's mean. The average of 125
    correlated squares still varies, so a low quantile lies below its mean; the factor was found on white noise.

    Args:
        y: (I, J, K), any unit.
        axes: axes fine enough for neighbours to be alike.
    """
    detail = y[None, None].double()
    for axis in axes:
        detail = torch.diff(detail, n=2, dim=axis) / 6**0.5
    power = torch.nn.functional.avg_pool3d(detail**2, kernel_size=[min(5, n) for n in detail.shape[-3:]], stride=1)
    low = [(n - m) // 2 for n, m in zip(y.shape, power.shape[-3:], strict=True)]
    window = tuple(slice(start, start + m) for start, m in zip(low, power.shape[-3:], strict=True))
    centre = y[window]
    tissue = power[0, 0][centre > y.mean()]
    tissue = tissue[tissue > 0]
    if tissue.numel() < 64:
        return 0.0
    keep = max(1, int(FLAT_SHARE * tissue.numel()))
    return float(torch.sort(tissue.flatten()).values[:keep].mean().sqrt())
