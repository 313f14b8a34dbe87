"""SSIM in 3D with a Gaussian window and population covariance (Wang et al. 2004), at one scale or at several."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.arrays import Mask, Scan, as_array

WINDOW_SIGMA_VOX = 1.5
WINDOW_RADIUS_VOX = 5  # 11 voxels wide
K1, K2 = 0.01, 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM, finest first; Wang et al. 2003
FEWEST_VOXELS = 2 * WINDOW_RADIUS_VOX + 1  # an axis shorter than the window says nothing of a scale
SLAB_PLANES = 32  # planes worked on at a time: float64 throughout at a small part of the memory


def ssim_map(x: Scan, reference: Scan, data_range: float) -> NDArray[np.float32]:
    """SSIM at every voxel, (I, J, K) float32, -1 to 1; scans are mirrored at the faces of the field of view.

    Equals scikit-image's full map for `gaussian_weights=True, use_sample_covariance=False`.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        data_range: Data range R, > 0.
    """
    return _maps(x, reference, data_range)[0]


def ssim(x: Scan, reference: Scan, mask: Mask, data_range: float) -> float:
    """Mean of the SSIM map over the mask.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        mask: Voxels that count, (I, J, K) bool, at least one.
        data_range: Data range R, > 0.
    """
    return mean_of_map(ssim_map(x, reference, data_range), mask)


def mean_of_map(found: NDArray[np.float32], mask: Mask) -> float:
    """Mean of a map of `ssim_map` over a mask with at least one voxel, both (I, J, K)."""
    return float(np.mean(found[mask], dtype=np.float64))


def ms_ssim(x: Scan, reference: Scan, mask: Mask, data_range: float) -> float:
    """Multi-scale SSIM (Wang et al. 2003): contrast and structure at every scale, SSIM at the coarsest.

    Each scale halves the one before by means of 2 x 2 x 2 voxels. Scales on which an axis would have fewer voxels than
    the window are left out and the weights of the others made to sum to 1: compare scans of one shape only.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        mask: Voxels that count, (I, J, K) bool, at least one; a coarser voxel counts where at least half of it does.
        data_range: Data range R, > 0.
    """
    result, truth, share = as_array(x), as_array(reference), mask.astype(np.float32)
    n_scales = int(np.clip(np.log2(min(truth.shape) / FEWEST_VOXELS) + 1, 1, len(SCALE_WEIGHTS)))
    weights = np.array(SCALE_WEIGHTS[:n_scales]) / sum(SCALE_WEIGHTS[:n_scales])
    value = 1.0
    for scale, weight in enumerate(weights):
        similarity, contrast = _maps(result, truth, data_range)
        counted = (similarity if scale == n_scales - 1 else contrast)[share >= min(0.5, float(share.max()))]
        value *= max(float(np.mean(counted, dtype=np.float64)), 0.0) ** float(weight)
        if scale < n_scales - 1:
            result, truth, share = _halved(result), _halved(truth), _halved(share)
    return value


def _maps(x: Scan, reference: Scan, data_range: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """SSIM and its factor of contrast and structure at every voxel."""
    result, truth = as_array(x), as_array(reference)
    if result.shape != truth.shape:
        raise ValueError(f"shapes differ: result {result.shape}, reference {truth.shape}")
    similarity, contrast = (np.empty(truth.shape, dtype=np.float32) for _ in range(2))
    n_planes = truth.shape[0]
    for start in range(0, n_planes, SLAB_PLANES):
        stop = min(start + SLAB_PLANES, n_planes)
        planes = _mirrored(np.arange(start - WINDOW_RADIUS_VOX, stop + WINDOW_RADIUS_VOX), n_planes)
        inner = slice(WINDOW_RADIUS_VOX, WINDOW_RADIUS_VOX + stop - start)
        luminance, slab = _of_slab(result[planes], truth[planes], data_range)
        contrast[start:stop] = slab[inner]
        similarity[start:stop] = (luminance * slab)[inner]
    return similarity, contrast


def _of_slab(x: NDArray[Any], y: NDArray[Any], data_range: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Luminance, and contrast times structure."""
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
    return np.asarray(luminance), np.asarray((2 * covariance + K2**2) / (variances + K2**2))


def _halved(x: NDArray[Any]) -> NDArray[np.float32]:
    """Means of 2 x 2 x 2 voxels; an odd last plane is left out."""
    tensor = torch.from_numpy(np.array(x, dtype=np.float32))[None, None]
    return np.asarray(torch.nn.functional.avg_pool3d(tensor, 2)[0, 0].numpy())


def _window(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(
        ndimage.gaussian_filter(x, WINDOW_SIGMA_VOX, mode="reflect", radius=WINDOW_RADIUS_VOX), dtype=np.float64
    )


def _mirrored(index: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Indices beyond the ends, mirrored with the end voxel repeated, as often as needed."""
    folded = np.mod(index, 2 * n)
    return np.asarray(np.minimum(folded, 2 * n - 1 - folded), dtype=np.intp)
