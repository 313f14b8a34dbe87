"""FreeSurfer's MGH, plain or gzip (`.mgh`, `.mgz`), to and from `Volume`.

nibabel knows the header and its affine; a file without a valid orientation (goodRASFlag 0) has the coronal one of 1 mm
that FreeSurfer takes for granted (FreeSurfer wiki, FsTutorial/MghFormat).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.freesurfer.mghformat import DATA_OFFSET, MGHHeader

from medsr.errors import InputError, UsageError
from medsr.io import files
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.formats import FORMATS
from medsr.io.images import stored_of, volumes_of
from medsr.io.outline import Outline
from medsr.io.streams import check_holds, damage_reported, inflated_stream, read_voxels, written
from medsr.volume import MAX_VOXELS, Source, Volume, check_shape

TYPES = {0: "uint8", 1: "int32", 3: "float32", 4: "int16", 10: "uint16"}
MAX_FOOTER_BYTES = 1 << 20  # repetition time and tags; read to the end so that gzip checks its own sum
FLAG_AT = 28  # byte of goodRASFlag
NO_ORIENTATION = "the header holds no orientation (goodRASFlag 0): FreeSurfer's default is taken, coronal with 1 mm"


def read_mgh(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """The volumes of an MGH file in turn: one for each frame.

    Args:
        path: The file.
        policies: What to do with voxels that are not a number.

    Raises:
        InputError: damaged, truncated, or voxels that are not finite.
        GeometryError: the affine is not that of a regular grid.
        ResourceError: not enough memory.
    """
    path = Path(path)
    with files.naming(path):
        header, warnings = _header(path)
        shape = _shape(header)
        dtype = np.dtype(TYPES[int(header["type"])]).newbyteorder(">")
        with inflated_stream(path) as stream, damage_reported():
            stored = read_voxels(stream, DATA_OFFSET, shape, dtype)
            step = _repetition_time(stream.read(MAX_FOOTER_BYTES)) if len(shape) > 3 else None
        source = Source(
            format="mgh",
            content_sha256=files.sha256_file(path),
            dtype=dtype.newbyteorder("=").name,
            warnings=warnings,
            time_step=step,
            time_unit="" if step is None else "msec",
        )
        return volumes_of(path, stored, np.asarray(header.get_affine(), np.float64), source, policies)


def outline_mgh(path: Path) -> Outline:
    """The grid of an MGH file from its header alone.

    Raises:
        InputError: a damaged header, or fewer bytes than it declares.
        GeometryError: the affine is not that of a regular grid.
    """
    with files.naming(path):
        header, _ = _header(path)
        i, j, k, *frames = _shape(header)
        return Outline((i, j, k), np.asarray(header.get_affine(), np.float64), frames[0] if frames else 1)


def write_mgh(volumes: Sequence[Volume], path: Path | str, *, dtype: str | None = None) -> None:
    """Write one volume, or several of one grid as frames; all or nothing. Equal volumes give equal bytes.

    Args:
        volumes: At least one, all of one shape and affine.
        path: Name of the file; compressed where it ends in .mgz.
        dtype: Stored type, as for NIfTI but for uint16.

    Raises:
        UsageError: no volume, different grids, or a type that the format or the values rule out.
        OutputError: the file can't be written.
    """
    path = Path(path)
    dtypes = FORMATS["mgh"].dtypes
    if dtype is not None and dtype not in dtypes:
        raise UsageError(f"voxel type {dtype!r} is not one of {', '.join(dtypes)}, which FreeSurfer reads")
    image = nib.MGHImage(stored_of(volumes, path, dtype), volumes[0].affine)
    with written(path) as file:
        image.to_stream(file)


def _header(path: Path) -> tuple[MGHHeader, tuple[str, ...]]:
    """The header, with the orientation that counts, and warnings."""
    with inflated_stream(path) as stream, damage_reported():
        head = stream.read(DATA_OFFSET)
    if len(head) < DATA_OFFSET or not FORMATS["mgh"].recognises(head):
        raise InputError("is not an MGH image, or its header is damaged")
    header = MGHHeader(head)
    shape = _shape(header)
    check_holds(path, DATA_OFFSET, int(np.prod(shape, dtype=object)) * np.dtype(TYPES[int(header["type"])]).itemsize)
    has_orientation = int.from_bytes(head[FLAG_AT : FLAG_AT + 2], "big") != 0
    return header, () if has_orientation else (NO_ORIENTATION,)


def _repetition_time(footer: bytes) -> float | None:
    """The time between frames in ms, which comes first after the voxels; None where the file ends with them."""
    found = float(np.frombuffer(footer, ">f4", 1)[0]) if len(footer) >= 4 else 0.0
    return found if np.isfinite(found) and found > 0 else None


def _shape(header: MGHHeader) -> tuple[int, ...]:
    """(I, J, K), or (I, J, K, T) of several frames."""
    i, j, k, frames = (int(n) for n in header["dims"])
    check_shape((i, j, k))
    if i * j * k * frames > MAX_VOXELS:
        raise InputError(f"header declares {i * j * k * frames} voxels in {frames} frames; the limit is {MAX_VOXELS}")
    return (i, j, k) if frames == 1 else (i, j, k, frames)
