"""Errors in a stated mask and data range: PSNR, NRMSE, MAE, drift of the mean (docs/explanation/equations.md).

No fit of intensities, no cropped border, no clipping: what was written is what is measured.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medsr.errors import InputError
from medsr.metrics.arrays import Mask, Scan, as_array, difference
from medsr.volume import Modality

MR_SHARE, MR_PERCENTILE = 0.05, 99.0  # tissue is brighter than this share of that percentile
CT_AIR_HU = -500.0  # halfway between air and water
DILATION_VOX = 2  # takes in the edge of the body, where blurring shows most
MR_RANGE_PERCENTILES = (0.1, 99.9)
CT_RANGE_HU = 2000.0


def foreground_mask(reference: Scan, modality: Modality) -> Mask:
    """Where errors are measured, (I, J, K) bool: the body, dilated by two steps of a cross of face neighbours.

    Args:
        reference: Reference, (I, J, K), MR in any unit, CT in HU.
        modality: "MR" or "CT".

    Raises:
        InputError: nothing lies above the threshold.
    """
    body = body_mask(reference, modality)
    return np.asarray(ndimage.binary_dilation(body, iterations=DILATION_VOX), dtype=np.bool_)


def body_mask(reference: Scan, modality: Modality) -> Mask:
    """The body, (I, J, K) bool.

    MR: above 5 % of the 99th percentile of all voxels; CT: above -500 HU. Of that the largest component (neighbours
    share a face), holes filled in 3D.

    Args:
        reference: Reference, (I, J, K), MR in any unit, CT in HU.
        modality: "MR" or "CT".

    Raises:
        InputError: nothing lies above the threshold.
    """
    data = as_array(reference)
    threshold = CT_AIR_HU if modality == "CT" else MR_SHARE * float(np.percentile(data, MR_PERCENTILE))
    labels, n_components = ndimage.label(data > threshold)
    if n_components == 0:
        raise InputError(f"no voxel of the reference lies above {threshold:g}; a {modality} scan of a body is needed")
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_fill_holes(labels == int(np.argmax(sizes))), dtype=np.bool_)


def data_range(reference: Scan, mask: Mask, modality: Modality) -> float:
    """R, the peak of PSNR and SSIM: 99.9th minus 0.1th percentile inside the mask (MR), 2000 HU (CT).

    Args:
        reference: Reference, (I, J, K), MR in any unit, CT in HU.
        mask: Voxels that count, (I, J, K) bool.
        modality: "MR" or "CT".

    Raises:
        InputError: the reference is constant inside the mask.
    """
    if modality == "CT":
        return CT_RANGE_HU
    low, high = np.percentile(as_array(reference)[mask], MR_RANGE_PERCENTILES)
    if not high > low:
        raise InputError(f"the reference is {low:g} everywhere inside its mask; a scan with contrast is needed")
    return float(high - low)


def psnr(x: Scan, reference: Scan, mask: Mask, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(R^2 / mean squared error inside the mask); infinite at no error.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        mask: Voxels that count, (I, J, K) bool.
        data_range: Data range R of `data_range`.
    """
    mse = float(np.mean(difference(x, reference, mask) ** 2))
    return float(10 * np.log10(data_range**2 / mse)) if mse > 0 else float("inf")


def nrmse(x: Scan, reference: Scan, mask: Mask, data_range: float) -> float:
    """Root mean square error inside the mask divided by the data range R, so PSNR = -20 log10(NRMSE)."""
    return float(np.sqrt(np.mean(difference(x, reference, mask) ** 2)) / data_range)


def mae(x: Scan, reference: Scan, mask: Mask) -> float:
    """Mean absolute error inside the mask, in the scan's own unit (CT: HU)."""
    return float(np.mean(np.abs(difference(x, reference, mask))))


def mean_drift(x: Scan, reference: Scan, mask: Mask) -> float:
    """Mean of the result minus mean of the reference inside the mask, in the scan's own unit (CT: HU)."""
    return float(np.mean(difference(x, reference, mask)))
