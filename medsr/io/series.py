"""Which files form one DICOM series: a pass over the headers of a folder, no pixels read.

Only MR and CT images count as slices. What else lies in the folder is skipped and counted in the warnings; a folder
with several image series is refused, because choosing one is the user's decision.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from medsr.errors import GeometryError, InputError, MedsrError, ResourceError
from medsr.io import files

MAX_INFLATED_BYTES = 1 << 30  # a deflated file that unpacks to more is refused
MAX_LISTED = 8  # series named in one message
IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",  # CT Image
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",  # Enhanced CT Image
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",  # Legacy Converted Enhanced CT Image
    "1.2.840.10008.5.1.4.1.1.4": "MR",  # MR Image
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",  # Enhanced MR Image
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",  # Legacy Converted Enhanced MR Image
}
HEADER_TAGS: list[str] = [
    *("ImageType", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PixelSpacing"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "RescaleSlope", "RescaleIntercept"),
    *("ModalityLUTSequence", "AcquisitionContrast", "VolumeBasedCalculationTechnique", "GantryDetectorTilt"),
    *("EchoTime", "TemporalPositionIdentifier", "TriggerTime", "DiffusionBValue", "AcquisitionNumber"),
    *("AcquisitionTime", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
NEEDED_TAGS = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation")
_UID_LIKE = re.compile(r"[0-9]+(\.[0-9]+){4,}")


@dataclass(frozen=True)
class SliceFile:
    """One DICOM file with MR or CT slices.

    Attributes:
        path: where it lies.
        header: the tags of `HEADER_TAGS`.
        sha256: hash of the file's bytes.
    """

    path: Path
    header: Dataset
    sha256: str


@dataclass(frozen=True)
class Series:
    """The files of one series, by name, no file twice; warnings without names or UIDs."""

    files: tuple[SliceFile, ...]
    warnings: tuple[str, ...]


@dataclass
class _Found:
    """What the pass over a folder met: headers of slices, and counts of the rest."""

    slices: list[tuple[Path, Dataset]]
    others: Counter[str]
    bare: list[Path]
    n_foreign: int = 0


def find_series(path: Path) -> Series:
    """The one series of a folder, or the series that a file belongs to, among the files of its folder.

    Args:
        path: folder, not searched deeper, or any DICOM file of a series.

    Raises:
        InputError: no MR or CT slices, a slice without DICOM preamble, or a damaged header.
        GeometryError: several image series in the folder.
    """
    if path.is_dir():
        found = _scan(_listed(path))
        _refuse_bare(found.bare)
        if not found.slices:
            raise InputError(_nothing_found(found, path))
        chosen = _only_series(found.slices)
        return _series(chosen, _skipped(found))
    found = _scan([path])
    _refuse_bare(found.bare)
    if not found.slices:
        raise InputError(_nothing_found(found, path))
    uid = _series_uid(found.slices[0][1])
    found = _scan(_listed(path.parent))
    _refuse_bare([bare for bare in found.bare if _series_uid(read_header(bare, force=True)) == uid])
    return _series([(p, header) for p, header in found.slices if _series_uid(header) == uid], ())


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_file() and p.name.upper() != "DICOMDIR")
    except OSError as error:
        raise InputError(f"the folder can't be listed ({files.reason(error)}); check its permissions") from error


def _scan(paths: list[Path]) -> _Found:
    found = _Found([], Counter(), [])
    for path in paths:
        head = files.read_head(path)
        bare = not files.is_dicom(head) and files.is_bare_dicom(head)
        if not bare and not files.is_dicom(head):
            found.n_foreign += 1
            continue
        try:
            header = read_header(path, force=bare)
        except InputError:
            if not bare:
                raise
            found.n_foreign += 1
            continue
        if modality_of(header) is None:
            found.others[_kind(header)] += 1
        elif bare:
            found.bare.append(path)
        else:
            _check_whole(header, path.name)
            found.slices.append((path, header))
    return found


def _check_whole(header: Dataset, name: str) -> None:
    missing = [tag for tag in NEEDED_TAGS if not header.get(tag)]
    if missing:
        raise InputError(f"{name}: the header has no {' or '.join(missing)}; the file is truncated or damaged")


def _only_series(slices: list[tuple[Path, Dataset]]) -> list[tuple[Path, Dataset]]:
    by_uid: dict[str, list[tuple[Path, Dataset]]] = {}
    for path, header in slices:
        by_uid.setdefault(_series_uid(header), []).append((path, header))
    if len(by_uid) == 1:
        return slices
    listed = [_described(members) for members in list(by_uid.values())[:MAX_LISTED]]
    more = f", and {len(by_uid) - MAX_LISTED} more" if len(by_uid) > MAX_LISTED else ""
    raise GeometryError(
        f"{len(by_uid)} image series in one folder: {', '.join(listed)}{more}; "
        "point at one file of the wanted series instead of the folder"
    )


def _described(members: list[tuple[Path, Dataset]]) -> str:
    path, header = members[0]
    size = f"{header.Columns} x {header.Rows}"
    example = "" if _UID_LIKE.search(path.name) else f", such as {path.name}"
    return f"{modality_of(header)} {size} ({len(members)} file{'s' * (len(members) > 1)}{example})"


def _series(members: list[tuple[Path, Dataset]], skipped: tuple[str, ...]) -> Series:
    unique: dict[str, SliceFile] = {}
    for path, header in members:
        digest = files.sha256_file(path)
        unique.setdefault(digest, SliceFile(path, header, digest))
    n_copies = len(members) - len(unique)
    copies = (f"identical copies of files dropped: {n_copies}",) if n_copies else ()
    return Series(tuple(unique.values()), (*skipped, *copies))


def _skipped(found: _Found) -> tuple[str, ...]:
    said = []
    if found.n_foreign:
        said.append(f"files that are not DICOM skipped: {found.n_foreign}")
    if found.others:
        said.append(f"DICOM files without MR or CT slices skipped: {found.others.total()}")
    return tuple(said)


def _refuse_bare(bare: list[Path]) -> None:
    if bare:
        more = f" and {len(bare) - 1} more files look" if len(bare) > 1 else " looks"
        raise InputError(
            f"{bare[0].name}{more} like DICOM without the 128-byte preamble and file meta header; "
            "rewrite as DICOM Part 10 first, for example with dcmconv"
        )


def _nothing_found(found: _Found, path: Path) -> str:
    if found.others:
        kinds = ", ".join(f"{n} x {kind}" for kind, n in found.others.most_common(MAX_LISTED))
        return f"no MR or CT slices, but {kinds}; expected an MR or CT series"
    if not path.is_dir():
        return "not a DICOM file; expected any file of an MR or CT series"
    return (
        f"no DICOM file in this folder ({found.n_foreign} other files; folders inside it are not searched); "
        "point at the folder of one series or at a NIfTI file"
    )


def _series_uid(header: Dataset) -> str:
    return str(header.get("SeriesInstanceUID") or "")


def modality_of(header: Dataset) -> str | None:
    """MR or CT for an image of such a kind, else None. The Modality tag is believed before the SOP class."""
    kind = IMAGE_CLASSES.get(sop_class(header))
    if kind is None:
        return None
    modality = str(header.get("Modality") or kind)
    return modality if modality in ("MR", "CT") else None


def sop_class(header: Dataset) -> str:
    """SOP class of the data set, or of the file meta where the data set leaves it empty."""
    meta = getattr(header, "file_meta", Dataset())
    return str(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")


def _kind(header: Dataset) -> str:
    """What a file is, in words of the standard alone: nothing a user may have typed."""
    uid = UID(sop_class(header))
    name = uid.name if uid.name != uid else "private DICOM object"
    colour = "colour " if header.get("SamplesPerPixel", 1) not in (1, None) else ""
    modality = str(header.get("Modality") or "")
    return f"{colour}{name}" + (f" ({modality})" if re.fullmatch(r"[A-Z]{2,10}", modality) else "")


def read_header(path: Path, *, force: bool = False) -> Dataset:
    """The tags of `HEADER_TAGS` of one file.

    Raises:
        InputError: not DICOM, damaged, or inflating to more than `MAX_INFLATED_BYTES`.
    """
    with parsing(path), files.opened(path) as file:
        if not force:
            _check_inflated_size(file)
        header = dcmread(file, force=force, stop_before_pixels=True, specific_tags=HEADER_TAGS)
        modality_of(header)  # decodes the tags that every caller needs, so that damage shows here
        _kind(header)
        _series_uid(header)
        return header


def read_file(path: Path) -> Dataset:
    """The whole data set of one file, pixels still encoded.

    Raises:
        InputError: not DICOM, damaged, or inflating to more than `MAX_INFLATED_BYTES`.
    """
    with parsing(path), files.opened(path) as file:
        _check_inflated_size(file)
        return dcmread(file)


@contextmanager
def parsing(path: Path) -> Iterator[None]:
    """Let pydicom work on one file: its complaints become one `InputError`.

    Its warnings and log lines are silenced, since they may quote values of the header; what matters in them (truncated
    or too long pixel data, broken values) is checked by the readers.

    Raises:
        InputError: whatever pydicom or a codec raised.
        ResourceError: not enough memory.
    """
    logger = logging.getLogger("pydicom")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MedsrError:
        raise
    except MemoryError as error:
        raise ResourceError(f"{path.name}: not enough memory to read it; close other programs first") from error
    except zlib.error as error:
        raise InputError(f"{path.name}: deflated data are truncated or damaged; send the file again") from error
    except Exception as error:  # a damaged file makes pydicom and the codecs raise nearly anything
        raise InputError(f"{path.name}: damaged or unusual DICOM ({type(error).__name__}); send it again") from error
    finally:
        logger.disabled = was_disabled


def _check_inflated_size(file: BinaryIO) -> None:
    """Refuse a deflate bomb before pydicom inflates it in one piece; the file is back at its start afterwards."""
    n_bytes = os.fstat(file.fileno()).st_size
    if n_bytes * 1032 < MAX_INFLATED_BYTES:  # deflate can't pack more than 1032 bytes into one
        return
    read_preamble(file, force=False)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        inflate, n_inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while chunk := inflate.unconsumed_tail or file.read(1 << 16):
            n_inflated += len(inflate.decompress(chunk, 1 << 22))
            if n_inflated > MAX_INFLATED_BYTES:
                raise InputError(
                    f"deflated file inflates to more than {MAX_INFLATED_BYTES >> 20} MiB; inflate it first"
                )
    file.seek(0)
