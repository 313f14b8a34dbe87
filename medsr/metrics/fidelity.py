"""How well a result reproduces what was measured."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def residual_in_noise_units(op: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, sigma: float) -> float:
    """Root mean square of A x - y over all measured voxels, in standard deviations of the noise.

    Near 1 where x fits y as well as the truth would, near 0 where it fits the noise too, above 1.3 where it contradicts
    the measurement. All voxels of y count, air too: in magnitude MR air holds less noise, which pulls it below 1.

    Args:
        op: Forward operator A, from (..., I, J, K) to (..., i, j, k).
        x: Result, (..., I, J, K).
        y: Scan, (..., i, j, k), in the unit of x.
        sigma: Standard deviation of the noise in y, >= 0; at 0 the answer is infinite unless x fits exactly.
    """
    residual = float((op(x) - y).to(torch.float64).square().mean().sqrt())
    if residual == 0.0:
        return 0.0
    return residual / sigma if sigma > 0 else float("inf")
