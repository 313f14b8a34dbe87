"""Files as scans to enhance: what a file or a DICOM series is called, what grid it has, why it can't be read.

Only headers are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medsr.errors import GeometryError, InputError, MedsrError
from medsr.io import formats
from medsr.io.dicom.headers import modality_of, parsing, read_header, series_uid
from medsr.io.dicom.triage import THREADS, FoundVolume, LeftOut, triage_files
from medsr.io.outline import Outline

Kind = Literal["", "geometry", "unreadable"]
"""Why a scan can't be enhanced: it is not one regular volume, or can't be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """One scan to enhance.

    Attributes:
        identity: Text that stays the same while the scan does; ids are made of it.
        files: Its files; all files of its series where it is DICOM.
        place: Path relative to the root; for DICOM that of its first file.
        name: Wanted output, relative and without suffix; "" where only a hash will do.
        number: Number of the volume among those of `files`, from 1 (DICOM), else 0.
        outline: Its grid, None where the headers do not say it.
        problem: Why it can't be enhanced, or "".
        kind: Kind of the problem.
        target: Output asked for by a table, else "".
        reference: High-resolution scan to measure against, or None.
        grid: Image whose grid the result has, or None.
        stacks: Scans that become one, the first of which gives its place; empty for a scan of its own.
    """

    identity: str
    files: tuple[Path, ...]
    place: str
    name: str = ""
    number: int = 0
    outline: Outline | None = None
    problem: str = ""
    kind: Kind = ""
    target: str = ""
    reference: Path | None = None
    grid: Path | None = None
    stacks: tuple[Found, ...] = ()

    @property
    def parts(self) -> tuple[Found, ...]:
        """Its stacks; itself where it is a scan of its own."""
        return self.stacks or (self,)


def fused(stacks: Sequence[Found], identity: str, name: str) -> Found:
    """Scans that become one; what is wrong with one of them is wrong with all.

    Args:
        stacks: Scans, the first of which gives the place.
        identity: Text that stays the same while the group does.
        name: Wanted output, as in `Found`.
    """
    files = tuple(path for one in stacks for path in one.files)
    made = replace(stacks[0], identity=identity, files=files, name=name, stacks=tuple(stacks), problem="", kind="")
    for number, one in enumerate(stacks, start=1):
        if one.problem:
            return replace(made, problem=f"stack {number}: {one.problem}", kind=one.kind)
        if one.outline is not None and one.outline.n_volumes > 1:
            said = f"stack {number} holds {one.outline.n_volumes} volumes; expected one"
            return replace(made, problem=said, kind="geometry")
    return made


def files_found(root: Path, paths: Sequence[Path]) -> list[Found]:
    """Every file that holds a scan of its own as a case, in the order of `paths`.

    Args:
        root: Folder that places are relative to.
        paths: Files below it.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda path: file_found(path, path.relative_to(root).as_posix()), paths))


def file_found(path: Path, place: str) -> Found:
    """One file as a case; where its header can't be read, with the problem.

    Args:
        path: The file, of a format that keeps a scan in one file.
        place: Path that the case is listed by.
    """
    known = formats.by_name(place)
    found = Found(f"{known.name if known else ''}|{place}", (path,), place, formats.stem(place))
    try:
        if not path.exists():
            raise InputError("is missing")
        own = formats.by_content(path)
        return replace(found, files=own.files_of(path), outline=own.outline(path))
    except MedsrError as error:
        return replace(found, problem=_said(error, path), kind=_kind_of(error))


def _kind_of(error: MedsrError) -> Kind:
    """The kind of a failure by its exception; the kinds that a worker adds are in `medsr.engine.pipeline`."""
    return "geometry" if isinstance(error, GeometryError) else "unreadable"


def _said(error: MedsrError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def dicom_found(root: Path, paths: list[Path]) -> tuple[list[Found], list[LeftOut]]:
    """The volumes of DICOM files and the damaged files as cases, and every other file with its reason.

    Args:
        root: Folder that places are relative to.
        paths: Files below it.
    """
    triaged = triage_files(paths)
    by_series: dict[int, list[FoundVolume]] = {}
    for volume in triaged.volumes:
        by_series.setdefault(volume.series, []).append(volume)
    found = [one for volumes in by_series.values() for one in series_found(root, volumes)]
    broken = [left for left in triaged.left_out if left.is_damaged]
    left_out = [left for left in triaged.left_out if left not in broken]
    return found + _broken(root, broken), left_out


def series_found(root: Path, volumes: Sequence[FoundVolume]) -> Iterator[Found]:
    """One case per volume of a series; its name is made of hashes, since folders of archives carry names of people."""
    paths = tuple(dict.fromkeys(path for volume in volumes for path in volume.paths))
    header = read_header(paths[0])
    with parsing(paths[0]):
        study = str(header.get("StudyInstanceUID") or "")
    identity = f"dicom|{study}|{series_uid(header) or paths[0].parent}|{modality_of(header)}"
    for volume in volumes:
        place = volume.paths[0].relative_to(root).as_posix()
        grid = outline_of(volume)
        number = volumes.index(volume) + 1
        kind: Kind = "geometry" if volume.reason else ""
        yield Found(f"{identity}|{number}", paths, place, "", number, grid, volume.reason, kind)


def outline_of(volume: FoundVolume) -> Outline | None:
    """The outline of a volume that a folder's headers told of; None where its slices make no regular stack."""
    if not volume.stacks:
        return None
    stack = volume.stacks[0]
    slices = stack.thickness_mm, stack.slice_axis, stack.acquisition_type
    return Outline(stack.shape, stack.affine, len(volume.stacks), *slices, volume.modality)


def _broken(root: Path, left_out: Iterable[LeftOut]) -> list[Found]:
    """One failing case per folder and reason: a series of 300 damaged files is one scan that can't be read."""
    groups: dict[tuple[Path, str], list[Path]] = {}
    for left in left_out:
        groups.setdefault((left.path.parent, left.reason), []).append(left.path)
    found = []
    for (folder, reason), paths in groups.items():
        place = paths[0].relative_to(root).as_posix()
        said = reason if len(paths) == 1 else f"{len(paths)} files: {reason}"
        identity = f"broken|{folder.relative_to(root).as_posix()}|{reason}"
        found.append(Found(identity, tuple(paths), place, problem=said, kind="unreadable"))
    return found
