"""Edges and the finest detail: high-frequency error norm and similarity of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.arrays import Mask, Scan, as_array

LOG_SIGMA_VOX = 1.5
LOG_RADIUS_VOX = 7  # 15 voxels wide
GRADIENT_FLOOR = 0.0026  # of R squared: keeps noise in flat tissue from counting as edges; Xue et al. 2014


def hfen(x: Scan, reference: Scan, mask: Mask) -> float:
    """High-frequency error norm: |LoG(x - reference)| / |LoG(reference)| inside the mask (Ravishankar & Bresler 2011).

    LoG is the Laplacian of a Gaussian with sigma 1.5 voxels, 15 wide. 0 is perfect; a scan without any edge gives 1.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K), not constant inside the mask.
        mask: Voxels that count, (I, J, K) bool, at least one.
    """
    truth = as_array(reference).astype(np.float64)
    error = _log(as_array(x) - truth)[mask]
    return float(np.linalg.norm(error) / np.linalg.norm(_log(truth)[mask]))


def gradient_similarity(x: Scan, reference: Scan, mask: Mask, data_range: float) -> float:
    """Mean similarity of gradient magnitudes inside the mask, 0 to 1 (Xue et al. 2014, eq. 4, in 3D, not halved first).

    (2 a b + c) / (a^2 + b^2 + c) with the Prewitt gradient magnitudes a and b and c = 0.0026 R^2.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        mask: Voxels that count, (I, J, K) bool, at least one.
        data_range: Data range R, > 0.
    """
    a, b = (_gradient_magnitude(as_array(scan))[mask] / data_range for scan in (x, reference))
    return float(np.mean((2 * a * b + GRADIENT_FLOOR) / (a * a + b * b + GRADIENT_FLOOR)))


def _log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """With what a kernel that is cut off answers to a constant taken out, so that it sums to zero."""
    return _cut_off(x) - _cut_off(np.ones((1, 1, 1))).item() * x


def _cut_off(x: NDArray[np.float64]) -> NDArray[np.float64]:
    reach = LOG_RADIUS_VOX / LOG_SIGMA_VOX
    return np.asarray(ndimage.gaussian_laplace(x, LOG_SIGMA_VOX, mode="reflect", truncate=reach))


def _gradient_magnitude(x: NDArray[Any]) -> NDArray[np.float64]:
    """Differences over two voxels, averaged over the 3 x 3 lines beside them."""
    squares = np.zeros(x.shape)
    for axis in range(3):
        squares += (ndimage.prewitt(x, axis, output=np.float64, mode="reflect") / 9) ** 2
    return np.sqrt(squares)
