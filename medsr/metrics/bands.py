"""Where in the spectrum the error lies: inside the band that the scan measured, or beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medsr.metrics.arrays import Mask, Scan, as_array


def band_errors(
    x: Scan, reference: Scan, mask: Mask, data_range: float, n_coarse: Sequence[int]
) -> tuple[float, float]:
    """NRMSE inside and outside the measured band; their squares add up to the square of `nrmse`.

    The error inside the mask is split by the cosine transform, which mirrors it at the faces: the lowest n_coarse terms
    of every axis are the band below the coarse Nyquist frequency. Inside lies what deblurring can mend, outside what
    only prior knowledge can.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        mask: Voxels that count, (I, J, K) bool, at least one.
        data_range: Data range R, > 0.
        n_coarse: Voxels of the coarse grid along each axis.
    """
    error = np.where(mask, as_array(x).astype(np.float64) - as_array(reference), 0.0)
    inside = float((_low(error, n_coarse) ** 2).sum())
    total = float((error**2).sum())
    scale = data_range * np.sqrt(float(mask.sum()))
    return float(np.sqrt(inside) / scale), float(np.sqrt(max(total - inside, 0.0)) / scale)


def _low(x: NDArray[Any], n_coarse: Sequence[int]) -> NDArray[np.float64]:
    """Cosine coefficients below the coarse Nyquist frequency of every axis."""
    for axis, n in enumerate(n_coarse):
        if n < x.shape[axis]:
            x = np.take(fft.dct(x, axis=axis, norm="ortho"), range(n), axis=axis)
    return np.asarray(x, dtype=np.float64)
