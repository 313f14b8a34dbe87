"""Blobs that a result has and the reference does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.arrays import Mask, Scan, as_array

BLOB_PERCENTILE = 99.0
SAME_BLOB_SHARE = 0.5  # of the limit: where the reference answers as much, the blob is not invented


@dataclass(frozen=True)
class FalseLesions:
    """Blobs in a result that the reference does not have, per litre of tissue.

    Attributes:
        diameter_mm: Diameter looked for.
        per_litre: Blobs beyond the 99th percentile of the reference's own answers.
        reference_per_litre: Blobs of that strength that the reference does have.
    """

    diameter_mm: float
    per_litre: float
    reference_per_litre: float


def false_lesions(
    x: Scan, reference: Scan, mask: Mask, spacing_mm: Sequence[float], diameter_mm: float
) -> FalseLesions:
    """Blobs of one size that a result has and the reference does not, either brighter or darker.

    Blobs are where the answer of a Laplacian of a Gaussian matched to the size (Lindeberg 1998) is the strongest within
    a diameter and beyond the 99th percentile of the reference's answers in the mask. One is false where the reference's
    answer within half a diameter has nowhere half that limit with the same sign.

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K), same unit.
        mask: Voxels that count, (I, J, K) bool.
        spacing_mm: Voxel spacing along the three axes.
        diameter_mm: Diameter looked for.
    """
    ours, truth = (_blobness(scan, spacing_mm, diameter_mm) for scan in (x, reference))
    limit = float(np.percentile(np.abs(truth)[mask], BLOB_PERCENTILE))
    size, wide = ([2 * int(np.ceil(reach / h)) + 1 for h in spacing_mm] for reach in (diameter_mm / 2, diameter_mm))
    n_false = n_true = 0
    for sign in (1.0, -1.0):
        nearby = ndimage.maximum_filter(sign * truth, size=size)
        n_false += int(np.sum(_peaks(sign * ours, wide, limit) & mask & (nearby < SAME_BLOB_SHARE * limit)))
        n_true += int(np.sum(_peaks(sign * truth, wide, limit) & mask))
    litres = float(mask.sum() * np.prod(spacing_mm)) * 1e-6
    return FalseLesions(diameter_mm, n_false / litres, n_true / litres)


def _blobness(x: Scan, spacing_mm: Sequence[float], diameter_mm: float) -> NDArray[np.float64]:
    """Answer to balls of that diameter, positive for bright ones; it is largest at a scale of radius over root 3."""
    sigmas = diameter_mm / 2 / np.sqrt(3.0) / np.asarray(spacing_mm)
    smooth = ndimage.gaussian_filter(as_array(x).astype(np.float64), sigmas, mode="reflect")
    answer = np.zeros(x.shape)
    for axis, sigma in enumerate(sigmas):  # second differences of the smooth scan: sigma may be below a voxel
        answer -= sigma**2 * ndimage.correlate1d(smooth, [1.0, -2.0, 1.0], axis=axis, mode="reflect")
    return answer


def _peaks(answer: NDArray[np.float64], size: Sequence[int], limit: float) -> NDArray[np.bool_]:
    """Maxima that are stronger than any answer of either sign around them: a ball has a ring of the other sign."""
    return np.asarray((answer > limit) & (answer == ndimage.maximum_filter(np.abs(answer), size=size)))
