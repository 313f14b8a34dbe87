"""A folder of high-resolution scans to training packs."""

from __future__ import annotations

import re
from pathlib import Path

from medsr.errors import InputError
from medsr.io import load
from medsr.io.formats import endings, is_one_file, stem
from medsr.training.cropping import within
from medsr.training.packs import packed, write_packs

SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")


def pack_folder(folder: Path, target: Path, limit_bytes: int | None = None) -> list[Path]:
    """Pack every scan in one file below `folder`, a flat or BIDS-like tree whose names begin with "sub-LABEL".

    Args:
        folder: Folder of the scans, searched recursively.
        target: Folder of the packs, made if missing.
        limit_bytes: Size of all packs together; scans are cut to their most informative blocks to fit. None: no limit.

    Returns:
        Paths of the packs.

    Raises:
        InputError: No scan, or a name without a subject.
        ResourceError: The limit leaves less than a patch of a scan.
    """
    scans = (packed(load(path), stem(path.name), _subject(path)) for path in _scans_below(folder))
    return write_packs(scans if limit_bytes is None else within(list(scans), limit_bytes), target)


def subjects_below(folder: Path) -> set[str]:
    """Subjects whose scans `pack_folder` would pack.

    Raises:
        InputError: No scan, or a name without a subject.
    """
    return {_subject(path) for path in _scans_below(folder)}


def _scans_below(folder: Path) -> list[Path]:
    """Files of the scans, subject by subject."""
    paths = sorted((path for path in folder.rglob("*") if is_one_file(path.name)), key=lambda path: path.name)
    if not paths:
        raise InputError(f"{folder}: no {endings()} below it; expected scans named like sub-01_T1w.nii.gz")
    first = {subject: number for number, subject in reversed(list(enumerate(map(_subject, paths))))}
    return sorted(paths, key=lambda path: first[_subject(path)])  # sub-1 and sub-10 may alternate by name


def _subject(path: Path) -> str:
    match = SUBJECT.match(path.name)
    if match is None:
        raise InputError(f"{path.name}: names no subject; expected a name like sub-01_T1w.nii.gz")
    return match.group()
