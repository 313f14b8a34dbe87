"""A derived series to the bytes of its files."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import cast

import numpy as np
from pydicom import Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

import medsr
from medsr.errors import UsageError
from medsr.io.dicom.derived import DerivedSeries, slice_order, slices
from medsr.io.dicom.headers import parsing
from medsr.io.dicom.options import Compression
from medsr.io.dicom.uids import IMPLEMENTATION_CLASS_UID

SYNTAXES: dict[Compression, UID] = {
    "none": ExplicitVRLittleEndian,
    "j2k": JPEG2000Lossless,
    "rle": RLELossless,
    "jpegls": JPEGLSLossless,
}
MIN_J2K_PIXELS = 32  # the encoder halves an image five times
IMPLEMENTATION_VERSION_NAME = f"MEDSR_{medsr.__version__}"[:16]


def encoded(series: DerivedSeries) -> Iterator[bytes]:
    """The files of a series, slice after slice in the order of their instance numbers.

    Raises:
        InputError: a source file is gone or damaged.
        UsageError: slices too small for JPEG 2000.
    """
    columns, rows, _ = series.volume.shape
    if series.options.compress == "j2k" and min(columns, rows) < MIN_J2K_PIXELS:
        raise UsageError(
            f"slices of {columns} x {rows} pixels are too small for JPEG 2000, which needs {MIN_J2K_PIXELS} a side; "
            "choose --compress rle"
        )
    sources = _encoded_sources(series)
    places, headers = slice_order(series), slices(series)
    for k in places:
        with parsing(series.stack.frames[0].path):
            dataset = next(headers)
            _set_pixels(dataset, series, k)
            dataset[sources.tag] = sources
            words = dataset.get("SpecificCharacterSet")
            character_set = convert_encodings(words) if words else default_encoding
            dataset.set_original_encoding(False, True, character_set)  # so that pydicom writes raw elements as they are
            file = BytesIO()
            dataset.save_as(file, enforce_file_format=True, implicit_vr=False, little_endian=True)
        yield file.getvalue()


def _encoded_sources(series: DerivedSeries) -> RawDataElement:
    """SourceImageSequence encoded once for all: hundreds of slices refer to the same hundreds of sources."""
    dataset = Dataset()
    dataset.SourceImageSequence = Sequence(list(series.references))
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = False, True
    write_dataset(file, dataset)
    encoded = read_dataset(BytesIO(file.getvalue()), is_implicit_VR=False, is_little_endian=True)
    return cast(RawDataElement, encoded.get_item("SourceImageSequence"))


def _set_pixels(dataset: Dataset, series: DerivedSeries, k: int) -> None:
    numbers = np.ascontiguousarray(series.stored.numbers[:, :, k].T)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    dataset.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.PixelData = numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()
    dataset[Tag("PixelData")].VR = "OW"
    if series.options.compress != "none":
        dataset.compress(SYNTAXES[series.options.compress], generate_instance_uid=False)
