"""What the metrics take: NumPy arrays or torch tensors of one scan."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Scan: TypeAlias = NDArray[Any] | Tensor
Mask: TypeAlias = NDArray[np.bool_]


def as_array(x: Scan) -> NDArray[Any]:
    """The voxels as a NumPy array, fetched from the device where needed; not copied where it can be helped."""
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


def difference(x: Scan, reference: Scan, mask: Mask) -> NDArray[np.float64]:
    """Result minus reference inside the mask, (n,) float64.

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K), same unit.
        mask: Voxels that count, (I, J, K) bool, at least one.
    """
    result, truth = as_array(x), as_array(reference)
    if result.shape != truth.shape or mask.shape != truth.shape:
        raise ValueError(f"shapes differ: result {result.shape}, reference {truth.shape}, mask {mask.shape}")
    return result[mask].astype(np.float64) - truth[mask].astype(np.float64)


def rms(values: NDArray[Any]) -> float:
    """Root mean square of all values, summed in float64; NaN where there are none."""
    if not values.size:
        return float("nan")
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
