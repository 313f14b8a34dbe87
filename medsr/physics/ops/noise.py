"""Noise of a scanner, added to a scan."""

from __future__ import annotations

import torch
from torch import Tensor


def add_gaussian(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """The scan x plus white Gaussian noise of standard deviation `sigma`, as in CT."""
    return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def add_rician(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Magnitude of x with complex noise of `sigma` per channel, as in MR (Gudbjartsson & Patz 1995, eq. 1)."""
    real, imaginary = (
        sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) for _ in range(2)
    )
    return torch.hypot(x + real, imaginary)
