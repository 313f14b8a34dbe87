"""DICOM headers read safely: pydicom at work, its complaints turned into one error, nothing of the patient let out."""

from __future__ import annotations

import logging
import os
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.config import IGNORE
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from medsr.errors import InputError, MedsrError, ResourceError
from medsr.io import files

MAX_INFLATED_BYTES = 1 << 30  # a deflated file that unpacks to more is refused
UNKNOWN_KIND = "private DICOM object"
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


def read_header(path: Path, *, force: bool = False) -> Dataset:
    """The tags of `HEADER_TAGS` of one file.

    Raises:
        InputError: not DICOM, damaged, or inflating to more than `MAX_INFLATED_BYTES`.
    """
    with parsing(path), files.opened(path) as file:
        if not force:
            _check_inflated_size(file)
        header = dcmread(file, force=force, stop_before_pixels=True, specific_tags=HEADER_TAGS)
        modality_of(header)  # pydicom decodes a tag when it is first asked for: damage shows here, not at the caller
        series_uid(header)
        if kind_of(header) == UNKNOWN_KIND and not header.get("SOPInstanceUID"):
            raise InputError(f"{path.name}: the header ends too early; the file is truncated or damaged")
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
