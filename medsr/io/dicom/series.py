"""Which files form one DICOM series: a pass over the headers of a folder.

Pixels are read only of files that say that they are one instance, to tell copies from contradictions.

Only MR and CT images count as slices. What else lies in the folder is skipped and counted in the warnings; a folder
with several image series is refused, because choosing one is the user's decision.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from medsr.errors import GeometryError, InputError
from medsr.io import files
from medsr.io.dicom.copies import hold_the_same
from medsr.io.dicom.headers import KIND_TAGS, kind_of, modality_of, parsing, read_header, series_uid
from medsr.io.folders import tree
from medsr.io.formats import FORMATS

MAX_LISTED = 8  # series named in one message
NEEDED_TAGS = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation")
SHORTEST_BYTES = 132  # preamble and prefix (PS3.10, 7.1)
_UID_LIKE = re.compile(r"[0-9]+(\.[0-9]+){4,}")


@dataclass(frozen=True)
class SliceFile:
    """One DICOM file with MR or CT slices.

    Attributes:
        path: Place of the file.
        header: The tags of `headers.HEADER_TAGS`.
        sha256: Hash of the file's bytes.
    """

    path: Path
    header: Dataset
    sha256: str


@dataclass(frozen=True)
class Series:
    """The files of one series, by name, no slice of one instance twice; warnings without names or UIDs."""

    files: tuple[SliceFile, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Slices:
    """What is kept of a file with slices until its series is chosen."""

    path: Path
    uid: str
    described: str


@dataclass
class _Found:
    """What the pass over a folder met: files with slices, and counts of the rest."""

    slices: list[_Slices]
    others: Counter[str]
    bare: list[Path]
    n_foreign: int = 0


def find_series(path: Path) -> Series:
    """The one series of a folder, or the series that a file belongs to, among the files of its folder.

    Args:
        path: Folder, or any DICOM file of a series. Folders below are searched only for what would be passed over.

    Raises:
        InputError: no MR or CT slices, a slice without DICOM preamble, or a damaged header.
        GeometryError: several image series in the folder, or more slices of the series in folders below.
    """
    if path.is_dir():
        found = _scan(_listed(path))
        _refuse_bare(found.bare)
        if not found.slices:
            raise InputError(_nothing_found(found, path))
        chosen = _only_series(found.slices)
        return _series(chosen, (*_skipped(found), *_below(path, chosen[0].uid)))
    found = _scan([path])
    _refuse_bare(found.bare)
    if not found.slices:
        raise InputError(_nothing_found(found, path))
    uid = found.slices[0].uid
    found = _scan(_listed(path.parent))
    _refuse_bare([bare for bare in found.bare if series_uid(read_header(bare, KIND_TAGS, force=True)) == uid])
    return _series([member for member in found.slices if member.uid == uid], ())


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_file() and p.name.upper() != "DICOMDIR")
    except OSError as error:
        raise InputError(f"the folder can't be listed ({files.reason(error)}); check its permissions") from error


def _scan(paths: list[Path]) -> _Found:
    found = _Found([], Counter(), [])
    for path in paths:
        head = files.read_head(path)
        if is_stump(path, head):
            raise InputError(f"{path.name}: {len(head)} bytes, too few for DICOM; copy the series again")
        bare = not files.is_dicom(head) and files.is_bare_dicom(head)
        if not bare and not files.is_dicom(head):
            found.n_foreign += 1
            continue
        try:
            header = read_header(path, KIND_TAGS, force=bare)
        except InputError:
            if not bare:
                raise
            found.n_foreign += 1
            continue
        if modality_of(header) is None:
            found.others[kind_of(header)] += 1
        elif bare:
            found.bare.append(path)
        else:
            check_whole(header, path)
            described = f"{modality_of(header)} {header.Columns} x {header.Rows}"
            found.slices.append(_Slices(path, series_uid(header), described))
    return found


def is_stump(path: Path, head: bytes) -> bool:
    """Whether a file named like DICOM ends inside its preamble of zeros, as a broken copy does."""
    return 0 < len(head) < SHORTEST_BYTES and not any(head) and bool(FORMATS["dicom"].suffix_of(path.name))


def _below(folder: Path, uid: str) -> tuple[str, ...]:
    """What the folders below hold, as warnings: DICOM files that are not read.

    Raises:
        GeometryError: some belong to the series.
    """
    deeper = [path for path in tree(folder) if path.parent != folder and path.is_file()]
    slices = []
    for path in deeper:
        with suppress(InputError):  # a damaged file of another folder is no fault of this one
            if files.is_dicom(files.read_head(path)):
                slices.append(read_header(path, KIND_TAGS))
    slices = [header for header in slices if modality_of(header) is not None]
    n_same = sum(series_uid(header) == uid for header in slices)
    if n_same:
        raise GeometryError(
            f"{n_same} more slices of the series lie in folders below; put all of them into one folder, or choose one "
            "of the volumes that medsr inspect lists, with --volume"
        )
    return (f"DICOM slices of other series in folders below, not read: {len(slices)}",) if slices else ()


def check_whole(header: Dataset, path: Path) -> None:
    """Make sure that a header got as far as the description of its pixels.

    Raises:
        InputError: it did not.
    """
    with parsing(path):
        missing = [tag for tag in NEEDED_TAGS if not (isinstance(header.get(tag), int | str) and header.get(tag))]
    if missing:
        raise InputError(f"{path.name}: the header has no {' or '.join(missing)}; the file is truncated or damaged")


def _only_series(slices: list[_Slices]) -> list[_Slices]:
    by_uid: dict[str, list[_Slices]] = {}
    for member in slices:
        by_uid.setdefault(member.uid, []).append(member)
    if len(by_uid) == 1:
        return slices
    listed = [_described(members) for members in list(by_uid.values())[:MAX_LISTED]]
    more = f", and {len(by_uid) - MAX_LISTED} more" if len(by_uid) > MAX_LISTED else ""
    raise GeometryError(
        f"{len(by_uid)} image series in one folder: {', '.join(listed)}{more}; "
        "choose one of the volumes that medsr inspect lists, with --volume, or point at one file of the wanted series"
    )


def _described(members: list[_Slices]) -> str:
    name = members[0].path.name
    example = "" if _UID_LIKE.search(name) else f", such as {name}"
    return f"{members[0].described} ({len(members)} file{'s' * (len(members) > 1)}{example})"


def _series(members: list[_Slices], skipped: tuple[str, ...]) -> Series:
    unique: dict[str, SliceFile] = {}
    by_instance: dict[str, list[Path]] = {}
    n_identical = 0
    for path in (member.path for member in members):
        digest = files.sha256_file(path)
        if digest in unique:
            n_identical += 1
            continue
        header = read_header(path)
        with parsing(path):
            instance = str(header.get("SOPInstanceUID") or path)
        held = by_instance.setdefault(instance, [])
        if not any(hold_the_same(path, other) for other in held):
            held.append(path)
            unique[digest] = SliceFile(path, header, digest)
    n_recoded = len(members) - len(unique) - n_identical
    said = [f"identical copies of files dropped: {n_identical}"] if n_identical else []
    said += [f"copies with the same pixels at the same place dropped: {n_recoded}"] if n_recoded else []
    return Series(tuple(unique.values()), (*skipped, *said))


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
