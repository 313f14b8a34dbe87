"""NIfTI-1 and NIfTI-2, plain or gzip, one file or a pair, to and from `Volume`.

nibabel knows the header and its affines; this module decides what is believed and checks the header before any memory
is asked for: 348 bytes may declare terabytes, and a small gzip file may inflate without end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError
from medsr.io import files
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.images import READABLE, stored_of, volumes_of
from medsr.io.nifti_forms import Header1, Header2, read_forms, write_forms
from medsr.io.outline import Outline
from medsr.io.streams import check_holds, damage_reported, inflated_stream, read_voxels, written
from medsr.volume import MAX_VOXELS, Source, Volume, check_shape, is_whole_number

MAX_EXTENSION_BYTES = 64 << 20  # header extensions larger than this are taken for damage
NIFTI1_MAX_AXIS = 32767  # the dimensions of NIfTI-1 are int16
DESCRIPTION = b"medsr research use only"

_TIME_UNITS = {8: "sec", 16: "msec", 24: "usec", 32: "hz", 40: "ppm", 48: "rads"}


@dataclass(frozen=True)
class _Layout:
    """Where the voxels lie in a file and how they are stored.

    Attributes:
        shape: (I, J, K) or (I, J, K, T).
        dtype: Stored type, with its byte order.
        offset: Bytes before the first voxel.
        scale: Slope and intercept.
        time_step: Time between volumes; None where it is not known.
        time_unit: Unit of that step.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    scale: tuple[float, float]
    time_step: float | None
    time_unit: str

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_nifti(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """The volumes of a NIfTI file in turn: one for a 3D file, one per time point for a 4D file.

    The sform is believed before the qform; where the header holds neither, the spacing alone is taken and the source's
    warnings say so. Units are converted to mm. A BIDS file name tells the contrast, a BIDS sidecar the thickness.

    Args:
        path: The file.
        policies: What to do with voxels that are not a number.

    Raises:
        InputError: not a NIfTI file, damaged, truncated, not 3D or 4D, colour or complex, voxels not finite.
        GeometryError: the affine is not that of a regular grid.
        ResourceError: not enough memory.
    """
    path = Path(path)
    with files.naming(path):
        if not files.nifti_version(files.inflated(files.read_head(path))):
            raise InputError("is not a NIfTI file, or its header is damaged")
        with inflated_stream(path) as stream, damage_reported():
            header = _read_header(stream)
        (voxels,) = companions(path) or (path,)
        layout = _layout(header, voxels)
        affine, forms, warnings = read_forms(header, layout.shape)
        with inflated_stream(voxels) as stream, damage_reported():
            stored = read_voxels(stream, layout.offset, layout.shape, layout.dtype)
            stream.read(1)  # one byte past the end makes gzip check its own sum
        unscaled = layout.scale == (1.0, 0.0)
        still_whole = is_whole_number(layout.dtype) and all(number.is_integer() for number in layout.scale)
        source = Source(
            format="nifti",
            content_sha256=files.sha256_of_digests(map(files.sha256_file, (path, *companions(path)))),
            dtype=layout.dtype.newbyteorder("=").name if unscaled or still_whole else "float32",
            warnings=tuple(warnings),
            time_step=layout.time_step,
            time_unit=layout.time_unit,
            forms=forms,
        )
        return volumes_of(path, stored, affine, source, policies, layout.scale)


def outline_nifti(path: Path) -> Outline:
    """The grid of a NIfTI file from its header alone.

    Raises:
        InputError: not a NIfTI file, a damaged header, or fewer bytes than it declares.
        GeometryError: the affine is not that of a regular grid.
    """
    with files.naming(path):
        with inflated_stream(path) as stream, damage_reported():
            header = _read_header(stream)
        (voxels,) = companions(path) or (path,)
        shape = _layout(header, voxels).shape
        affine, _, _ = read_forms(header, shape)
    i, j, k = shape[:3]
    return Outline((i, j, k), affine, shape[3] if len(shape) > 3 else 1)


def companions(path: Path) -> tuple[Path, ...]:
    """The file with the voxels of a pair (NAME.hdr has NAME.img or NAME.img.gz beside it); none of a single file.

    Raises:
        InputError: the header of a pair alone.
    """
    if not files.is_nifti_pair(files.inflated(files.read_head(path))):
        return ()
    stem = path.name.removesuffix(".gz")
    wanted = [path.with_name(f"{Path(stem).stem}{end}") for end in (".img", ".img.gz", ".IMG")]
    found = next((one for one in wanted if one.is_file()), None)
    if found is None:
        raise InputError("the file with its voxels, of the same name in .img, is not there; put it beside the header")
    return (found,)


def _read_header(stream: BinaryIO) -> Any:
    head = stream.read(files.HEAD_BYTES)
    kind: Any = {1: Header1, 2: Header2}.get(files.nifti_version(head))
    if kind is None:
        raise InputError("the NIfTI header has no magic number; the file is damaged")
    n_bytes = kind.template_dtype.itemsize
    if len(head) < n_bytes:
        raise InputError(f"the file ends inside its header ({len(head)} of {n_bytes} bytes)")
    return kind(head[:n_bytes], check=False)


def _layout(header: Any, voxels: Path) -> _Layout:
    shape = _shape(header)
    dtype = _dtype(header)
    first = 0 if files.is_nifti_pair(header.binaryblock) else header.template_dtype.itemsize + 4
    offset = float(header["vox_offset"]) or float(first)
    if not max(0, first - 4) <= offset <= MAX_EXTENSION_BYTES or offset != int(offset):
        raise InputError(f"header says that voxels begin at byte {offset:g}; expected {first} or a little more")
    layout = _Layout(shape, dtype, int(offset), _scale(header), *_time_step(header, shape))
    check_holds(voxels, layout.offset, layout.n_bytes)
    return layout


def _shape(header: Any) -> tuple[int, ...]:
    dim = [int(n) for n in header["dim"]]
    dim[4:] = [n or 1 for n in dim[4:]]  # sizes of axes that are not there, which some writers leave at zero
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise InputError(f"header declares dimensions {dim}; expected 3 or 4 positive ones")
    shape = dim[1 : dim[0] + 1]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) > 4:
        raise InputError(f"scan has {len(shape)} axes {shape}; expected 3D, or 4D with time last")
    check_shape(tuple(shape[:3]))
    if math.prod(shape) > MAX_VOXELS:
        raise InputError(f"header declares {math.prod(shape)} voxels in {shape[3]} volumes; the limit is {MAX_VOXELS}")
    return tuple(shape)


def _dtype(header: Any) -> np.dtype[Any]:
    code = int(header["datatype"])
    try:
        dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    except Exception as error:  # nibabel raises several kinds for codes that it doesn't know
        raise InputError(f"header declares unknown voxel type {code}; expected whole or real numbers") from error
    if dtype.newbyteorder("=").name not in READABLE:
        raise InputError(f"voxels are {dtype.name} (NIfTI type {code}), such as colour or complex; expected real ones")
    return dtype


def _scale(header: Any) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0  # NIfTI: no scaling stored
    if not math.isfinite(intercept):
        raise InputError(f"header scales voxels by {slope:g} plus {intercept}; expected a finite intercept")
    return slope, intercept


def _time_step(header: Any, shape: tuple[int, ...]) -> tuple[float | None, str]:
    """Time between volumes and its unit; an unknown unit, or one that is not of time, is handed on as it is."""
    step = abs(float(header["pixdim"][4]))
    if len(shape) < 4 or step == 0 or not math.isfinite(step):
        return None, ""
    return step, _TIME_UNITS.get(int(header["xyzt_units"]) & 0x38, "unknown")


def write_nifti(volumes: Sequence[Volume], path: Path | str, *, dtype: str | None = None) -> None:
    """Write one volume as a 3D file, several of one grid as a 4D file; all or nothing.

    The affine stands in the forms that the source had, with their codes, else in sform and qform (code 1, scanner);
    units are mm, nothing is scaled; forms and the time between volumes are those of the first one's source. NIfTI-1, or
    NIfTI-2 where an axis is longer than 32767. Equal volumes give equal bytes.

    Args:
        volumes: At least one, all of one shape and affine.
        path: Name of the file; compressed where it ends in .gz.
        dtype: Stored type, one of `WRITABLE`; None: whole numbers where every source held whole numbers (rounded half
            to even, in the smallest type of uint8 for uint8 sources, int16, int32 that holds them), else float32.

    Raises:
        UsageError: no volume, different grids, an unknown type, or values that it can't hold.
        OutputError: the file can't be written.
    """
    path = Path(path)
    image = _image(stored_of(volumes, path, dtype), volumes[0])
    with written(path) as file:
        image.to_stream(file)


def _image(stored: NDArray[Any], first: Volume) -> Any:
    affine, source = first.affine, first.source
    kind = nib.Nifti2Image if max(stored.shape) > NIFTI1_MAX_AXIS else nib.Nifti1Image
    image = kind(stored, affine, dtype=stored.dtype)
    write_forms(image, affine, source.forms)
    if stored.ndim == 4:
        image.header.set_xyzt_units("mm", source.time_unit or "sec")
        image.header["pixdim"][4] = 1.0 if source.time_step is None else source.time_step
    else:
        image.header.set_xyzt_units("mm")
    image.header["descrip"] = DESCRIPTION
    return image
