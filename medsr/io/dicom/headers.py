"""DICOM headers read safely: pydicom at work, its complaints turned into one error, nothing of the patient let out."""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.config import IGNORE
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from medsr.errors import InputError, MedsrError, ResourceError
from medsr.io import files

MAX_INFLATED_BYTES = 1 << 29  # a deflated file that unpacks to more is refused
LEAST_ELEMENT = 8  # bytes of tag and length before the value of an element
_INFLATING = threading.Lock()  # threads inflate large files in turn, so that memory is that of one
UNKNOWN_KIND = "private DICOM object"
IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",  # CT Image
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",  # Enhanced CT Image
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",  # Legacy Converted Enhanced CT Image
    "1.2.840.10008.5.1.4.1.1.4": "MR",  # MR Image
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",  # Enhanced MR Image
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",  # Legacy Converted Enhanced MR Image
}
KIND_TAGS: list[str] = [  # enough to sort the files of a folder
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
]
HEADER_TAGS: list[str] = [  # enough to place every slice
    *KIND_TAGS,
    *("ImageType", "FrameOfReferenceUID", "NumberOfFrames", "PixelSpacing"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "RescaleSlope", "RescaleIntercept"),
    *("MRAcquisitionType", "AcquisitionMatrix", "AngioFlag", "SeriesDescription", "ProtocolName"),
    *("ScanOptions", "PercentSampling", "KSpaceFiltering", "ConvolutionKernel"),
    *("ModalityLUTSequence", "AcquisitionContrast", "VolumeBasedCalculationTechnique", "GantryDetectorTilt"),
    *("EchoTime", "TemporalPositionIdentifier", "TriggerTime", "DiffusionBValue", "DiffusionGradientOrientation"),
    *("AcquisitionNumber", "AcquisitionTime", "NumberOfTemporalPositions", "InstanceNumber"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]


def series_uid(header: Dataset) -> str:
    """SeriesInstanceUID, "" where it is missing or empty."""
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


def kind_of(header: Dataset) -> str:
    """What a file is, in words of the standard alone: nothing a user may have typed."""
    uid = UID(sop_class(header), validation_mode=IGNORE)
    name = uid.name if uid.name != uid else UNKNOWN_KIND
    colour = "colour " if header.get("SamplesPerPixel", 1) not in (1, None) else ""
    modality = str(header.get("Modality") or "")
    return f"{colour}{name}" + (f" ({modality})" if re.fullmatch(r"[A-Z]{2,10}", modality) else "")


def read_header(path: Path, tags: list[str] = HEADER_TAGS, *, force: bool = False) -> Dataset:
    """Those tags of one file, without pixels.

    Args:
        path: A DICOM file.
        tags: Keywords; those of `KIND_TAGS` at least.
        force: Read it even without preamble.

    Raises:
        InputError: not DICOM, damaged, or inflating to more than `MAX_INFLATED_BYTES`.
    """
    return read_header_and_rest(path, tags, force=force)[0]


def read_header_and_rest(path: Path, tags: list[str] = HEADER_TAGS, *, force: bool = False) -> tuple[Dataset, int]:
    """As `read_header`, and the number of bytes from the pixel data, their tag included, to the end of the file."""
    with parsing(path), files.opened(path) as file:
        inflates = not force and _check_inflated_size(file)
        with _INFLATING if inflates else nullcontext():
            header = dcmread(file, force=force, stop_before_pixels=True, specific_tags=tags)
        modality_of(header)  # pydicom decodes a tag when it is first asked for: damage shows here, not at the caller
        series_uid(header)
        if kind_of(header) == UNKNOWN_KIND and not header.get("SOPInstanceUID"):
            raise InputError(f"{path.name}: the header ends too early; the file is truncated or damaged")
        return header, os.fstat(file.fileno()).st_size - file.tell()


def pixels_are_cut(header: Dataset, rest: int) -> bool:
    """Whether a file is surely too short for its pixels, as its header alone can tell.

    Args:
        header: Header as `read_header_and_rest` gives it.
        rest: Number of bytes from the pixel data to the end of the file.
    """
    syntax = header.file_meta.get("TransferSyntaxUID")
    if not isinstance(syntax, UID) or syntax == DeflatedExplicitVRLittleEndian:
        return False
    if syntax.is_encapsulated:
        return rest <= LEAST_ELEMENT
    n_pixels = int(header.Rows) * int(header.Columns) * int(header.get("NumberOfFrames") or 1)
    return rest < LEAST_ELEMENT + n_pixels * int(header.BitsAllocated) // 8


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
    try:
        with _SILENCE:
            yield
    except MedsrError:
        raise
    except MemoryError as error:
        raise ResourceError(f"{path.name}: not enough memory to read it; close other programs first") from error
    except zlib.error as error:
        raise InputError(f"{path.name}: deflated data are truncated or damaged; send the file again") from error
    except Exception as error:  # a damaged file makes pydicom and the codecs raise nearly anything
        raise InputError(f"{path.name}: damaged or unusual DICOM ({type(error).__name__}); send it again") from error


class _Silence:
    """Warnings and pydicom's log off while any thread is inside: both are settings of the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._restore = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                logger = logging.getLogger("pydicom")
                self._restore.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                self._restore.callback(setattr, logger, "disabled", logger.disabled)
                logger.disabled = True
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._restore.close()


_SILENCE = _Silence()


def _check_inflated_size(file: BinaryIO) -> bool:
    """Refuse a deflate bomb before pydicom inflates it in one piece, and tell whether a large piece is to be expected.

    The file is back at its start afterwards.
    """
    n_bytes = os.fstat(file.fileno()).st_size
    if n_bytes * 1032 < MAX_INFLATED_BYTES:  # deflate can't pack more than 1032 bytes into one
        return False
    read_preamble(file, force=False)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    is_deflated = bool(meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)
    if is_deflated:
        inflate, n_inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while chunk := inflate.unconsumed_tail or file.read(1 << 16):
            n_inflated += len(inflate.decompress(chunk, 1 << 22))
            if n_inflated > MAX_INFLATED_BYTES:
                raise InputError(
                    f"deflated file inflates to more than {MAX_INFLATED_BYTES >> 20} MiB; inflate it first"
                )
    file.seek(0)
    return is_deflated
