"""Signal over noise in flat tissue, as a region of interest shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.arrays import Mask, Scan, as_array

BOX_VOX = 5  # a side of the boxes that the noise is taken in
FLAT_SHARE = 0.1
SMOOTH_VOX = 1.0  # leaves little of the reference's noise, which would choose the quiet boxes and not the flat ones


def flat_snr_db(x: Scan, reference: Scan, interior: Mask, data_range: float) -> float:
    """20 log10(R / s), s the root mean square deviation from the mean of each box in flat tissue; NaN without interior.

    Boxes are 5 voxels a side, their centres the tenth of the interior where the reference, smoothed by a Gaussian of
    one voxel, varies the least within the box: the same boxes for every method. Infinite where a result is constant in
    all of them. A blur raises it, so that it says nothing without a number that sees small structures.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        interior: Voxels that may be centres, (I, J, K) bool.
        data_range: Data range R, > 0.
    """
    if not interior.any():
        return float("nan")
    window = ndimage.find_objects(ndimage.binary_dilation(interior, iterations=BOX_VOX).astype(np.uint8))[0]
    truth, result, inside = (as_array(one)[window] for one in (reference, x, interior))
    unevenness = _variance(ndimage.gaussian_filter(truth.astype(np.float64), SMOOTH_VOX))[inside]
    flat = unevenness <= np.quantile(unevenness, FLAT_SHARE)
    power = float(np.mean(_variance(result)[inside][flat]))
    return float(10 * np.log10(data_range**2 / power)) if power > 0 else float("inf")


def _variance(x: NDArray[np.generic]) -> NDArray[np.float64]:
    """Variance within the box around every voxel."""
    data = x.astype(np.float64)  # in single precision the squares of large offsets would drown small variances
    mean, square = (ndimage.uniform_filter(one, BOX_VOX) for one in (data, data**2))
    return np.asarray(np.maximum(square - mean**2, 0.0))
