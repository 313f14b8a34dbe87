"""The DICOM files of a folder as they are sent: of which kinds, and whether they can go out as they lie on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.filereader import data_element_generator
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medsr.errors import InputError
from medsr.io import files
from medsr.io.dicom.headers import parsing
from medsr.io.dicom.network.association import Kind

MAX_KINDS = 128  # that one association can negotiate (PS3.8, 9.3.2.2)
CONVERTIBLE = (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)  # to implicit VR, without a change of a value
NEEDED_META = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
SOP_CLASS, SOP_INSTANCE = 0x00080016, 0x00080018
LONG_VALUE = 1024  # bytes; longer values are skipped while a file is looked at
UNDEFINED_LENGTH = 0xFFFFFFFF  # of a value that ends with a delimiter, without which pydicom does not read it


@dataclass(frozen=True)
class Instance:
    """One file to send.

    Attributes:
        number: Number of the file, from 1, in the order of names.
        path: Place of the file.
        kind: Its SOP class and transfer syntax.
        uid: Its SOP instance.
        whole: Whether it can go out byte for byte: meta header and data set agree, and its length is even.
    """

    number: int
    path: Path
    kind: Kind
    uid: UID
    whole: bool

    @property
    def converted(self) -> Kind | None:
        """The kind it can be turned into for an archive that takes nothing else."""
        return (self.kind[0], ImplicitVRLittleEndian) if self.kind[1] in CONVERTIBLE else None

    def decoded(self) -> Dataset:
        """The data set, made ready to be encoded anew: with its SOP class and UID, and pixels of even length.

        Raises:
            InputError: damaged.
        """
        with parsing(self.path):
            dataset = dcmread(self.path)
            dataset.SOPClassUID, dataset.SOPInstanceUID = self.kind[0], self.uid  # some leave them to the meta header
            if len(dataset.get("PixelData") or b"") % 2:
                dataset["PixelData"].value += b"\0"
            return dataset


def instances_of(path: Path) -> list[Instance]:
    """Every DICOM file below a folder, or one file; other files, hidden ones and DICOMDIR are left out.

    Raises:
        InputError: no DICOM file, one that is damaged or without meta header, or too many kinds.
    """
    listed = _listed(path)
    found: list[Instance] = []
    for file in listed:
        head = files.read_head(file)
        if files.is_dicom(head):
            found.append(_instance(len(found) + 1, file))
        elif files.is_bare_dicom(head):
            raise InputError(f"{file}: looks like DICOM without its file meta header; rewrite it with dcmconv first")
    if not found:
        what = "not a DICOM file" if path.is_file() else f"no DICOM file in this folder ({len(listed)} other files)"
        raise InputError(f"{path}: {what}; point at the folder of a series")
    n_kinds = len(kinds_of(found))
    if n_kinds > MAX_KINDS:
        raise InputError(f"{path}: {n_kinds} kinds of DICOM files, at most {MAX_KINDS}; send its folders one by one")
    return found


def kinds_of(instances: Sequence[Instance]) -> list[Kind]:
    """The kinds to offer for some instances, those they can be turned into included."""
    return sorted({kind for i in instances for kind in (i.kind, i.converted) if kind is not None})


def _listed(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; point at the folder of a series")
    inside = sorted(p for p in path.rglob("*") if p.is_file() and p.name.upper() != "DICOMDIR")
    return [p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts)]


def _instance(number: int, path: Path) -> Instance:
    from pynetdicom.dsutils import split_dataset

    with parsing(path):
        meta, start = split_dataset(path)
        missing = [name for name in NEEDED_META if not meta.get(name)]
        if missing:
            raise InputError(f"{path}: its file meta header lacks {', '.join(missing)}; rewrite it with dcmconv first")
        sop_class, uid, syntax = (UID(meta[name].value) for name in NEEDED_META)
        if syntax == DeflatedExplicitVRLittleEndian:
            return Instance(number, path, (sop_class, syntax), uid, whole=True)
        inner_class, inner_uid = _uids(path, start, syntax)
        same = (inner_class, inner_uid) == (sop_class, uid)
        even = (path.stat().st_size - start) % 2 == 0  # the protocol knows no others
        return Instance(number, path, (inner_class or sop_class, syntax), inner_uid or uid, whole=same and even)


def _uids(path: Path, start: int, syntax: UID) -> tuple[UID, UID]:
    """SOP class and instance in the data set that begins at byte `start`; "" where there is none.

    Raises:
        InputError: the last value ends behind the end of the file. Archives answer such a file late or not at all.
    """
    found, end = {SOP_CLASS: "", SOP_INSTANCE: ""}, start
    with path.open("rb") as file:
        file.seek(start)
        for element in data_element_generator(
            file, syntax.is_implicit_VR, syntax.is_little_endian, defer_size=LONG_VALUE
        ):
            if not isinstance(element, RawDataElement):
                continue
            if element.tag in found and element.value:
                found[int(element.tag)] = element.value.decode("ascii").strip("\0 ")
            if element.length != UNDEFINED_LENGTH:
                end = max(end, element.value_tell + element.length)
    if end > path.stat().st_size:
        raise InputError(f"{path}: is cut short by {end - path.stat().st_size} bytes; copy or export it again")
    return UID(found[SOP_CLASS]), UID(found[SOP_INSTANCE])
