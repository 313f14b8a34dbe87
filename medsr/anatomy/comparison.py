"""How far a structure found in one scan is that found in another: overlap, volume, and distance of the surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.anatomy.segmentation import Segmentation

NAN = float("nan")
FAR_PERCENTILE = 95.0


@dataclass(frozen=True)
class StructureDifference:
    """One structure of a result against the reference's.

    Attributes:
        structure: Name of the structure.
        reference_ml: Volume in the reference.
        volume_ml: Volume in the result.
        volume_error_percent: Volume in the result over the reference's, minus 1; NaN where that has none.
        dice: Dice coefficient, twice the shared volume over the sum of both; NaN where neither has any.
        surface_mm: Mean distance of either surface to the other; NaN where one of them is missing.
        surface95_mm: 95th percentile of it, of the direction where it is larger; NaN as `surface_mm`.
    """

    structure: str
    reference_ml: float
    volume_ml: float
    volume_error_percent: float
    dice: float
    surface_mm: float
    surface95_mm: float


def compare(found: Segmentation, reference: Segmentation) -> tuple[StructureDifference, ...]:
    """Every structure of a result against that of the reference.

    Args:
        found: Segmentation of the result.
        reference: Segmentation of the reference, on the same grid and with the same names.
    """
    ours, truth = found.volumes_ml(), reference.volumes_ml()
    rows = []
    for number, name in enumerate(reference.names[1:], start=1):
        a, b = _cut_out(found.labels == number, reference.labels == number)
        mean, far = surface_distances(a, b, reference.spacing_mm)
        error = 100 * (ours[name] / truth[name] - 1) if truth[name] else NAN
        rows.append(StructureDifference(name, truth[name], ours[name], error, dice(a, b), mean, far))
    return tuple(rows)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice coefficient of two masks of one shape, 0 to 1; NaN where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else NAN


def surface_distances(
    a: NDArray[np.bool_], b: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> tuple[float, float]:
    """Mean and 95th percentile of the distances between the surfaces of two masks, in mm.

    The surface is made of the voxels of a mask that have a face outside it; what lies beyond the array is outside. The
    mean is over the voxels of both surfaces, the percentile that of the direction where it is larger.

    Args:
        a: Mask (I, J, K).
        b: Mask of the same shape.
        spacing_mm: Voxel spacing (3,).
    """
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (a, b)]
    if not (edges[0].any() and edges[1].any()):
        return NAN, NAN
    ways = [ndimage.distance_transform_edt(~towards, sampling=spacing_mm)[of] for of, towards in (edges, edges[::-1])]
    return float(np.mean(np.concatenate(ways))), float(max(np.percentile(way, FAR_PERCENTILE) for way in ways))


def _cut_out(*masks: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The masks within the box that holds all of them, with a margin where surfaces may lie."""
    (box,) = ndimage.find_objects(np.any(masks, axis=0).astype(np.uint8)) or [(slice(0, 1),) * 3]
    wider = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
    return [mask[wider] for mask in masks]
