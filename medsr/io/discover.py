"""What an input holds: every scan of a tree, a BIDS data set, a glob or a table, and every other file with a reason.

Only names and headers are read. A scan that can't be read stays in the list with its reason: it is a case that fails,
not one that is forgotten.
"""

from __future__ import annotations

import csv
import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medsr.errors import InputError, UsageError
from medsr.io import files, formats
from medsr.io.bids import ANATOMICAL, UNLIKE_MAGNITUDE, part_of_name
from medsr.io.dicom.triage import NOT_DICOM, LeftOut, triage_files
from medsr.io.folders import not_searched, tree
from medsr.io.found import Found, dicom_found, file_found, files_found, fused, series_found
from medsr.io.names import safe

Layout = Literal["tree", "bids", "table"]
TABLE_SUFFIXES = (".csv", ".tsv")
COLUMNS = ("input", "output", "reference", "fuse", "grid")
NEVER_SCANS = (
    ".json",
    ".tsv",
    ".csv",
    ".txt",
    ".md",
    ".html",
    ".bval",
    ".bvec",
    ".png",
    ".jpg",
    ".pdf",
    ".log",
    ".xml",
)
BIDS_ROOTS = ("derivatives", "sourcedata", "code", "stimuli", "phenotype")
WILD = "*?["
HIDDEN_FILE = "hidden file"
NAMED_OTHERWISE = "not a scan by its name"


@dataclass(frozen=True)
class Discovery:
    """All of an input.

    Attributes:
        root: Folder that places are relative to.
        layout: "bids" where the output follows BIDS, "table" where a table names the scans, else "tree".
        found: Scans, in order of their places.
        left_out: Every other file and why.
    """

    root: Path
    layout: Layout
    found: tuple[Found, ...]
    left_out: tuple[LeftOut, ...]


def discover(
    source: Path, include: Sequence[str] = (), exclude: Sequence[str] = (), *, without: Path | None = None
) -> Discovery:
    """Every scan of an input.

    Args:
        source: Folder, BIDS data set, one file, glob, or table (.csv, .tsv) with a column `input`; rows with the same
            text in its column `fuse` are stacks of one body, and one scan to enhance.
        include: Patterns for places; none means all.
        exclude: Patterns for places.
        without: Folder to leave alone, such as an output inside the input.

    Raises:
        InputError: nothing there.
        UsageError: a table that can't be used.
    """
    if source.suffix.lower() in TABLE_SUFFIXES and source.is_file():
        return _of_table(source)
    root, paths = _listed(source, without)
    layout: Layout = "bids" if is_bids(root) else "tree"
    kept, left_out = [], []
    for path in paths:
        place = path.relative_to(root).as_posix()
        reason = not_searched(path) or _refused(place, layout, named=path == source)
        if reason == NAMED_OTHERWISE and layout == "tree" and _is_dicom(path):
            reason = ""
        reason = reason or _filtered(place, include, exclude)
        if reason:
            left_out.append(LeftOut(path, "ignored", reason))
        else:
            kept.append(path)
    whole = [path for path in kept if formats.is_one_file(path.name)]
    found = files_found(root, whole)
    misnamed = [one for one in found if one.problem and any(_is_dicom(path) for path in one.files)]
    found = [one for one in found if one not in misnamed]
    slices = (set(kept) - set(whole)).union(*(one.files for one in misnamed))
    dicom, others = dicom_found(root, sorted(slices))
    found += dicom
    alone, others = _alone(root, others, lambda place: "")
    found += alone
    parts = {path for one in found for path in one.files}
    left_out = [left for left in (*left_out, *others) if left.path not in parts]
    if not found and not left_out:
        raise InputError(f"{source}: holds no file; expected {formats.titles()}")
    return Discovery(root, layout, tuple(sorted(found, key=lambda one: (one.place, one.number))), tuple(left_out))


def beside_volumes(root: Path, left_out: Iterable[LeftOut]) -> tuple[list[Found], list[LeftOut]]:
    """What a batch makes of the files of a tree that are in no DICOM volume.

    Args:
        root: Root of the tree.
        left_out: These files, as a triage of the tree lists them.

    Returns:
        Scans in files of their own, and every other file with its reason.
    """
    layout: Layout = "bids" if is_bids(root) else "tree"
    found, others = _alone(root, left_out, lambda place: _refused(place, layout))
    parts = {path for one in found for path in one.files}
    return found, [left for left in others if left.path not in parts]


def _alone(root: Path, left_out: Iterable[LeftOut], refused: Callable[[str], str]) -> tuple[list[Found], list[LeftOut]]:
    """Files that are not DICOM as scans of their own, by content, or with what they are instead."""
    found, others = [], []
    for left in left_out:
        if left.reason != NOT_DICOM:
            others.append(left)
            continue
        place = left.path.relative_to(root).as_posix()
        known = formats.recognised(left.path)
        reason = refused(place)
        if not reason and left.path.name.startswith("."):
            reason = HIDDEN_FILE
        if not reason and isinstance(known, str) and not formats.is_one_file(left.path.name):
            reason = known
        if reason:
            others.append(replace(left, reason=reason))
        else:
            found.append(file_found(left.path, place))
    return found, others


def is_bids(root: Path) -> bool:
    """Whether a folder is the root of a BIDS data set."""
    return (root / "dataset_description.json").is_file() and any(root.glob("sub-*"))


def _listed(source: Path, without: Path | None) -> tuple[Path, list[Path]]:
    if source.is_dir():
        return source, tree(source, without=without)
    if source.is_file():
        return source.parent, [source]
    if not any(sign in str(source) for sign in WILD):
        raise InputError(f"{source}: not found; expected a folder, a file, a glob in quotes, or a table")
    parts = source.parts
    first = next(n for n, part in enumerate(parts) if any(sign in part for sign in WILD))
    root = Path(*parts[:first]) if first else Path()
    paths: set[Path] = set()
    for match in glob.iglob(str(source), recursive=True):  # noqa: PTH207 - patterns may be absolute
        path = Path(match)
        paths |= set(tree(path, without=without)) if path.is_dir() else {path}
    if not paths:
        raise InputError(f"{source}: matches nothing; check the pattern")
    return root, sorted(paths)


def _refused(place: str, layout: Layout, *, named: bool = False) -> str:
    """Why a file is not a case, from its name alone; "" where it may be one, as a slice of DICOM is whatever its name.

    Args:
        place: Path relative to the root.
        layout: Layout of the input.
        named: Whether the user named this very file, which then may be called as it likes.
    """
    name = place.rpartition("/")[2]
    if name.startswith(".") and formats.is_one_file(name) and not named:
        return HIDDEN_FILE
    if name.lower().endswith(NEVER_SCANS) and not named:
        return NAMED_OTHERWISE
    if layout == "bids":
        top = place.partition("/")[0]
        if top in BIDS_ROOTS or not top.startswith("sub-"):
            return "not in a subject's folder of the BIDS data set"
        stem = name.partition(".")[0]
        if stem.rpartition("_")[2] not in ANATOMICAL:
            return f"not an anatomical scan ({stem.rpartition('_')[2]})"
    part = part_of_name(name)
    if part in UNLIKE_MAGNITUDE:
        return f"the {part} part of a complex scan, which can't be interpolated like a magnitude"
    return ""


def _is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its content, whatever it is called."""
    try:
        return files.is_dicom(files.read_head(path))
    except InputError:
        return False


def _filtered(place: str, include: Sequence[str], exclude: Sequence[str]) -> str:
    """Why the patterns leave a file aside; "" where they do not."""
    if include and not any(fnmatch.fnmatchcase(place, pattern) for pattern in include):
        return "not among the patterns to include"
    if any(fnmatch.fnmatchcase(place, pattern) for pattern in exclude):
        return "among the patterns to exclude"
    return ""


def _of_table(table: Path) -> Discovery:
    root = table.parent
    groups: dict[str, list[Found]] = {}
    for number, row in enumerate(_rows(table)):
        path = root / row["input"]
        one = file_found(path, row["input"]) if formats.is_one_file(path.name) else _dicom_row(root, path)
        reference, grid = row.get("reference") or "", row.get("grid") or ""
        target = row.get("output") or ""
        if target and target != safe(target):
            raise UsageError(f"{table}: output {target!r} has other signs than letters, digits, '.', '_', '-' and '/'")
        one = replace(one, target=target, reference=root / reference if reference else None)
        one = replace(one, grid=root / grid if grid else None)
        label = f"fuse|{row['fuse']}" if row.get("fuse") else f"row|{number}"
        groups.setdefault(label, []).append(one)
    found = [_of_rows(table, label, rows) if len(rows) > 1 else rows[0] for label, rows in groups.items()]
    return Discovery(root, "table", tuple(found), ())


def _of_rows(table: Path, label: str, rows: Sequence[Found]) -> Found:
    """The stacks of some rows as one scan; only the first row says what becomes of it."""
    if any(row.target or row.reference or row.grid for row in rows[1:]):
        raise UsageError(
            f"{table}: a further stack has an output, a reference or a grid; name them in the first row of its group"
        )
    return fused(rows, label, rows[0].name)


def _dicom_row(root: Path, path: Path) -> Found:
    place = os.path.relpath(path, root)
    identity = f"table|{place}"
    try:
        paths = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    except OSError as error:
        return Found(identity, (path,), place, problem=f"can't be listed ({files.reason(error)})", kind="unreadable")
    volumes = triage_files(paths).volumes
    if len(volumes) != 1:
        problem = f"{len(volumes)} scans; expected the folder or a file of one series"
        return Found(identity, tuple(paths[:1]), place, problem=problem, kind="geometry")
    (one,) = series_found(path if path.is_dir() else path.parent, volumes)
    return replace(one, identity=identity, place=place)


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
            columns = list(reader.fieldnames or ())
            rows = [row for row in reader if any(row.values())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table}: can't be read as a table ({files.reason(error)})") from error
    unknown = [column for column in columns if column not in COLUMNS]
    if "input" not in columns or unknown:
        raise UsageError(
            f"{table}: has columns {', '.join(columns) or 'none'}; expected {COLUMNS[0]}, and {', '.join(COLUMNS[1:])}"
        )
    if any(not row["input"] or None in row for row in rows):
        raise UsageError(f"{table}: a row has no input or more cells than columns")
    return rows
