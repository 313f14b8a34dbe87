"""Canaries: scans with a marker wherever a header can name a person, and a search for it in everything that comes out.

What stands in headers and what stands in paths is marked apart, since a path that the user typed may be shown to the
user again, while what a header says of a person may not.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from dicom_phantoms import SECRET, write_classic
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.datadict import DicomDictionary
from pydicom.sequence import Sequence

from medsr.volume import Volume

TEXT, DIGITS, DATE, TIME = SECRET, "77117711", "19020304", "235958"
IN_HEADERS = (TEXT, DIGITS, DATE, TIME)
IN_PATHS = "Pfadmarke"
FREE_TEXT = ("PN", "LO", "SH", "ST", "LT", "UT", "UC", "AE")
CODED = ("BodyPartExamined", "PatientSex", "ScanningSequence", "SequenceVariant", "ScanOptions", "Laterality")
NESTED = (
    *("RequestAttributesSequence", "OtherPatientIDsSequence", "ReferencedStudySequence", "ProcedureCodeSequence"),
    *(
        "ReferencedImageSequence",
        "SourceImageSequence",
        "ContributingEquipmentSequence",
        "ReferringPhysicianIdentificationSequence",
    ),
)
KEPT = ("SOPClassUID", "SpecificCharacterSet", "InstanceCreatorUID", "SynchronizationFrameOfReferenceUID")


def write_canaries(folder: Path, volume: Volume, **options: object) -> list[Path]:
    """A classic series of `volume` with a marker in every header field that can hold one, and in every name."""
    data = np.rint(volume.data).astype(np.int16)
    paths = write_classic(folder, data, volume.affine, prefix=f"{IN_PATHS}_slice", edit=planted, **options)  # type: ignore[arg-type]
    for path in paths:
        content = path.read_bytes()
        path.write_bytes((TEXT.encode() * 20)[:128] + content[128:])  # the preamble is free to applications
    return paths


def planted(dataset: Dataset, k: int) -> None:
    """Markers in everything that names, identifies, dates or describes, as the standard's dictionary lists it."""
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if tag >> 16 in (0x0000, 0x0002, 0x0004, 0xFFFE) or not keyword or keyword in KEPT:
            continue
        if vr in FREE_TEXT:
            dataset.add_new(tag, vr, TEXT)
        elif vr in ("DA", "DT", "TM"):
            dataset.add_new(tag, vr, {"DA": DATE, "DT": f"{DATE}{TIME}", "TM": TIME}[vr])
        elif vr == "UR":
            dataset.add_new(tag, vr, f"http://{TEXT}.example")
    for keyword in CODED:
        setattr(dataset, keyword, TEXT.upper())
    for keyword in NESTED:
        setattr(dataset, keyword, Sequence([_nested(k)]))
    for number, keyword in enumerate(("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")):
        setattr(dataset, keyword, f"1.2.3.{DIGITS}.{number}")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{DIGITS}.9.{k + 1}"
    dataset.PatientWeight, dataset.AccessionNumber = DIGITS, DIGITS
    block = dataset.private_block(0x0029, f"{TEXT} creator", create=True)
    block.add_new(1, "OB", f"{TEXT} {DATE}".encode())
    block.add_new(2, "LO", TEXT)
    dataset.file_meta.SourceApplicationEntityTitle = TEXT
    dataset.file_meta.PrivateInformationCreatorUID = f"1.2.3.{DIGITS}"
    dataset.file_meta.PrivateInformation = TEXT.encode()


def _nested(k: int) -> Dataset:
    item = Dataset()
    item.PatientName = item.PatientID = item.InstitutionName = item.CodeMeaning = TEXT
    item.ReferencedSOPInstanceUID = f"1.2.3.{DIGITS}.8.{k + 1}"
    item.ContributionDateTime = f"{DATE}{TIME}"
    return item


def write_nifti_canary(path: Path, volume: Volume) -> Path:
    """A NIfTI file with a marker in every text of its header, in extensions, in its sidecar and in its name."""
    data: NDArray[np.int16] = np.rint(volume.data).astype(np.int16)
    image = nib.Nifti1Image(data, volume.affine)
    for name in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[name] = TEXT.encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", f"{TEXT} born {DATE}".encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    facts = {"PatientName": TEXT, "PatientBirthDate": DATE, "SeriesInstanceUID": DIGITS, "AcquisitionTime": TIME}
    sidecar = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    sidecar.write_text(json.dumps({**facts, "SliceThickness": 4.0, "InstitutionName": TEXT, TEXT: TEXT}))
    return path


def singing(content: bytes, markers: tuple[str, ...]) -> list[str]:
    """The markers found in some bytes: in any case, in 8 and 16 bits a letter, and below compression."""
    found = set()
    for layer in _layers(content):
        lowered = layer.lower()
        for marker in markers:
            forms = (marker.lower().encode(), marker.lower().encode("utf-16-le"))
            if any(form in lowered for form in forms):
                found.add(marker)
    return sorted(found)


def _layers(content: bytes) -> Iterator[bytes]:
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from _layers(gzip.decompress(content))
    elif content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from _layers(archive.read(name))


def leaks(folder: Path, in_paths: tuple[str, ...] = (IN_PATHS,)) -> list[str]:
    """What of a folder of results holds a marker, in names or content; derived DICOM may, in its content."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found += [f"name {name}: {marker}" for marker in singing(name.encode(), (*IN_HEADERS, *in_paths))]
        if path.is_file():
            markers = in_paths if is_dicom(path) else (*IN_HEADERS, *in_paths)
            found += [f"{name}: {marker}" for marker in singing(path.read_bytes(), markers)]
    return found


def is_dicom(path: Path) -> bool:
    """Whether a file is a DICOM file that keeps its patient, as a derived one must."""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return False
    return str(dcmread(path, stop_before_pixels=True).PatientID) == TEXT
