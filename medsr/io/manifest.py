"""Manifests: tab-separated tables with one row per scan."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from medsr.errors import InputError, UsageError
from medsr.io.bids import scan_name

MAX_BYTES = 1 << 24


def facts_of(path: Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """The wanted columns of a manifest by scan, called as `bids.scan_name` calls the file in its column "file".

    Other columns, which may say who somebody is, are not kept.

    Args:
        path: Tab-separated values with a header.
        columns: Names of the wanted columns.

    Raises:
        InputError: it can't be read or has no column "file".
        UsageError: it lacks a wanted column.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than a manifest; expected one line per scan")
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read; expected a manifest of tab-separated values") from error
    known = list(rows[0]) if rows else []
    if "file" not in known:
        raise InputError(f'{path}: has no column "file"; expected one line per scan below a header')
    for name in columns:
        if name not in known:
            raise UsageError(f"{path}: has no column {name!r}; choose from {', '.join(known)}")
    return {scan_name(PurePosixPath(row["file"]).name): {name: row[name] or "" for name in columns} for row in rows}
