"""What lies in a folder tree: every volume that it holds, and every other file with the reason why it is not in one.

One pass over the headers, in threads; pixels are read only of files that say that they are one instance. Of each file
only small facts are kept, so that tens of thousands of files fit into a few hundred MiB. Slices are grouped by series,
wherever in the tree they lie, then split where one series holds several volumes (`splitting`). But for the paths
nothing in a triage tells whose scans they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from pydicom import Dataset

from medsr.errors import InputError, UsageError
from medsr.io import files
from medsr.io.dicom.copies import RECODED, hold_the_same
from medsr.io.dicom.frames import Frame, frames_of, map_name, no_slice
from medsr.io.dicom.headers import (
    kind_of,
    modality_of,
    parsing,
    pixels_are_cut,
    read_header,
    read_header_and_rest,
    series_uid,
    sop_class,
)
from medsr.io.dicom.series import check_whole, is_stump
from medsr.io.dicom.splitting import Times, split_volumes
from medsr.io.dicom.stack import Stack, stacked
from medsr.io.folders import not_searched, tree
from medsr.volume import Modality, check_shape

THREADS = 8  # on a network file system waiting dominates
CHUNK = 1024  # files handed to the threads at a time
NOT_DICOM = "not DICOM"
DAMAGED = ("truncated", "damaged", "can't be opened", "preamble", "has no ", "bits per pixel")  # in a reason
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"

OnProgress = Callable[[int, int], None]
Status = Literal["companion", "ignored"]


@dataclass(frozen=True)
class FoundVolume:
    """One volume of one series.

    Attributes:
        study: Number of its study in the triage, from 1.
        series: Number of its series in the triage, from 1.
        number: Its number in the series, from 1; 0 where it is the only one.
        modality: "MR" or "CT".
        times: Its frames, one tuple per time point, in order of time.
        stacks: Its slices on their grid, one stack per time point; empty where it can't be read.
        reason: Why it can't be read, else "".
        mixed: What tells it from other volumes of its series, such as "echo time 4.9".
    """

    study: int
    series: int
    number: int
    modality: Modality
    times: Times
    stacks: tuple[Stack, ...]
    reason: str
    mixed: str = ""

    @property
    def name(self) -> str:
        """What a user calls it: the number of its series, and its own where the series holds several."""
        return f"{self.series}.{self.number}" if self.number else str(self.series)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files, each once, in order of time and slice."""
        return tuple(dict.fromkeys(frame.path for frames in self.stacked_times for frame in frames))

    @property
    def stacked_times(self) -> Times:
        """`times`, ordered along the slices where that is known."""
        return tuple(stack.frames for stack in self.stacks) or self.times


@dataclass(frozen=True)
class LeftOut:
    """A file that is in no volume: companion of one (a report, a plan, a segmentation of its study), or ignored."""

    path: Path
    status: Status
    reason: str

    @property
    def is_damaged(self) -> bool:
        """Whether it may be a slice that can't be read, and no other kind of file."""
        return self.status == "ignored" and any(word in self.reason for word in DAMAGED)


@dataclass(frozen=True)
class Triage:
    """Every file of a tree: in at least one of the volumes, or left out."""

    volumes: tuple[FoundVolume, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def n_files(self) -> int:
        """Files in the tree."""
        return len({path for volume in self.volumes for path in volume.paths}) + len(self.left_out)

    def volume(self, name: str) -> FoundVolume:
        """The volume that `medsr inspect` lists as `name`, such as "3" or "10.2".

        Raises:
            UsageError: there is none.
        """
        for volume in self.volumes:
            if name == volume.name:
                return volume
        raise UsageError(f"no volume is listed as {name!r}; medsr inspect shows the {len(self.volumes)} that there are")


@dataclass(frozen=True, slots=True)
class _Fact:
    """What is kept of one file: its frames, or why it has none. `spoils` where its series lacks a slice without it."""

    path: Path
    study: str = ""
    series: tuple[str, str, str] = ("", "", "")
    instance: str = ""
    frames: tuple[Frame, ...] = ()
    reason: str = ""
    is_object: bool = False
    spoils: bool = False


def triage(folder: Path | str, on_progress: OnProgress | None = None, threads: int = THREADS) -> Triage:
    """All volumes of a folder tree, and what else lies there; links to folders elsewhere are followed.

    Args:
        folder: Root of the tree.
        on_progress: Called with the number of files looked at and of all files.
        threads: Readers at work at a time.

    Raises:
        InputError: the folder can't be listed.
    """
    return triage_files(_listed(Path(folder)), on_progress, threads)


def triage_files(paths: list[Path], on_progress: OnProgress | None = None, threads: int = THREADS) -> Triage:
    """The same for files that are listed already."""
    facts = list(_looked(paths, on_progress or (lambda done, total: None), threads))
    left_out = [fact for fact in facts if not fact.frames]
    by_series: dict[tuple[str, str, str], list[_Fact]] = defaultdict(list)
    for fact in facts:
        if fact.frames or fact.spoils:
            by_series[fact.series].append(fact)
    studies: dict[str, int] = {}
    volumes: list[FoundVolume] = []
    for members in by_series.values():
        slices, copies = _without_copies([fact for fact in members if fact.frames])
        left_out += copies
        if slices:
            study = studies.setdefault(slices[0].study, len(studies) + 1)
            spoilt = Counter(fact.reason for fact in members if fact.spoils)
            volumes += _volumes(slices, study, 1 + (volumes[-1].series if volumes else 0), spoilt)
    return Triage(tuple(volumes), tuple(sorted((_left_out(fact, studies) for fact in left_out), key=lambda f: f.path)))


def _listed(folder: Path) -> list[Path]:
    if folder.is_file():
        raise InputError(f"{folder}: is a file; expected a folder")
    return tree(folder)


def _looked(paths: list[Path], on_progress: OnProgress, threads: int) -> Iterator[_Fact]:
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), CHUNK):
            for done, fact in enumerate(pool.map(_look, paths[start : start + CHUNK]), start + 1):
                yield fact
                on_progress(done, len(paths))


def _look(path: Path) -> _Fact:
    if reason := not_searched(path):
        return _Fact(path, reason=reason)
    try:
        head = files.read_head(path)
    except InputError:
        return _Fact(path, reason="can't be opened")
    if is_stump(path, head):
        return _Fact(path, reason="truncated to fewer bytes than DICOM has")
    bare = not files.is_dicom(head)
    if bare and not files.is_bare_dicom(head):
        return _Fact(path, reason=NOT_DICOM)
    try:
        header, rest = (read_header(path, force=True), 0) if bare else read_header_and_rest(path)
    except InputError:
        return _Fact(path, reason=NOT_DICOM if bare else "damaged header")
    if sop_class(header) == DICOMDIR_CLASS:
        return _Fact(path, reason="DICOMDIR")
    with parsing(path):
        study = str(header.get("StudyInstanceUID") or "")
    if modality_of(header) is None:
        return _Fact(path, study, reason=f"not an MR or CT image: {kind_of(header)}", is_object=True)
    if bare:
        return _Fact(path, study, reason="DICOM without preamble: rewrite it as Part 10, for example with dcmconv")
    return _slices(_Fact(path, study), header, rest)


def _slices(fact: _Fact, header: Dataset, rest: int) -> _Fact:
    """The fact of an MR or CT image; `rest` bytes begin at its pixels."""
    uid = series_uid(header) or str(fact.path.parent)
    fact = replace(fact, series=(fact.study, uid, str(modality_of(header))))
    try:
        check_whole(header, fact.path)
        with parsing(fact.path):
            reason, quantity = no_slice(header), map_name(header)
            instance = str(header.get("SOPInstanceUID") or "")
        if reason or quantity:
            return replace(fact, reason=reason.partition(";")[0] if reason else f"computed map ({quantity})")
        frames = frames_of(fact.path, header)
        with parsing(fact.path):
            cut = pixels_are_cut(header, rest)
    except InputError as error:
        return replace(fact, reason=str(error).removeprefix(f"{fact.path.name}: "), spoils=True)
    if cut:
        return replace(fact, reason="pixel data are truncated", spoils=True)
    return replace(fact, instance=instance, frames=tuple(frames))


def _without_copies(members: list[_Fact]) -> tuple[list[_Fact], list[_Fact]]:
    """The files without copies, and the copies. Only files of one instance can be copies of each other."""
    n_files = Counter(fact.instance for fact in members)
    kept, copies, seen = [], [], set()
    by_instance: dict[str, list[Path]] = defaultdict(list)
    for fact in members:
        if not fact.instance or n_files[fact.instance] == 1:
            kept.append(fact)
            continue
        digest = files.sha256_file(fact.path)
        if digest in seen:
            copies.append(replace(fact, frames=(), reason="identical copy of a file that is used"))
        elif any(hold_the_same(fact.path, other) for other in by_instance[fact.instance]):
            copies.append(replace(fact, frames=(), reason=RECODED))
        else:
            kept.append(fact)
            by_instance[fact.instance].append(fact.path)
        seen.add(digest)
    return kept, copies


def _volumes(members: list[_Fact], study: int, series: int, spoilt: Counter[str]) -> list[FoundVolume]:
    spoils = "; ".join(f"{n} file{'s' * (n > 1)} of this series: {reason}" for reason, n in spoilt.items())
    modality = cast(Modality, members[0].series[2])
    parts = split_volumes([frame for fact in members for frame in fact.frames])
    found = []
    for number, times in enumerate(parts, min(1, len(parts) - 1)):
        stacks: tuple[Stack, ...] = ()
        reason = spoils
        if not reason:
            try:
                stacks = tuple(_stack(frames) for frames in times)
            except InputError as error:
                reason = str(error)
        found.append(FoundVolume(study, series, number, modality, times, stacks, reason, _mixed(times, parts)))
    return found


def _stack(frames: tuple[Frame, ...]) -> Stack:
    (stack,) = stacked(frames)
    check_shape(stack.shape)
    return stack


def _mixed(times: Times, parts: Iterable[Times]) -> str:
    """Echo time, b-value or kind of image where they differ between the parts; words that a user typed never show."""
    first, said = times[0][0].labels, []
    for name, unit in (("echo time", " ms"), ("b-value", " s/mm2")):
        if len({part[0][0].labels.get(name) for part in parts}) > 1:
            with suppress(KeyError, ValueError):  # not every volume has it, and not always as a number
                said.append(f"{name} {float(first[name]):.4g}{unit}")
    if len({part[0][0].labels.get("image type") for part in parts}) > 1:
        said.append(_kind(first.get("image type", "")))
    return ", ".join(said)


def _kind(image_type: str) -> str:
    words = {word.strip(" '[]").upper() for word in image_type.split(",")}
    kinds = {"magnitude": {"M", "M_FFE", "MAGNITUDE"}, "phase": {"P", "PHASE", "PHASE MAP"}}
    kinds |= {"real": {"R", "REAL"}, "imaginary": {"I", "IMAGINARY"}}
    return next((kind for kind, names in kinds.items() if words & names), "another image type")


def _left_out(fact: _Fact, studies: dict[str, int]) -> LeftOut:
    companion = fact.is_object and fact.study in studies
    return LeftOut(fact.path, "companion" if companion else "ignored", fact.reason)
