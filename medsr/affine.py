"""4x4 affine maths: spacing, orientation, crop, and the finer or coarser grid of one field of view.

An affine maps voxel indices (centres at whole numbers) to RAS+ millimetres; the faces of the field of view lie at
index -1/2 and n - 1/2. Everything is float64 NumPy, nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsr.errors import GeometryError

Affine = NDArray[np.float64]

MAX_SHEAR_COSINE = 1e-3  # two axes closer to each other than this cosine allows do not make a rectilinear grid
MIN_SPACING_MM = 1e-3
MAX_SPACING_MM = 1e3


def checked(affine: ArrayLike) -> Affine:
    """The affine as float64, checked to describe a rectilinear grid.

    Args:
        affine: (4, 4), voxel index to RAS mm.

    Raises:
        GeometryError: not 4x4, not finite, singular, sheared, or spacing outside 0.001 to 1000 mm.
    """
    matrix = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)):
        raise GeometryError(f"affine has shape {matrix.shape} or is not finite; a finite 4x4 matrix is needed")
    if not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise GeometryError(f"last row of the affine is {matrix[3].tolist()}; expected 0 0 0 1")
    with np.errstate(over="ignore"):  # an overflow is a spacing of infinity, refused below
        spacing = spacing_mm(matrix)
    if np.any(spacing < MIN_SPACING_MM) or np.any(spacing > MAX_SPACING_MM):
        raise GeometryError(f"voxel spacing is {axes_text(spacing)} mm; expected 0.001 to 1000 mm on every axis")
    directions = matrix[:3, :3] / spacing
    cosines = np.abs(directions.T @ directions - np.eye(3))
    if cosines.max() > 0.999:
        raise GeometryError("affine is singular: two axes point the same way; repair the header first")
    if cosines.max() > MAX_SHEAR_COSINE:
        raise GeometryError(
            f"axes are sheared by up to {90 - np.degrees(np.arccos(cosines.max())):.2f} degrees; "
            "resample the scan to perpendicular axes first"
        )
    return matrix


def spacing_mm(affine: Affine) -> NDArray[np.float64]:
    """Voxel spacing (3,) in mm: the lengths of the affine's columns."""
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0), dtype=np.float64)


def axis_codes(affine: Affine) -> str:
    """Closest anatomical direction of each axis, such as "RAS" or "PIR"."""
    from nibabel.orientations import aff2axcodes  # here, as nibabel takes longer than all that `import medsr` needs

    return "".join(aff2axcodes(affine))


def crop(affine: Affine, start: ArrayLike) -> Affine:
    """Affine of the sub-volume that begins at voxel `start` (3,)."""
    shifted = affine.copy()
    shifted[:3, 3] += affine[:3, :3] @ np.asarray(start, dtype=np.float64)
    return shifted


def resized(affine: Affine, shape: ArrayLike, new_shape: ArrayLike) -> Affine:
    """Affine of a grid of `new_shape` over the same field of view: the outer faces stay where they are.

    Column k is scaled by shape[k] / new_shape[k]; the first voxel centre moves by half the change of spacing.
    """
    ratio = np.asarray(shape, dtype=np.float64) / np.asarray(new_shape, dtype=np.float64)
    new = affine.copy()
    new[:3, :3] = affine[:3, :3] * ratio
    new[:3, 3] = affine[:3, 3] + affine[:3, :3] @ ((ratio - 1) / 2)
    return new


def fov_corners(affine: Affine, shape: ArrayLike) -> NDArray[np.float64]:
    """The eight outer corners (8, 3) of the field of view in RAS mm."""
    n = np.asarray(shape, dtype=np.float64)
    bits = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64)
    index = bits * n - 0.5
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def to_ras(data: NDArray[Any], affine: Affine) -> tuple[NDArray[Any], Affine]:
    """The same scan with its axes permuted and flipped to run closest to right, anterior, superior."""
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    orientation = io_orientation(affine)
    turned = np.ascontiguousarray(apply_orientation(data, orientation))
    return turned, affine @ inv_ornt_aff(orientation, data.shape[:3])


def axes_text(values: Iterable[float]) -> str:
    """One number per axis as a person writes it, such as "0.9375 x 0.9375 x 3": four digits, whole numbers in full."""
    return " x ".join(f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}" for value in values)
