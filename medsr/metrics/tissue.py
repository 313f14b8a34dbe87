"""Volumes of tissue in a simple segmentation: what a measurement on the result would be off by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_multiotsu

from medsr.errors import InputError
from medsr.metrics.arrays import Mask, Scan, as_array
from medsr.volume import Modality

MR_CLASSES = ("dark", "middle", "bright")
CT_CLASSES = ("air and lung", "fat", "soft tissue", "bone")
CT_LIMITS_HU = (-300.0, -30.0, 150.0)
CT_FAT_HU, CT_SOFT_TISSUE_HU = -90.0, 40.0
TOO_FEW = (
    "the scan shows fewer than three intensities in its mask; expected those of three tissues: choose another scan"
)


@dataclass(frozen=True)
class TissueBias:
    """One tissue of a result against the reference's.

    Attributes:
        tissue: "dark", "middle" or "bright" (MR); "air and lung", "fat", "soft tissue" or "bone" (CT).
        reference_ml: Volume in the reference.
        bias_percent: Volume in the result over that, minus 1, in percent; NaN where the reference has none.
        dice: Overlap of both, 1 where they agree.
    """

    tissue: str
    reference_ml: float
    bias_percent: float
    dice: float


def tissue_limits(reference: Scan, mask: Mask, modality: Modality) -> tuple[float, ...]:
    """Limits between the classes: fixed for CT, three classes by Otsu's method inside the mask for MR (Otsu 1979).

    Raises:
        InputError: an MR scan that has fewer than three intensities inside its mask.
    """
    if modality == "CT":
        return CT_LIMITS_HU
    try:
        return tuple(float(t) for t in threshold_multiotsu(as_array(reference)[mask], classes=len(MR_CLASSES)))
    except ValueError as error:
        raise InputError(TOO_FEW) from error


def tissue_levels(reference: Scan, mask: Mask, modality: Modality) -> tuple[float, float]:
    """Intensities of the two brighter of three tissues, the darker one first: means for MR, fat and soft tissue for CT.

    Args:
        reference: Reference, (I, J, K), MR in any unit, CT in HU.
        mask: Voxels that count, (I, J, K) bool.
        modality: "MR" or "CT".

    Raises:
        InputError: as `tissue_limits`.
    """
    if modality == "CT":
        return CT_FAT_HU, CT_SOFT_TISSUE_HU
    values = as_array(reference)[mask]
    tissue = np.digitize(values, tissue_limits(reference, mask, modality))
    if not ((tissue == 1).any() and (tissue == 2).any()):
        raise InputError(TOO_FEW)
    return float(values[tissue == 1].mean()), float(values[tissue == 2].mean())


def tissue_bias(x: Scan, reference: Scan, mask: Mask, modality: Modality, voxel_mm3: float) -> tuple[TissueBias, ...]:
    """Volume bias and Dice of every tissue, both scans cut by the reference's limits.

    Args:
        x: Result, (I, J, K) in the reference's unit.
        reference: Reference, (I, J, K).
        mask: Voxels that count, (I, J, K) bool; what lies outside is not tissue.
        modality: "MR" or "CT".
        voxel_mm3: Volume of a voxel.
    """
    limits = tissue_limits(reference, mask, modality)
    ours, truth = (np.digitize(as_array(scan)[mask], limits) for scan in (x, reference))
    names = CT_CLASSES if modality == "CT" else MR_CLASSES
    return tuple(_bias(name, ours == number, truth == number, voxel_mm3) for number, name in enumerate(names))


def _bias(name: str, ours: NDArray[np.bool_], truth: NDArray[np.bool_], voxel_mm3: float) -> TissueBias:
    n_ours, n_truth = int(ours.sum()), int(truth.sum())
    bias = 100 * (n_ours / n_truth - 1) if n_truth else float("nan")
    dice = 2 * int((ours & truth).sum()) / (n_ours + n_truth) if n_ours + n_truth else float("nan")
    return TissueBias(name, n_truth * voxel_mm3 / 1000, bias, dice)
