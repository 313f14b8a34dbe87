"""Derived series to files: one folder per series, one file per slice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from medsr.io.dicom.derivation import saved_from_memory
from medsr.io.dicom.derived import DerivedSeries
from medsr.io.dicom.encoding import encoded
from medsr.io.dicom.folders import atomic_folders
from medsr.io.dicom.places import placed
from medsr.volume import Volume


def save_like(volumes: Sequence[Volume], folder: Path, like: Path) -> None:
    """Write volumes as derived series into a new folder, in the place of the series that they are like.

    Raises:
        UsageError: the series lies somewhere else or holds several volumes.
        OutputError: the folder can't be written or holds foreign files.
    """
    scans = placed(volumes, like)
    series = [
        DerivedSeries(scan.volume, scan.stack, saved_from_memory(), number=n) for n, scan in enumerate(scans, start=1)
    ]
    with atomic_folders(folder) as (part,):
        write_all(series, part)


def write_all(series: Sequence[DerivedSeries], folder: Path) -> None:
    """Write one series into a folder, or each of several into a folder of its own in it, named 1, 2 and so on.

    Args:
        series: Series to write.
        folder: An empty folder, as `folders.atomic_folders` gives it.

    Raises:
        OSError: the disk is full or the folder gone.
        InputError: a source file is gone or damaged.
    """
    for number, one in enumerate(series, start=1):
        place = folder / str(number) if len(series) > 1 else folder
        place.mkdir(exist_ok=True)
        for index, content in enumerate(encoded(one), start=1):
            write_file(place / f"{index:04d}.dcm", content)


def write_file(path: Path, content: bytes) -> None:
    """Write a new file down to the disk, so that a folder with a name is whole even after a power cut."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
