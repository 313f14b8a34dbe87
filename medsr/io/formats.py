"""The table of file formats: one row per format, and every question about names and contents that a row answers.

To add a format, write a module that reads it and add a row and its name here. `napari.yaml`, which napari reads without
running any code, lists the suffixes a second time; a test compares the two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from medsr.errors import InputError, UsageError
from medsr.io import files

if TYPE_CHECKING:
    from medsr.io.dicom.options import Policies
    from medsr.io.outline import Outline
    from medsr.volume import Volume

WRITABLE = ("uint8", "int16", "uint16", "int32", "float32")
FormatName = Literal["nifti", "dicom", "mgh", "minc", "nrrd", "metaimage"]


CONVERTERS = {
    ".img": "the voxels of an Analyze image or a NIfTI pair; name the .hdr beside it",
    ".raw": "voxels without a header; name the .mhd or .nhdr beside it",
    ".zraw": "voxels without a header; name the .mhd beside it",
    ".par": "the header of a Philips PAR/REC image; convert it to NIfTI with dcm2niix",
    ".rec": "the voxels of a Philips PAR/REC image; convert it to NIfTI with dcm2niix",
}
"""Formats that are not read, by suffix: what they are and what converts them."""


@dataclass(frozen=True)
class Format:
    """One file format. Functions are named as "module:function" and imported on first use.

    Attributes:
        name: Name in options, recipes and records.
        title: Name in messages.
        suffixes: Endings of file names in lower case; new files get the first one.
        headers: Endings of headers whose voxels lie in a file of their own, which are read and not written.
        is_series: Whether a scan is a series of files in a folder, not one file.
        recognises: Whether a file that begins with these bytes is of this format.
        near_miss: Why a file that begins with these bytes is not quite of this format, and what to do; "" for others.
        reader: Path and `Policies` to a list of `Volume`.
        writer: Volumes, path and voxel type (keyword `dtype`) to a file; None: not written, or not without a source.
        outliner: Path to `Outline`, from the header alone; None for a series, whose headers are sorted together.
        help: Phrase for what is read, as a help line says it.
        companions: Path of a header to the files beside it that belong to it; None: every file is whole.
        needs: Module that reads and writes it and comes with the extra `medsr[formats]`; "": none.
        dtypes: Voxel types that it is written in.
    """

    name: FormatName
    title: str
    suffixes: tuple[str, ...]
    is_series: bool
    recognises: Callable[[bytes], bool]
    near_miss: Callable[[bytes], str]
    reader: str
    writer: str | None
    outliner: str | None
    help: str
    headers: tuple[str, ...] = ()
    companions: str | None = None
    needs: str = ""
    dtypes: tuple[str, ...] = WRITABLE

    def check_installed(self) -> None:
        """Nothing where what the format needs is installed.

        Raises:
            InputError: it is not.
        """
        if self.needs and find_spec(self.needs) is None:
            raise InputError(
                f'{self.title} needs {self.needs}: pip install "medsr[formats]", or convert the scan to NIfTI'
            )

    def read(self, path: Path, policies: Policies) -> list[Volume]:
        """Every volume of a path; `policies` say what to do where it is not regular."""
        volumes: list[Volume] = _code(self.reader)(path, policies)
        return volumes

    def write(self, volumes: Sequence[Volume], path: Path, dtype: str | None) -> None:
        """Write volumes of one grid to a file; all or nothing.

        Raises:
            UsageError: the format is not written.
        """
        if self.writer is None:
            raise UsageError(f"{path}: {self.title} is not written; end the name in {endings()}")
        _code(self.writer)(volumes, path, dtype=dtype)

    def outline(self, path: Path) -> Outline:
        """The grid of a file from its header alone.

        Raises:
            InputError: a series, which has no header of its own.
        """
        if self.outliner is None:
            raise InputError(f"{path}: holds {self.title}; expected a file with a single header")
        outline: Outline = _code(self.outliner)(path)
        return outline

    def files_of(self, path: Path) -> tuple[Path, ...]:
        """A file and those beside it that belong to it.

        Raises:
            InputError: one of them is missing.
        """
        return (path,) if self.companions is None else (path, *_code(self.companions)(path))

    def suffix_of(self, name: str) -> str:
        """The suffix that a file name ends in, in lower case; "" for none of these."""
        return next((suffix for suffix in (*self.suffixes, *self.headers) if name.lower().endswith(suffix)), "")

    def writes(self, name: str) -> bool:
        """Whether a file of that name is written in this format."""
        return self.writer is not None and name.lower().endswith(self.suffixes)


def _code(place: str) -> Callable[..., Any]:
    module, _, function = place.partition(":")
    code: Callable[..., Any] = getattr(import_module(module), function)
    return code


def _dicom_near_miss(head: bytes) -> str:
    if not files.is_bare_dicom(head):
        return ""
    return (
        "looks like DICOM without the 128-byte preamble and file meta header; rewrite it as a DICOM Part 10 file first"
    )


def _is_nifti(head: bytes) -> bool:
    return files.nifti_version(files.inflated(head)) > 0


def _nifti_near_miss(head: bytes) -> str:
    inner = files.inflated(head)
    if 348 in (int.from_bytes(inner[:4], "little"), int.from_bytes(inner[:4], "big")):
        return "an Analyze header, which doesn't say left from right, or a damaged NIfTI header; convert it to NIfTI"
    return ""


def _is_mgh(head: bytes) -> bool:
    """Version 1, four sizes and a known type, as big-endian words (FreeSurfer wiki, FsTutorial/MghFormat)."""
    inner = files.inflated(head)
    version, *sizes, kind = struct.unpack_from(">6i", inner.ljust(24, b"\0"))
    return version == 1 and kind in (0, 1, 3, 4, 10) and all(0 < n < 1 << 20 for n in sizes)


def _is_minc(head: bytes) -> bool:
    """A file of netCDF in its classic format, with offsets of 32 or 64 bits."""
    return files.inflated(head)[:4] in (b"CDF\x01", b"CDF\x02")


def _minc_near_miss(head: bytes) -> str:
    if not files.inflated(head).startswith(b"\x89HDF\r\n\x1a\n"):
        return ""
    return (
        "an HDF5 file, which medsr doesn't read; a MINC 2 image becomes NIfTI with mnc2nii, or MINC 1 with mincconvert"
    )


def _is_nrrd(head: bytes) -> bool:
    return head.startswith(b"NRRD000")


def _is_metaimage(head: bytes) -> bool:
    """A text header that declares the type of an element."""
    first = head.lstrip().partition(b"=")[0].strip()
    return first in (b"ObjectType", b"NDims", b"Comment") and b"ElementType" in head


def _none_near(head: bytes) -> str:
    return ""


def table(rows: Iterable[Format]) -> Mapping[FormatName, Format]:
    """The rows by name.

    Raises:
        TypeError: a name without a row or with two, a suffix of two formats, or a row that contradicts itself.
    """
    rows = tuple(rows)
    names = [row.name for row in rows]
    suffixes = [suffix for row in rows for suffix in (*row.suffixes, *row.headers)]
    if sorted(names) != sorted(get_args(FormatName)):
        raise TypeError(f"rows for {', '.join(names)}; expected one for each of {', '.join(get_args(FormatName))}")
    if len(set(suffixes)) < len(suffixes) or any(one[0] != "." or one != one.lower() for one in suffixes):
        raise TypeError(f"suffixes {', '.join(suffixes)}; expected distinct ones in lower case that begin with a dot")
    for row in rows:
        if not row.suffixes or row.is_series == (row.outliner is not None):
            raise TypeError(f"{row.name}: expected a suffix, and an outliner unless it is a series")
    return {row.name: row for row in rows}


FORMATS = table(
    [
        Format(
            name="dicom",
            title="DICOM",
            suffixes=(".dcm", ".dicom", ".ima"),
            is_series=True,
            recognises=files.is_dicom,
            near_miss=_dicom_near_miss,
            reader="medsr.io.dicom.reading:read_dicom",
            writer=None,
            outliner=None,
            help="DICOM folder or any file of a series",
        ),
        Format(
            name="nifti",
            title="NIfTI",
            suffixes=(".nii.gz", ".nii"),
            is_series=False,
            recognises=_is_nifti,
            near_miss=_nifti_near_miss,
            reader="medsr.io.nifti:read_nifti",
            writer="medsr.io.nifti:write_nifti",
            outliner="medsr.io.nifti:outline_nifti",
            help="NIfTI file",
            headers=(".hdr",),
            companions="medsr.io.nifti:companions",
        ),
        Format(
            name="mgh",
            title="FreeSurfer",
            suffixes=(".mgz", ".mgh"),
            is_series=False,
            recognises=_is_mgh,
            near_miss=_none_near,
            reader="medsr.io.mgh:read_mgh",
            writer="medsr.io.mgh:write_mgh",
            outliner="medsr.io.mgh:outline_mgh",
            help="FreeSurfer file",
            dtypes=("uint8", "int16", "int32", "float32"),  # FreeSurfer itself reads no uint16
        ),
        Format(
            name="minc",
            title="MINC",
            suffixes=(".mnc", ".mnc.gz"),
            is_series=False,
            recognises=_is_minc,
            near_miss=_minc_near_miss,
            reader="medsr.io.minc:read_minc",
            writer=None,
            outliner="medsr.io.minc:outline_minc",
            help="MINC 1 file",
        ),
        Format(
            name="nrrd",
            title="NRRD",
            suffixes=(".nrrd",),
            is_series=False,
            recognises=_is_nrrd,
            near_miss=_none_near,
            reader="medsr.io.itk:read_nrrd",
            writer="medsr.io.itk:write_itk",
            outliner="medsr.io.itk:outline_itk",
            help="NRRD file",
            headers=(".nhdr",),
            companions="medsr.io.itk:companions",
            needs="SimpleITK",
        ),
        Format(
            name="metaimage",
            title="MetaImage",
            suffixes=(".mha",),
            is_series=False,
            recognises=_is_metaimage,
            near_miss=_none_near,
            reader="medsr.io.itk:read_metaimage",
            writer="medsr.io.itk:write_itk",
            outliner="medsr.io.itk:outline_itk",
            help="MetaImage file",
            headers=(".mhd",),
            companions="medsr.io.itk:companions",
            needs="SimpleITK",
        ),
    ]
)
"""Every format, in the order in which contents are compared with them."""


def by_content(path: Path) -> Format:
    """The format of a file from its first bytes, never from its name; a folder counts as a DICOM series.

    Raises:
        InputError: missing, unreadable, empty, or of no known format.
    """
    try:
        if path.is_dir():
            return FORMATS["dicom"]
    except OSError as error:
        raise InputError(f"{path}: can't be opened ({files.reason(error)}); check the path") from error
    head = files.read_head(path)
    for known in FORMATS.values():
        if known.recognises(head):
            return known
    raise InputError(f"{path}: {_what_else(head, path.suffix.lower())}")


def recognised(path: Path) -> Format | str:
    """The format of a file by its first bytes, or why it is no scan, without its path."""
    try:
        return by_content(path)
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")


def _what_else(head: bytes, suffix: str) -> str:
    if not head:
        return f"the file is empty; expected {titles()}"
    near = next(filter(None, (known.near_miss(head) for known in FORMATS.values())), "")
    return near or CONVERTERS.get(suffix) or f"not a scan that medsr can read; expected {titles()}"


def by_name(name: str) -> Format | None:
    """The format whose suffix a file name ends in, in capitals too; None where it is that of no format."""
    return next((known for known in FORMATS.values() if known.suffix_of(name)), None)


def is_one_file(name: str) -> bool:
    """Whether a name is that of a scan in one file; others name a folder or one file of a series."""
    known = by_name(name)
    return known is not None and not known.is_series


def stem(name: str) -> str:
    """A file name without the suffix of its format: "scan" for "scan.nii.gz"; other names are returned as they are."""
    known = by_name(name)
    return name if known is None else name[: -len(known.suffix_of(name))]


def suffix_for(source: str, chosen: FormatName | None = None) -> str:
    """The suffix of a result that nobody named.

    Args:
        source: Name of the input.
        chosen: Format that was asked for; None: that of the input where it can be written in one file, else NIfTI.

    Returns:
        The suffix of the input where it is of that format, else the format's first one; "" for a series.
    """
    own = by_name(source)
    known = FORMATS[chosen] if chosen else own if own is not None and own.writer else FORMATS["nifti"]
    own_suffix = known.suffix_of(source)
    return "" if known.is_series else own_suffix if own_suffix in known.suffixes else known.suffixes[0]


def titles() -> str:
    """Every format for messages: "NIfTI, DICOM or NRRD"."""
    *others, last = (FORMATS[name].title for name in get_args(FormatName))
    return f"{', '.join(others)} or {last}"


def endings(*chosen: Format) -> str:
    """The suffixes of some formats, or else of all that a result can be written in, for messages: ".nii or .nii.gz"."""
    rows = chosen or tuple(known for known in FORMATS.values() if known.writer)
    *others, last = sorted(suffix for known in rows for suffix in known.suffixes)
    return f"{', '.join(others)} or {last}" if others else last


def readable() -> str:
    """What can be read, for help lines: "NIfTI file, DICOM folder or any file of a series"."""
    return ", ".join(FORMATS[name].help for name in get_args(FormatName))
