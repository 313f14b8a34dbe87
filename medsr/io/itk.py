"""NRRD and MetaImage to and from `Volume`, by SimpleITK, which `pip install "medsr[formats]"` brings.

ITK's coordinates are LPS: the first two point to the left and to the back of the body. Here they turn to RAS.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.errors import InputError
from medsr.io import files
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.formats import FORMATS
from medsr.io.images import READABLE, stored_of, volumes_of
from medsr.io.outline import Outline
from medsr.io.streams import MAX_INFLATION, damage_reported
from medsr.volume import MAX_VOXELS, Source, Volume, check_shape

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MAX_HEADER_BYTES = 1 << 16
# Where a header names the file of its voxels; anything else than one name (LIST, patterns, LOCAL) is no such name.
NRRD_DATA = re.compile(rb"^data ?file: *([^\r\n]+?) *\r?$", re.MULTILINE | re.IGNORECASE)
IS_PACKED = re.compile(rb"^(encoding: *(gz|gzip)|CompressedData *= *true) *\r?$", re.MULTILINE | re.IGNORECASE)
IS_RAW = re.compile(rb"^(encoding: *raw|BinaryData *= *true) *\r?$", re.MULTILINE | re.IGNORECASE)
NRRD_END = re.compile(rb"\r?\n\r?\n")
META_DATA = re.compile(rb"^ElementDataFile *= *([^\r\n]+?) *\r?$", re.MULTILINE | re.IGNORECASE)
META_AXES = re.compile(rb"^NDims *= *[1-9] *\r?$", re.MULTILINE)
SEVERAL = re.compile(r"^LIST|%\d*d", re.IGNORECASE)
NO_SPACE = "the header doesn't say which way the axes point: left, back and up are taken for granted"


def read_nrrd(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """The volumes of an NRRD file in turn, one for each time point.

    Args:
        path: `.nrrd`, or `.nhdr` with its voxels in one other file.
        policies: What to do with voxels that are not a number.

    Raises:
        InputError: SimpleITK is missing; damaged, not 3D or 4D, several values a voxel, or voxels that are not finite.
        GeometryError: the affine is not that of a regular grid.
        ResourceError: not enough memory.
    """
    return _read(Path(path), "nrrd", policies)


def read_metaimage(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """The volumes of a MetaImage (`.mha`, or `.mhd` with its voxels in one other file) in turn; as `read_nrrd`."""
    return _read(Path(path), "metaimage", policies)


def outline_itk(path: Path) -> Outline:
    """The grid of an NRRD or MetaImage file from its header alone.

    Raises:
        InputError: as `read_nrrd`.
    """
    with files.naming(path), _errors_told():
        reader = _opened(path)
        i, j, k, *times = _shape(reader)
        return Outline((i, j, k), _affine(reader), times[0] if times else 1)


def write_itk(volumes: Sequence[Volume], path: Path | str, *, dtype: str | None = None) -> None:
    """Write one volume, or several of one grid as a 4D image, to one compressed file; all or nothing.

    Args:
        volumes: At least one, all of one shape and affine.
        path: Name of the file: `.nrrd` or `.mha`.
        dtype: Stored type, as for NIfTI.

    Raises:
        UsageError: no volume, different grids, or a type that can't hold the values.
        OutputError: the file can't be written.
    """
    path = Path(path)
    stored = stored_of(volumes, path, dtype)
    itk = _itk()
    frames = [image_of(itk, frame, volumes[0].affine) for frame in _frames(stored)]
    with tempfile.TemporaryDirectory() as folder, files.atomic(path) as file:
        made = Path(folder) / f"scan{path.suffix.lower()}"
        itk.WriteImage(frames[0] if len(frames) == 1 else itk.JoinSeries(frames), str(made), True)
        file.write(made.read_bytes())


def companions(path: Path) -> tuple[Path, ...]:
    """The file with the voxels of a header that names one; none of a file that holds its own.

    Raises:
        InputError: voxels in several files, or in one that is not there.
    """
    head = files.read_head(path, MAX_HEADER_BYTES)
    found = NRRD_DATA.search(head.partition(b"\n\n")[0]) if FORMATS["nrrd"].recognises(head) else META_DATA.search(head)
    if found is None or found[1].upper() == b"LOCAL":
        return ()
    name = found[1].decode(errors="replace")
    if SEVERAL.search(name):
        raise InputError("the voxels lie in several files; convert them to NIfTI, or to one file, with 3D Slicer")
    beside = path.parent / name
    if not name.isprintable() or not beside.is_file():  # the name is not quoted: it may be that of a patient
        raise InputError("the file with its voxels, which the header names, is not there; put it beside the header")
    return (beside,)


def _read(path: Path, name: str, policies: Policies) -> list[Volume]:
    with files.naming(path), _errors_told(), damage_reported():
        reader = _opened(path)
        shape, affine = _shape(reader), _affine(reader)
        said = () if name != "nrrd" or reader.HasMetaDataKey("NRRD_space") else (NO_SPACE,)
        _check_whole(path, int(np.prod(shape, dtype=object)) * _bytes_per_voxel(reader))
        stored = _itk().GetArrayFromImage(reader.Execute()).T
        if stored.dtype.name not in READABLE:
            raise InputError(f"voxels are {stored.dtype.name}; expected real numbers")
        source = Source(
            format=name,
            content_sha256=files.sha256_of_digests(map(files.sha256_file, (path, *companions(path)))),
            dtype=stored.dtype.name,
            warnings=said,
        )
        return volumes_of(path, stored.reshape(shape), affine, source, policies)


def _opened(path: Path) -> Any:
    """A reader that has read the header, of a file that holds its voxels or names the one that does."""
    companions(path)
    head = files.read_head(path, MAX_HEADER_BYTES)
    is_nrrd = FORMATS["nrrd"].recognises(head)
    if not is_nrrd and not META_AXES.search(head):  # ITK dies of any other number
        raise InputError("the header says no number of axes (NDims) from 1 to 9; it is damaged, so copy it again")
    itk = _itk()
    reader = itk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if is_nrrd else "MetaImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise InputError(f"{reader.GetNumberOfComponents()} values a voxel, such as colour or vectors; expected one")
    return reader


def _check_whole(path: Path, n_bytes: int) -> None:
    """Refuse an image whose voxels end too early: in NRRD, ITK would take what is missing for zeros.

    Raises:
        InputError: fewer than `n_bytes` of voxels.
        EOFError: a gzip stream that ends too early.
        zlib.error: a damaged one.
    """
    head, beside = files.read_head(path, MAX_HEADER_BYTES), companions(path)
    (voxels,) = beside or (path,)
    is_packed = IS_PACKED.search(head) is not None
    is_raw = IS_RAW.search(head) is not None and not is_packed  # else packed, or written out as text
    if n_bytes > voxels.stat().st_size * (1 if is_raw else MAX_INFLATION):
        raise InputError(
            f"header declares {n_bytes} bytes of voxels, but the file has {voxels.stat().st_size}; it is truncated or "
            "its header is damaged"
        )
    if not (FORMATS["nrrd"].recognises(head) and is_packed):
        return
    with files.opened(voxels) as file:
        blank = NRRD_END.search(head)
        file.seek(blank.end() if blank is not None and not beside else 0)
        left = n_bytes
        inflated = io.BufferedReader(files.Inflated(file), files.PACKED)
        while left > 0 and (n := len(inflated.read(min(left, files.CHUNK)))):
            left -= n
        inflated.read(1)  # one byte past the end makes gzip check its own sum
    if left > 0:
        raise InputError(f"the file is truncated: {n_bytes - left} of {n_bytes} bytes of voxels")


def _bytes_per_voxel(reader: Any) -> int:
    itk = _itk()
    one = itk.Image([1] * reader.GetDimension(), reader.GetPixelID())
    return int(itk.GetArrayViewFromImage(one).itemsize)


def _shape(reader: Any) -> tuple[int, ...]:
    """(I, J, K), or (I, J, K, T) of several time points."""
    shape = [int(n) for n in reader.GetSize()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) not in (3, 4):
        raise InputError(f"image has {len(shape)} axes {shape}; expected 3D, or 4D with time last")
    i, j, k = shape[:3]
    check_shape((i, j, k))
    if int(np.prod(shape, dtype=object)) > MAX_VOXELS:
        raise InputError(f"header declares {np.prod(shape, dtype=object)} voxels; the limit is {MAX_VOXELS}")
    return tuple(shape)


def _affine(reader: Any) -> NDArray[np.float64]:
    n = reader.GetDimension()
    directions = np.array(reader.GetDirection()).reshape(n, n)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(reader.GetSpacing())[:3]
    affine[:3, 3] = reader.GetOrigin()[:3]
    return np.asarray(LPS_TO_RAS @ affine)


def _frames(stored: NDArray[Any]) -> list[NDArray[Any]]:
    return [stored] if stored.ndim == 3 else [stored[..., t] for t in range(stored.shape[3])]


def image_of(itk: Any, data: NDArray[Any], affine: NDArray[np.float64]) -> Any:
    """A SimpleITK image of the module `itk` from voxels (I, J, K) and their affine (4, 4), voxel index to RAS+ mm."""
    image = itk.GetImageFromArray(np.ascontiguousarray(data.T))
    lps, spacing = LPS_TO_RAS @ affine, grids.spacing_mm(affine)
    image.SetSpacing([float(h) for h in spacing])
    image.SetOrigin([float(x) for x in lps[:3, 3]])
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def _itk() -> Any:
    FORMATS["nrrd"].check_installed()
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


@contextmanager
def _errors_told() -> Iterator[None]:
    """Turn an error of ITK, which has several lines and names places in its code, into one."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = lines[-1].rpartition("): ")[2]
        known = "" if cause.endswith("Success") else f" ({cause})"  # which is said of voxels that are too few
        raise InputError(f"the file is damaged or truncated{known}; copy or download it again") from error
