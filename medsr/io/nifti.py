"""NIfTI-1 and NIfTI-2, plain or gzip, to and from `Volume`.

nibabel knows the header and its affines; this module decides what is believed and checks the header before any memory
is asked for: 348 bytes may declare terabytes, and a small gzip file may inflate without end.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.errors import InputError, ResourceError, UsageError
from medsr.io import bids, files
from medsr.io.contrast import contrast_of_words
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.modality import Guess, guess_modality
from medsr.io.nifti_forms import Header1, Header2, read_forms, write_forms
from medsr.io.outline import Outline
from medsr.io.padding import padding_said, without_ct_padding
from medsr.volume import MAX_VOXELS, Forms, Source, Volume, check_shape, is_whole_number

READABLE = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
WRITABLE = ("uint8", "int16", "uint16", "int32", "float32")
MAX_EXTENSION_BYTES = 64 << 20  # header extensions larger than this are taken for damage
MAX_INFLATION = 1100  # deflate can't pack more than 1032 bytes into one
NIFTI1_MAX_AXIS = 32767  # the dimensions of NIfTI-1 are int16
CLEARLY_COARSER = 1.2  # an axis this much coarser than the next was acquired slice by slice
GZIP_LEVEL = 4  # files 2 % larger than at level 6, in a third of the time
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
        with _stream(path) as stream, _damage_reported():
            header = _read_header(stream)
            layout = _layout(header, path)
            affine, forms, warnings = read_forms(header, layout.shape)
        with _stream(path) as stream, _damage_reported():
            stored = _read_voxels(stream, layout)
        return _volumes(path, stored, layout, affine, forms, warnings, policies)


def outline_nifti(path: Path) -> Outline:
    """The grid of a NIfTI file from its header alone.

    Raises:
        InputError: not a NIfTI file, a damaged header, or fewer bytes than it declares.
        GeometryError: the affine is not that of a regular grid.
    """
    with files.naming(path):
        with _stream(path) as stream, _damage_reported():
            header = _read_header(stream)
        shape = _layout(header, path).shape
        affine, _, _ = read_forms(header, shape)
    i, j, k = shape[:3]
    return Outline((i, j, k), affine, shape[3] if len(shape) > 3 else 1)


@contextmanager
def _stream(path: Path) -> Iterator[BinaryIO]:
    with files.opened(path) as file:
        zipped = file.read(2) == files.GZIP_MAGIC
        file.seek(0)
        yield cast(BinaryIO, io.BufferedReader(files.Inflated(file), files.PACKED)) if zipped else file


@contextmanager
def _damage_reported() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise InputError("the gzip file is truncated; copy or download it again") from error
    except (OSError, zlib.error) as error:
        raise InputError(f"the file is damaged ({files.reason(error)}); copy or download it again") from error
    except MemoryError as error:
        raise ResourceError("not enough memory to read the scan; close other programs or crop it first") from error


def _read_header(stream: BinaryIO) -> Any:
    head = stream.read(files.HEAD_BYTES)
    kind: Any = {1: Header1, 2: Header2}.get(files.nifti_version(head))
    if kind is None:
        raise InputError("the NIfTI header has no magic number; the file is damaged")
    n_bytes = kind.template_dtype.itemsize
    if len(head) < n_bytes:
        raise InputError(f"the file ends inside its header ({len(head)} of {n_bytes} bytes)")
    return kind(head[:n_bytes], check=False)


def _layout(header: Any, path: Path) -> _Layout:
    shape = _shape(header)
    dtype = _dtype(header)
    n_header = header.template_dtype.itemsize + 4
    offset = float(header["vox_offset"]) or float(n_header)
    if not n_header - 4 <= offset <= MAX_EXTENSION_BYTES or offset != int(offset):
        raise InputError(f"header says that voxels begin at byte {offset:g}; expected {n_header} or a little more")
    layout = _Layout(shape, dtype, int(offset), _scale(header), *_time_step(header, shape))
    available = path.stat().st_size
    with path.open("rb") as file:
        zipped = file.read(2) == files.GZIP_MAGIC
    if layout.offset + layout.n_bytes > available * (MAX_INFLATION if zipped else 1):
        raise InputError(
            f"header declares {layout.n_bytes} bytes of voxels, but the file has {available} bytes"
            f"{' of gzip' if zipped else ''}; it is truncated or its header is damaged"
        )
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


def _read_voxels(stream: BinaryIO, layout: _Layout) -> NDArray[Any]:
    """Stored values in the file's axis order; never reads more than the header declares."""
    left = layout.offset
    while left and (skipped := len(stream.read(min(left, files.CHUNK)))):
        left -= skipped
    stored = np.empty(layout.n_bytes, np.uint8)
    buffer, n_read = stored.data, 0
    while n_read < layout.n_bytes:
        n = stream.readinto(buffer[n_read : n_read + (1 << 24)])  # type: ignore[attr-defined]
        if not n:
            raise InputError(f"the file is truncated: {n_read} of {layout.n_bytes} bytes of voxels")
        n_read += n
    stream.read(1)  # one byte past the end makes gzip check its own sum
    return stored.view(layout.dtype).reshape(layout.shape, order="F")


def _volumes(
    path: Path,
    stored: NDArray[Any],
    layout: _Layout,
    affine: NDArray[np.float64],
    forms: Forms,
    warnings: list[str],
    policies: Policies,
) -> list[Volume]:
    slice_axis = _slice_axis(affine)
    sidecar = bids.sidecar_of(path)
    contrast = bids.contrast_of_name(path.name) or contrast_of_words([path.name])
    unscaled = layout.scale == (1.0, 0.0)
    still_whole = is_whole_number(layout.dtype) and all(number.is_integer() for number in layout.scale)
    source = Source(
        format="nifti",
        content_sha256=files.sha256_file(path),
        dtype=layout.dtype.newbyteorder("=").name if unscaled or still_whole else "float32",
        contrast=contrast,
        warnings=(*warnings, *sidecar.warnings),
        time_step=layout.time_step,
        time_unit=layout.time_unit,
        forms=forms,
    )
    volumes = []
    for t in range(layout.shape[3] if len(layout.shape) == 4 else 1):
        data = _scaled(stored[..., t] if len(layout.shape) == 4 else stored, layout.scale)
        data, said = _without_nan(data, policies)
        guess = guess_modality(data) if not contrast else Guess("CT" if contrast == "CT" else "MR")
        data, n_padded = without_ct_padding(data) if guess.modality == "CT" else (data, 0)
        said += (padding_said(n_padded),) if n_padded else ()
        thickness = sidecar.thickness_mm if slice_axis is not None else None
        told = replace(
            source,
            warnings=(*source.warnings, *said),
            modality_guessed=not contrast,
            modality_doubt=guess.doubt,
        )
        volumes.append(Volume(data, affine, guess.modality, thickness, slice_axis, sidecar.acquisition_type, told))
    return volumes


def _scaled(stored: NDArray[Any], scale: tuple[float, float]) -> NDArray[np.float32]:
    slope, intercept = scale
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows becomes infinite, which Volume refuses
        if scale == (1.0, 0.0):
            return stored.astype(np.float32, copy=False)
        if is_whole_number(stored.dtype) and stored.dtype.itemsize <= 2 and abs(slope) < 1e30 and abs(intercept) < 1e30:
            return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _without_nan(data: NDArray[np.float32], policies: Policies) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The voxels with numbers everywhere, as the policies ask, and a warning where some were not.

    Raises:
        InputError: some are not, and it is not said what to do.
    """
    is_nan = np.isnan(data)
    n_nan = int(np.count_nonzero(is_nan))
    if not n_nan:
        return data, ()
    if policies.nan == "refuse" or n_nan == data.size:
        way = "" if n_nan == data.size else "; where they are background, --nan lowest gives them the lowest value"
        raise InputError(f"{n_nan} of {data.size} voxels are NaN{way}")
    lowest = data[~is_nan].min()
    return np.where(is_nan, lowest, data), (f"voxels that were NaN set to the lowest value: {n_nan} (--nan lowest)",)


def _slice_axis(affine: NDArray[np.float64]) -> int | None:
    spacing = grids.spacing_mm(affine)
    _, next_mm, coarsest_mm = np.sort(spacing)
    return int(np.argmax(spacing)) if coarsest_mm > CLEARLY_COARSER * next_mm else None


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
    _check_request(volumes, path, dtype)
    stored_type = np.dtype(dtype) if dtype else _stored_type(volumes)
    stored = [_stored(volume.data, stored_type) for volume in volumes]
    image = _image(stored[0] if len(stored) == 1 else np.stack(stored, axis=-1), volumes[0])
    with files.atomic(path) as file:
        if path.name.lower().endswith(".gz"):
            with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=file, mtime=0) as zipped:
                image.to_stream(zipped)
        else:
            image.to_stream(file)


def _check_request(volumes: Sequence[Volume], path: Path, dtype: str | None) -> None:
    if dtype is not None and dtype not in WRITABLE:
        raise UsageError(f"voxel type {dtype!r} is not one of {', '.join(WRITABLE)}")
    if not volumes:
        raise UsageError(f"{path}: no volume to write")
    first = volumes[0]
    if any(v.shape != first.shape or not np.array_equal(v.affine, first.affine) for v in volumes[1:]):
        raise UsageError(f"{path}: volumes of one file must share shape and affine; write them to separate files")


def _stored_type(volumes: Sequence[Volume]) -> np.dtype[Any]:
    sources = {volume.source.dtype for volume in volumes}
    if not all(is_whole_number(source) for source in sources):
        return np.dtype(np.float32)
    low = min(float(np.rint(volume.data.min())) for volume in volumes)
    high = max(float(np.rint(volume.data.max())) for volume in volumes)
    candidates = ("uint8", "int16", "int32") if sources == {"uint8"} else ("int16", "int32")
    return np.dtype(next((name for name in candidates if _holds(name, low, high)), "float32"))


def _holds(name: str, low: float, high: float) -> bool:
    limits = np.iinfo(name)
    return limits.min <= low and high <= limits.max


def _stored(data: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return data
    rounded = np.rint(data)  # half to even
    low, high = float(rounded.min()), float(rounded.max())
    if not _holds(dtype.name, low, high):
        raise UsageError(f"values from {low:g} to {high:g} don't fit {dtype.name}; choose int32 or float32")
    return rounded.astype(dtype)


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
