"""The cases of a study: every reference under every task, and every real pair, each with a key made of contents."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medsr import __version__
from medsr.errors import InputError, MedsrError, UsageError
from medsr.io import files, formats
from medsr.io.bids import scan_name
from medsr.io.dicom.series import find_series
from medsr.io.discover import discover
from medsr.io.found import Found
from medsr.io.names import digest
from medsr.io.outline import Outline
from medsr.physics.profiles import PROFILE_CHOICES
from medsr.physics.tasks import Task, is_for
from medsr.validation.measure import PlannedTrial, ScanFiles
from medsr.validation.recipe import PAIR, StudyRecipe

MEASURES = "1"  # raised when a number changes its meaning, so that no older part is taken for it
PAIR_COLUMNS = ("low", "high", "profile", "thickness", "register", "scan")
MAX_TABLE_BYTES = 1 << 24


@dataclass(frozen=True)
class Pair:
    """A row of a table of pairs.

    Attributes:
        low: Path of the low-resolution scan.
        high: Path of the high-resolution scan.
        name: Name for reports, as `scan_name` allows.
        assumed: Profile and thickness assumed of the low-resolution scan, as a task.
        registered: Whether the two are in one patient frame already.
        facts: Further columns that were asked for.
    """

    low: Path
    high: Path
    name: str
    assumed: Task
    facts: dict[str, str]
    registered: bool = True


def plan_trials(
    references: Sequence[Path],
    recipe: StudyRecipe,
    model_sha256: str,
    *,
    pairs: Sequence[Pair] = (),
    facts: Mapping[str, dict[str, str]] | None = None,
    without: Path | None = None,
) -> tuple[PlannedTrial, ...]:
    """Every case in order: references as given, tasks as in the recipe, then the pairs.

    A scan that can't be read is a case with an error, not one that is forgotten; one that a task is not meant for (key
    `all_axes`) is left out.

    Args:
        references: High-resolution scans: NIfTI files, DICOM series, folders of both.
        recipe: Tasks and what decides about the numbers.
        model_sha256: Hash of the weights and of a classifier's, "" where no model is measured.
        pairs: Real pairs of `read_pairs`.
        facts: Entries of a manifest, by name of the scan.
        without: Folder to leave alone inside the references, such as the output.

    Raises:
        UsageError: references without a task.
    """
    if references and not recipe.tasks:
        raise UsageError("no task is named; give --task, such as iso2 or thick5, or a recipe with tasks")
    shared = digest(recipe.settings_key, model_sha256, __version__, MEASURES)
    known = facts or {}
    planned = [
        one
        for source in references
        for scan, place, grid, error in _scans(source, without)
        for one in _under_tasks(scan, place, grid, error, recipe.tasks, known.get(scan, {}), shared)
    ]
    planned += [_of_pair(pair, shared) for pair in pairs]
    return _distinct(planned)


def read_pairs(path: Path, columns: Sequence[str] = ()) -> tuple[Pair, ...]:
    """The pairs of a tab-separated table; paths are relative to its folder.

    Args:
        path: Table with columns low and high, and where they are known profile, thickness (mm) and scan; "yes" in a
            column register has the two registered first.
        columns: Further columns to keep as facts; others, which may say who somebody is, are not kept.

    Raises:
        InputError: it can't be read.
        UsageError: it lacks a column, or a cell can't be used.
    """
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise InputError(f"{path} is larger than a table of pairs; expected one line per pair")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            known, rows = list(reader.fieldnames or ()), [row for row in reader if any(row.values())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read; expected a table of tab-separated values") from error
    for name in ("low", "high", *columns):
        if name not in known:
            raise UsageError(
                f"{path}: has no column {name!r} among {len(known)}; expected a first line of names between tabs, "
                "such as low and high"
            )
    return tuple(_pair(path, number, row, columns) for number, row in enumerate(rows, start=2))


def _pair(table: Path, line: int, row: Mapping[str, str | None], columns: Sequence[str]) -> Pair:
    low, high = row.get("low") or "", row.get("high") or ""
    profile, thickness = row.get("profile") or "auto", row.get("thickness") or ""
    if not low or not high:
        raise UsageError(f"{table}, line {line}: expected a low and a high scan")
    shape = next((one for one in PROFILE_CHOICES if one == profile), None)
    if shape is None:
        raise UsageError(f"{table}, line {line}: profile is {profile!r}; choose {', '.join(PROFILE_CHOICES)}")
    register = row.get("register") or "no"
    if register not in ("yes", "no"):
        raise UsageError(f"{table}, line {line}: register is {register!r}; expected yes or no")
    try:
        width = float(thickness) if thickness else None
    except ValueError as error:
        raise UsageError(f"{table}, line {line}: thickness is {thickness!r}; expected a number of mm") from error
    return Pair(
        low=(table.parent / low).absolute(),
        high=(table.parent / high).absolute(),
        name=scan_name(row.get("scan") or Path(low).name),
        assumed=replace(PAIR, assumed_profile=shape, assumed_fwhm_mm=width),
        facts={name: row.get(name) or "" for name in columns},
        registered=register == "no",
    )


def _scans(source: Path, without: Path | None) -> Iterator[tuple[str, ScanFiles, Outline | None, MedsrError | None]]:
    """Name, place, grid and error of every scan of a reference as it was given."""
    name, place = scan_name(source.name), ScanFiles((str(source),))
    try:
        known = formats.by_content(source)
        if not known.is_series:
            yield name, place, known.outline(source), None
        elif not source.is_dir():
            yield name, ScanFiles(tuple(str(one.path) for one in find_series(source).files)), None, None
        else:
            found = discover(source, without=without).found
            if not found:
                raise InputError(f"{source}: holds no scan; expected {formats.titles()}")
            yield from (_of_found(one) for one in found)
    except MedsrError as error:
        yield name, place, None, error


def _of_found(found: Found) -> tuple[str, ScanFiles, Outline | None, MedsrError | None]:
    name = scan_name(Path(found.name).name if found.name else found.identity)
    error = InputError(f"{found.files[0]}: {found.problem}") if found.problem else None
    return name, ScanFiles(tuple(str(path) for path in found.files), found.number), found.outline, error


def _under_tasks(
    scan: str,
    place: ScanFiles,
    grid: Outline | None,
    error: MedsrError | None,
    tasks: Sequence[Task],
    facts: dict[str, str],
    shared: str,
) -> Iterator[PlannedTrial]:
    hashed = _Hashed(("",))
    if error is None:
        try:
            hashed = _hashed(place)
        except MedsrError as unreadable:
            error = unreadable
    n_voxels = 0 if grid is None else grid.n_voxels
    for task in tasks:
        if grid is None or is_for(grid.spacing_mm, task):
            key = digest(*hashed.contents, _text(task), scan, shared) if error is None else ""
            yield PlannedTrial(
                key,
                scan,
                task,
                place,
                None,
                facts,
                error,
                files=hashed.files,
                sha256=hashed.sha256,
                voxels=n_voxels,
            )


def _of_pair(pair: Pair, shared: str) -> PlannedTrial:
    low, high = (ScanFiles((str(path),)) for path in (pair.low, pair.high))
    try:
        hashed = _hashed(_listed(low), _listed(high))
    except MedsrError as error:
        return PlannedTrial("", pair.name, pair.assumed, high, low, pair.facts, error)
    asked = () if pair.registered else ("register",)
    key = digest(*hashed.contents, _text(pair.assumed), pair.name, shared, *asked)
    return PlannedTrial(
        key,
        pair.name,
        pair.assumed,
        high,
        low,
        pair.facts,
        registered=pair.registered,
        files=hashed.files,
        sha256=hashed.sha256,
    )


def _listed(place: ScanFiles) -> ScanFiles:
    """The files of a scan that was named by one path."""
    path = Path(place.paths[0])
    if not formats.by_content(path).is_series:
        return place
    return ScanFiles(tuple(str(one.path) for one in find_series(path).files))


@dataclass(frozen=True)
class _Hashed:
    """What some scans hold: a text for each, all their files, and one hash of these."""

    contents: tuple[str, ...]
    files: tuple[str, ...] = ()
    sha256: str = ""


def _hashed(*scans: ScanFiles) -> _Hashed:
    digests = [[files.sha256_file(Path(path)) for path in scan.paths] for scan in scans]
    found = zip(scans, digests, strict=True)
    return _Hashed(
        contents=tuple(f"{files.sha256_of_digests(own)}|{scan.number}" for scan, own in found),
        files=tuple(path for scan in scans for path in scan.paths),
        sha256=files.sha256_of_digests(one for own in digests for one in own),
    )


def _text(task: Task) -> str:
    return json.dumps(asdict(task), sort_keys=True)


def _distinct(planned: Sequence[PlannedTrial]) -> tuple[PlannedTrial, ...]:
    """No case twice, and no name for two scans: the second of a name is called NAME-2."""
    once = {(one.key or one.paths, one.scan, one.task.name): one for one in planned}.values()
    places: dict[str, list[tuple[str, ...]]] = {}
    found = []
    for one in once:
        known = places.setdefault(one.scan, [])
        if one.paths not in known:
            known.append(one.paths)
        number = known.index(one.paths)
        name = one.scan if number == 0 else f"{one.scan}-{number + 1}"
        found.append(one if number == 0 else replace(one, scan=name, key=one.key and digest(one.key, name)))
    return tuple(found)
