"""Where a result contradicts the reference at sizes that were measured: correlation of spectra, patch by patch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medsr.metrics.arrays import Mask, Scan, as_array
from medsr.metrics.windows import windowed

SIDE_VOX = 24
TISSUE_SHARE = 0.9  # of a patch; patches of air say nothing
AGREES = 0.5


def flagged_patches(
    x: Scan, reference: Scan, mask: Mask, axes: Sequence[int], n_coarse: Sequence[int]
) -> tuple[int, int]:
    """Patches that contradict the reference inside the measured band, and all patches (scanned FRC, Kc et al. 2026).

    Patches of 24 voxels, overlapping by half, faded out towards their faces. Along each degraded axis, result and
    reference are correlated in planes of one frequency; a patch is flagged where a plane below the coarse Nyquist
    frequency (the constant one left out) correlates by less than 0.5, that is, holds more error than anatomy.

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K).
        mask: Mask, (I, J, K) bool; a patch counts where 90 % of it lies inside.
        axes: Degraded axes.
        n_coarse: Voxels of the coarse grid along each axis.
    """
    result, truth = as_array(x), as_array(reference)
    n_patches = n_flagged = 0
    for patch in _patches(mask):
        n_patches += 1
        pair = windowed(result[patch]), windowed(truth[patch])
        n_flagged += any(_least(*pair, axis, n_coarse[axis] / truth.shape[axis]) < AGREES for axis in axes)
    return n_flagged, n_patches


def _patches(mask: Mask) -> Iterator[tuple[slice, ...]]:
    starts = [sorted({min(start, max(n - SIDE_VOX, 0)) for start in range(0, n, SIDE_VOX // 2)}) for n in mask.shape]
    for corner in np.array(np.meshgrid(*starts, indexing="ij")).reshape(3, -1).T:
        patch = tuple(slice(int(a), int(a) + SIDE_VOX) for a in corner)
        if mask[patch].mean() >= TISSUE_SHARE:
            yield patch


def _least(x: NDArray[Any], y: NDArray[Any], axis: int, samples_per_voxel: float) -> float:
    """Least correlation over the planes between the lowest frequency and the coarse Nyquist frequency."""
    X, Y = (np.moveaxis(fft.rfft(scan, axis=axis), axis, 0) for scan in (x, y))  # sums over a plane: Parseval
    highest = int(np.floor(samples_per_voxel / 2 * x.shape[axis]))
    planes = slice(1, max(highest, 1) + 1)
    product = np.sum((X[planes] * np.conj(Y[planes])).real, axis=(1, 2))
    power = np.sqrt(np.sum(np.abs(X[planes]) ** 2, axis=(1, 2)) * np.sum(np.abs(Y[planes]) ** 2, axis=(1, 2)))
    return float(np.min(product / np.maximum(power, np.finfo(np.float64).tiny)))
