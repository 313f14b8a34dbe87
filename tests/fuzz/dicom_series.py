"""Sound DICOM series of every common encoding, as bytes, and where their elements lie."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random

import gdcm
import numpy as np
from dicom_phantoms import SECRET, write_classic, write_enhanced
from phantoms import affine
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

GDCM_SYNTAXES = {
    JPEGLosslessSV1: "JPEGLosslessProcess14_1",
    JPEGLossless: "JPEGLosslessProcess14",
    JPEGBaseline8Bit: "JPEGBaselineProcess1",
}
LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


@dataclass(frozen=True)
class Series:
    """A sound series as bytes, and how its elements are encoded."""

    name: str
    files: tuple[bytes, ...]
    implicit: bool = False
    big: bool = False
    deflated: bool = False


@dataclass(frozen=True)
class Element:
    """Where one top-level element lies."""

    tag: int
    vr: bytes
    start: int
    value: int
    end: int


@cache
def sound_series() -> tuple[Series, ...]:
    """One series per encoding, of four slices of 36 x 40 voxels."""
    data = Random("voxels").randbytes(2 * 36 * 40 * 4)
    voxels = (np.frombuffer(data, np.int16).reshape(36, 40, 4) >> 4).copy()
    place = affine((1.0, 1.0, 4.0), turn_deg=(10, 20, 30))
    plain = {"little": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian, "big": ExplicitVRBigEndian}
    packed = {"deflated": DeflatedExplicitVRLittleEndian, "rle": RLELossless, "j2k": JPEG2000Lossless}
    made = []
    with tempfile.TemporaryDirectory() as name:
        for what, syntax in (plain | packed | {"jpegls": JPEGLSLossless}).items():
            paths = write_classic(Path(name) / what, voxels, place, syntax=syntax, edit=_more_elements)
            files = tuple(path.read_bytes() for path in paths)
            made.append(Series(what, files, what == "implicit", what == "big", what == "deflated"))
        made.append(Series("jpegll", packed_by_gdcm(Path(name) / "little", JPEGLosslessSV1)))
        ct = write_classic(Path(name) / "ct", voxels, place, modality="CT", edit=_rescaled)
        made.append(Series("ct", tuple(path.read_bytes() for path in ct)))
        enhanced = write_enhanced(Path(name) / "enhanced.dcm", voxels, place)
        made += [Series("enhanced", (enhanced.read_bytes(),))] * 2  # as likely as two others: it has more to break
    return tuple(made)


def packed_by_gdcm(folder: Path, syntax: UID) -> tuple[bytes, ...]:
    """A series in an encoding of `GDCM_SYNTAXES`: pydicom can't write them, and GDCM alone decodes them."""
    files = []
    for path in sorted(folder.iterdir()):
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(path))
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, GDCM_SYNTAXES[syntax])))
        writer.SetFileName(f"{path}.gdcm")
        assert reader.Read()
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        dataset = dcmread(path)
        dataset["PixelData"] = dcmread(f"{path}.gdcm")["PixelData"]  # its other elements are new in every run
        dataset.file_meta.TransferSyntaxUID = syntax
        packed = BytesIO()
        dataset.save_as(packed, enforce_file_format=True)
        files.append(packed.getvalue())
        Path(f"{path}.gdcm").unlink()
    return tuple(files)


def _more_elements(dataset: Dataset, k: int) -> None:
    item, inner = Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", SECRET
    item.PurposeOfReferenceCodeSequence = Sequence([inner])
    dataset.SourceImageSequence = Sequence([item, item])
    dataset.private_block(0x0019, SECRET, create=True).add_new(1, "OB", SECRET.encode() * 3)
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.EchoTime = "1.5", "-3", "30"
    dataset.FrameOfReferenceUID, dataset.AcquisitionTime = "1.2.3", "120000"


def _rescaled(dataset: Dataset, k: int) -> None:
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "-1024", "HU"


def elements(content: bytes, series: Series) -> list[Element]:
    """The top-level elements of a sound file, meta header included; of a damaged one as far as they can be followed."""
    found, at = [], 132
    while at + 8 <= len(content):
        meta = content[at : at + 2] == b"\x02\x00"
        order = ">" if series.big and not meta else "<"
        group, number = struct.unpack(f"{order}HH", content[at : at + 4])
        vr = b"" if series.implicit and not meta else content[at + 4 : at + 6]
        wide = vr in LONG_VRS or not vr
        value = at + (12 if vr in LONG_VRS else 8)
        field = content[value - 4 : value] if wide else content[value - 2 : value]
        length = int.from_bytes(field, "big" if order == ">" else "little")
        end = len(content) if length == 0xFFFFFFFF else value + length
        if end > len(content):
            break
        found.append(Element(group << 16 | number, vr, at, value, end))
        at = end
    return found


def encoded(tag: int, vr: bytes, value: bytes, series: Series, length: int | None = None) -> bytes:
    """An element as bytes, with a length that need not be true."""
    big = series.big and tag >> 16 != 2
    order = ">" if big else "<"
    length = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if series.implicit and tag >> 16 != 2:
        return head + struct.pack("<I", length & 0xFFFFFFFF) + value
    if vr in LONG_VRS:
        return head + vr + b"\0\0" + struct.pack(f"{order}I", length & 0xFFFFFFFF) + value
    return head + vr + struct.pack(f"{order}H", length & 0xFFFF) + value
