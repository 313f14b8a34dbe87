"""Coded words and references to source images, as sequence items of a derived image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes

from medsr.errors import InputError
from medsr.io.dicom.headers import parsing, read_header, sop_class
from medsr.io.dicom.stack import Stack


def source_references(stack: Stack) -> Iterator[Dataset]:
    """One item of SourceImageSequence per source file; of a multi-frame file that was used in part, with the frames.

    Raises:
        InputError: a source file is gone, damaged or has no UID.
    """
    used: dict[Any, list[int]] = {}
    for frame in stack.frames:
        used.setdefault(frame.path, []).append(frame.index + 1)
    for path, numbers in used.items():
        header = read_header(path)
        with parsing(path):
            uid = header.get("SOPInstanceUID") or header.file_meta.get("MediaStorageSOPInstanceUID")
            n_frames = int(header.get("NumberOfFrames") or 1)
        if not uid:
            raise InputError(f"{path.name}: no SOP instance UID, so that nothing can refer to it; send the file again")
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class(header), uid
        if n_frames > len(numbers):
            item.ReferencedFrameNumber = sorted(numbers)
        item.SpatialLocationsPreserved = "NO"  # another grid in the same place
        item.PurposeOfReferenceCodeSequence = Sequence([code_item(codes.DCM.SourceImageForImageProcessingOperation)])
        yield item


def code_item(code: Any) -> Dataset:
    """The item of a code sequence for a code of `pydicom.sr.codedict`."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
