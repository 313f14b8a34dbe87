"""`Volume`: one scan on one grid, the one thing that flows through medsr."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from medsr import affine as grids
from medsr.errors import InputError

Modality = Literal["MR", "CT"]
AcquisitionType = Literal["2D", "3D"]

MAX_VOXELS = 2**31  # 8 GiB of float32: larger scans are refused before anything is allocated


@dataclass(frozen=True)
class Forms:
    """What a NIfTI header says of the space that its coordinates belong to (nifti1.h, NIFTI_XFORM codes).

    Attributes:
        sform_code: 0 unknown, 1 scanner, 2 aligned to another file, 3 Talairach, 4 MNI 152.
        qform_code: The same for the qform.
        to_qform: (4, 4), mm of the scan to mm of the qform, where the two differ; else None.
    """

    sform_code: int
    qform_code: int
    to_qform: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class Source:
    """Where a scan came from, without anything that names a patient.

    Attributes:
        format: Name of the file format (`medsr.io.formats.FormatName`), or "memory".
        content_sha256: Hash of the file contents, in a fixed order; "" for scans made in memory.
        dtype: Stored type of the voxels, such as "int16"; whole-number inputs are written back as whole numbers.
        contrast: Contrast from the headers or the file name, such as "T1w"; "" where neither says it.
        warnings: Decisions of the reader that a user should know.
        acquired: What headers say of partial sampling, filters and kernels, in short phrases.
        time_step: Time between the volumes of a 4D file; None where it is not known.
        time_unit: Unit of that step, as NIfTI names it, such as "sec" or "msec"; "" where there is no step.
        modality_guessed: Whether the modality was guessed from the values, since nothing states it.
        modality_doubt: What speaks for the other modality then; "" where nothing does.
        forms: Spaces of the coordinates in a NIfTI file; None for other sources.
    """

    format: str = "memory"
    content_sha256: str = ""
    dtype: str = "float32"
    contrast: str = ""
    warnings: tuple[str, ...] = ()
    acquired: tuple[str, ...] = ()
    time_step: float | None = None
    time_unit: str = ""
    modality_guessed: bool = False
    modality_doubt: str = ""
    forms: Forms | None = None


@dataclass(frozen=True, repr=False)
class Volume:
    """A scan: voxels, where they lie in the body, and what kind of scan it is.

    Attributes:
        data: (I, J, K) float32, axes as stored; MR in the scan's own unit, CT in HU.
        affine: (4, 4) float64, voxel index to RAS+ mm.
        modality: "MR" or "CT".
        thickness_mm: Slice thickness (FWHM of the slice profile) along `slice_axis`, where it is known.
        slice_axis: Axis along which slices were acquired, where it is known.
        acquisition_type: "2D" (slice by slice) or "3D", where it is known (DICOM MR Acquisition Type (0018,0023)).
        source: Origin of the voxels.

    Raises:
        InputError: not three-dimensional, empty, an axis of one voxel, or voxels that are not finite.
        GeometryError: the affine is not that of a rectilinear grid.
    """

    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    modality: Modality = "MR"
    thickness_mm: float | None = None
    slice_axis: int | None = None
    acquisition_type: AcquisitionType | None = None
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        check_shape(self.data.shape)
        data = np.asarray(self.data, dtype=np.float32)
        n_bad = int(data.size - np.count_nonzero(np.isfinite(data)))
        if n_bad:
            raise InputError(f"{n_bad} of {data.size} voxels are NaN or infinite; expected finite values")
        data = data.view()
        data.flags.writeable = False
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "affine", grids.checked(self.affine))

    def __repr__(self) -> str:
        """One line without file names and patient data, such as "Volume(CT, 512 x 512 x 60 voxels ..., LPS)"."""
        kind = " ".join(dict.fromkeys((self.modality, self.source.contrast))).rstrip()
        shape, spacing = grids.axes_text(self.shape), grids.axes_text(self.spacing_mm)
        return f"Volume({kind}, {shape} voxels of {spacing} mm, {grids.axis_codes(self.affine)})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels per axis."""
        i, j, k = self.data.shape
        return i, j, k

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel spacing (3,) in mm."""
        return grids.spacing_mm(self.affine)

    def with_data(self, data: NDArray[np.float32], affine: ArrayLike | None = None) -> Volume:
        """The same scan with other voxels and, when they lie on another grid, that grid's affine."""
        return replace(self, data=data, affine=self.affine if affine is None else np.asarray(affine, np.float64))

    def to_ras(self) -> Volume:
        """The same scan with axes permuted and flipped closest to right, anterior, superior."""
        data, affine = grids.to_ras(self.data, self.affine)
        slice_axis = self.slice_axis
        if slice_axis is not None:
            slice_axis = int(np.argmax(np.abs(np.linalg.inv(affine[:3, :3]) @ self.affine[:3, slice_axis])))
        return replace(self, data=data, affine=affine, slice_axis=slice_axis)


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse a shape that is not that of a volume, before memory is allocated for it.

    Raises:
        InputError: not three axes, an axis of fewer than two voxels, or more than 2**31 voxels.
    """
    if len(shape) != 3:
        raise InputError(f"scan has {len(shape)} axes of {grids.axes_text(shape)} voxels; expected a 3D volume")
    if min(shape) < 2:
        raise InputError(f"scan has {grids.axes_text(shape)} voxels; a volume needs at least 2 along every axis")
    n_voxels = int(np.prod([int(n) for n in shape], dtype=object))
    if n_voxels > MAX_VOXELS:
        raise InputError(f"header declares {grids.axes_text(shape)} = {n_voxels} voxels; the limit is {MAX_VOXELS}")


def is_whole_number(dtype: DTypeLike) -> bool:
    """Whether voxels of this stored type are whole numbers."""
    return np.issubdtype(np.dtype(dtype), np.integer)
