"""SSIM in 3D (Wang et al. 2004) with a Gaussian window and population covariance, as a map and as one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.arrays import Mask, Scan, as_array

WINDOW_SIGMA_VOX = 1.5
WINDOW_RADIUS_VOX = 5  # 11 voxels wide
K1, K2 = 0.01, 0.03
SLAB_PLANES = 32  # planes worked on at a time: float64 throughout at a small part of the memory


def ssim_map(x: Scan, reference: Scan, data_range: float) -> NDArray[np.float32]:
    """SSIM at every voxel, (I, J, K) float32, -1 to 1; scans are mirrored at the faces of the field of view.

    Equals scikit-image's full map for `gaussian_weights=True, use_sample_covariance=False`.

    Args:
        x: (I, J, K) the result, in the reference's unit.
        reference: (I, J, K).
        data_range: R, > 0.
    """
    result, truth = as_array(x), as_array(reference)
    if result.shape != truth.shape:
        raise ValueError(f"shapes differ: result {result.shape}, reference {truth.shape}")
    values = np.empty(truth.shape, dtype=np.float32)
    n_planes = truth.shape[0]
    for start in range(0, n_planes, SLAB_PLANES):
        stop = min(start + SLAB_PLANES, n_planes)
        planes = _mirrored(np.arange(start - WINDOW_RADIUS_VOX, stop + WINDOW_RADIUS_VOX), n_planes)
        slab = _ssim_of_slab(result[planes], truth[planes], data_range)
        values[start:stop] = slab[WINDOW_RADIUS_VOX : WINDOW_RADIUS_VOX + stop - start]
    return values


def ssim(x: Scan, reference: Scan, mask: Mask, data_range: float) -> float:
    """Mean of the SSIM map over the mask.

    Args:
        x: (I, J, K) the result, in the reference's unit.
        reference: (I, J, K).
        mask: (I, J, K) bool, at least one voxel.
        data_range: R, > 0.
    """
    return float(np.mean(ssim_map(x, reference, data_range)[mask], dtype=np.float64))


def _ssim_of_slab(x: NDArray[Any], y: NDArray[Any], data_range: float) -> NDArray[np.float64]:
    # around a common value, because E[x^2] - E[x]^2 loses digits where the mean is large
    shift = float(np.mean(y, dtype=np.float64)) / data_range
    x = x.astype(np.float64) / data_range - shift
    y = y.astype(np.float64) / data_range - shift
    mean_x, mean_y = _window(x), _window(y)
    variances = _window(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    mean_x += shift
    mean_y += shift
    luminance = (2 * mean_x * mean_y + K1**2) / (mean_x**2 + mean_y**2 + K1**2)
    return np.asarray(luminance * (2 * covariance + K2**2) / (variances + K2**2), dtype=np.float64)


def _window(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(
        ndimage.gaussian_filter(x, WINDOW_SIGMA_VOX, mode="reflect", radius=WINDOW_RADIUS_VOX), dtype=np.float64
    )


def _mirrored(index: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Indices beyond the ends, mirrored with the end voxel repeated, as often as needed."""
    folded = np.mod(index, 2 * n)
    return np.asarray(np.minimum(folded, 2 * n - 1 - folded), dtype=np.intp)
