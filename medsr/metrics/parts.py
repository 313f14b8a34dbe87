"""Parts of a mask that errors are measured in beside the whole: the body's interior, its surface, edges, the brain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.arrays import Mask, Scan, as_array
from medsr.metrics.error import body_mask
from medsr.volume import Modality

Part = Literal["interior", "surface", "edges", "brain"]

PARTS: tuple[Part, ...] = get_args(Part)
DEPTH_MM = 3.0  # of the band below the body's surface that is no interior
EDGE_SHARE = 0.1
ROUNDING_MM = 1e-6  # sums of spacings are not exact


def parts_of(
    reference: Scan, mask: Mask, modality: Modality, spacing_mm: Sequence[float], brain: Mask | None = None
) -> dict[Part, Mask]:
    """The parts of a mask, each (I, J, K) bool: interior and surface share it without overlap, the others lie in both.

    The interior lies in the body, whose mask is that of `body_mask`, with more than 3 mm from voxel centre to the
    nearest centre outside the body. The surface is the rest of the mask, the air around the body included. Edges are
    the tenth of the mask's voxels where the reference's gradient, in its unit per mm, is the strongest. A face of the
    field of view that cuts the body is no surface. The brain is a part only where its voxels are known.

    Args:
        reference: Reference, (I, J, K), MR in any unit, CT in HU.
        mask: Voxels that count, (I, J, K) bool.
        modality: "MR" or "CT".
        spacing_mm: Voxel spacing along the three axes.
        brain: Voxels of the brain, (I, J, K) bool; None where they are not known.

    Raises:
        InputError: the reference shows no body.
    """
    interior = mask & (depth_mm(body_mask(reference, modality), spacing_mm) > DEPTH_MM + ROUNDING_MM)
    parts: dict[Part, Mask] = {
        "interior": interior,
        "surface": mask & ~interior,
        "edges": edge_mask(reference, mask, spacing_mm),
    }
    return parts if brain is None else {**parts, "brain": mask & brain}


def depth_mm(body: Mask, spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """Distance of every voxel of a body from the nearest one outside it, between centres; infinite without an outside.

    Args:
        body: Voxels of the body, (I, J, K) bool.
        spacing_mm: Voxel spacing along the three axes.
    """
    if body.all():  # the transform measures from nowhere then
        return np.full(body.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(body, sampling=tuple(spacing_mm)), dtype=np.float64)


def edge_mask(reference: Scan, mask: Mask, spacing_mm: Sequence[float]) -> Mask:
    """The tenth of a mask's voxels with the strongest gradient; fewer where many are equally strong.

    Args:
        reference: Reference, (I, J, K).
        mask: Voxels that count, (I, J, K) bool.
        spacing_mm: Voxel spacing along the three axes.
    """
    data = as_array(reference)
    if not mask.any():
        return mask.copy()
    squares = np.zeros(data.shape, dtype=np.float32)
    for axis, spacing in enumerate(spacing_mm):
        if data.shape[axis] > 1:
            squares += np.square(np.gradient(data.astype(np.float32), spacing, axis=axis))
    return np.asarray(mask & (squares > np.quantile(squares[mask], 1 - EDGE_SHARE)))
