"""Where a NIfTI header says that its voxels lie: the sform, the qform and their codes, believed and kept.

The sform is believed before the qform, as nibabel, SPM and FSL do. Codes name the space that coordinates belong to
(NIfTI-1 standard, nifti1.h, "3D image orientation and location in space"): a result in MNI space stays in it.
"""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.errors import GeometryError
from medsr.volume import Forms

Affine = NDArray[np.float64]

MIRRORED = (
    "the sform and the qform disagree on left and right, so one of them mirrors the scan; the sform is believed: "
    "check the sides before use"
)
SAME_MM = 1e-3  # matrices that agree so closely over a scan are one
CLEAR_COSINE = 0.5  # an axis this far from left-right says nothing of left and right
LAST_CODE = 5  # of those that the standard and its readers know
ALIGNED = 2  # the code of coordinates that are aligned to another file

_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # NIfTI: unknown, metre, mm, micron


class Header1(nib.Nifti1Header):  # type: ignore[misc] # nibabel has no types
    """A NIfTI-1 header whose quaternion may be longer than one by rounding, which nifti_clib and ITK accept."""

    quaternion_threshold = -1e-4


class Header2(nib.Nifti2Header):  # type: ignore[misc] # nibabel has no types
    """The same for NIfTI-2."""

    quaternion_threshold = -1e-4


def read_forms(header: Any, shape: tuple[int, ...]) -> tuple[Affine, Forms, list[str]]:
    """The affine that is believed, what both forms say, and warnings.

    Args:
        header: `Header1` or `Header2`.
        shape: Voxels per axis.

    Raises:
        GeometryError: none of the forms that the header claims is that of a regular grid.
    """
    per_unit, warnings = _mm_per_unit(header)
    codes = tuple(int(header[name]) for name in ("sform_code", "qform_code"))
    if max(codes) > LAST_CODE:
        warnings.append(
            f"sform and qform have codes {codes[0]} and {codes[1]}; those above {LAST_CODE} count as aligned"
        )
        codes = tuple(ALIGNED if code > LAST_CODE else code for code in codes)
    if max(codes) <= 0:
        warnings.append("no orientation stored: spacing taken from the header, left and right not known")
        return _checked(header.get_base_affine(), per_unit, "pixdim"), Forms(0, 0), warnings
    qform = _qform(header, per_unit, needed=codes[0] <= 0) if codes[1] > 0 else None
    if codes[0] <= 0 and qform is not None:
        return qform, Forms(0, codes[1]), warnings
    if qform is not None and not np.any(header.get_sform()[:3, :3]):
        warnings.append(f"the sform (code {codes[0]}) is all zeros; the qform is believed instead")
        return qform, Forms(0, codes[1]), warnings
    sform = _checked(header.get_sform(), per_unit, "sform")
    if qform is None:
        return sform, Forms(codes[0], 0), warnings
    if _is_mirrored(sform, qform):
        warnings.append(MIRRORED)
    corner = np.abs(sform - qform) @ np.array([*shape[:3], 1.0])
    to_qform = None if corner.max() < SAME_MM else qform @ np.linalg.inv(sform)
    return sform, Forms(codes[0], codes[1], None if to_qform is None else _rows(to_qform)), warnings


def write_forms(image: Any, affine: Affine, forms: Forms | None) -> None:
    """Put the affine of a result into the forms that its source had, each with its code; None: both, scanner.

    Args:
        image: nibabel image, changed in place.
        affine: (4, 4), voxel index to mm.
        forms: What the header of the source said.
    """
    forms = forms or Forms(1, 1)
    to_qform = np.eye(4) if forms.to_qform is None else np.array(forms.to_qform)
    sform_code = forms.sform_code
    image.set_qform(to_qform @ affine, code=forms.qform_code)
    if max(forms.sform_code, forms.qform_code) <= 0 and not np.allclose(image.header.get_base_affine(), affine):
        sform_code = ALIGNED  # a part of a scan lies where the spacing alone does not tell
    image.set_sform(affine, code=sform_code)


def _mm_per_unit(header: Any) -> tuple[float, list[str]]:
    unit = int(header["xyzt_units"]) & 7
    per_unit = _MM_PER_UNIT.get(unit, 1.0)
    if per_unit == 1.0:
        return per_unit, []
    return per_unit, [f"affine converted from {'metre' if unit == 1 else 'micron'} to mm"]


def _checked(matrix: Any, per_unit: float, form: str) -> Affine:
    """In mm, checked; the message names the form."""
    affine = np.array(matrix, np.float64)
    affine[:3] *= per_unit
    try:
        return grids.checked(affine)
    except GeometryError as error:
        raise GeometryError(f"the {form} is not valid: {error}") from error


def _qform(header: Any, per_unit: float, *, needed: bool) -> Affine | None:
    """The qform; None where it is damaged and not needed."""
    try:
        with np.errstate(all="ignore"):
            matrix = header.get_qform()
        return _checked(matrix, per_unit, "qform")
    except Exception as error:  # nibabel raises several kinds for a broken qform
        if not needed:
            return None
        if isinstance(error, GeometryError):
            raise
        quaternion = [float(header[name]) for name in ("quatern_b", "quatern_c", "quatern_d")]
        spacing = [float(size) for size in header["pixdim"][1:4]]
        raise GeometryError(
            f"the qform is not a rotation with positive spacing (quaternion {quaternion}, spacing {spacing}); "
            "repair the header first"
        ) from error


def _is_mirrored(sform: Affine, qform: Affine) -> bool:
    """Whether one form has left and right the other way round."""
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        return True
    of_sform, of_qform = (matrix[0, :3] / grids.spacing_mm(matrix) for matrix in (sform, qform))
    axis = int(np.argmax(np.abs(of_sform)))
    product = float(of_sform[axis] * of_qform[axis])
    return product < 0 and min(abs(of_sform[axis]), abs(of_qform[axis])) > CLEAR_COSINE


def _rows(matrix: Affine) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(number) for number in row) for row in matrix)
