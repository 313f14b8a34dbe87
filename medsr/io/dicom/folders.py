"""Folders of DICOM files that are made whole or not at all, and never at the cost of files of others."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom.filereader import read_file_meta_info

from medsr.errors import InputError, OutputError
from medsr.io import files
from medsr.io.dicom.headers import parsing
from medsr.io.dicom.uids import IMPLEMENTATION_CLASS_UID

SLICE_NAME = re.compile(r"\d{4,}\.dcm")
SCAN_NAME = re.compile(r"\d+")


def check_folder(path: Path) -> None:
    """Make sure that the folder `path` can be made later, before hours of work are spent on it.

    Raises:
        OutputError: its parent is missing or not writable, or something that is not an earlier result stands there.
    """
    _check_replaceable(path)
    try:
        _new_part(path).rmdir()
    except OSError as error:
        raise OutputError(files.unwritable(path, error)) from error


@contextmanager
def atomic_folders(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Folders to write into that take the names `paths`, in this order, only when the block ends without an error.

    They lie beside their final places, so that each move is one step. An empty folder or an earlier result of medsr is
    replaced; whatever interrupts the block or a move leaves what was there before.

    Raises:
        OutputError: a parent is missing or not writable, the disk is full, or foreign files are in the way.
    """
    parts: list[Path] = []
    path = paths[0]
    try:
        for path in paths:
            _check_replaceable(path)
            parts.append(_new_part(path))
        yield tuple(parts)
        _move_all(parts, paths)
    except OSError as error:
        raise OutputError(files.unwritable(path, error)) from error
    finally:
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)


def _new_part(path: Path) -> Path:
    part = path.with_name(f".part-{secrets.token_hex(4)}")
    part.mkdir()
    return part


def _move_all(parts: Sequence[Path], paths: Sequence[Path]) -> None:
    """Move every part to its place; what stood there is put aside first and back again if any move fails."""
    aside: list[tuple[Path, Path]] = []
    moved: list[tuple[Path, Path]] = []
    try:
        for part, path in zip(parts, paths, strict=True):
            if path.exists():
                old = path.with_name(f".old-{secrets.token_hex(4)}")
                path.rename(old)
                aside.append((old, path))
            part.rename(path)
            moved.append((path, part))
    except BaseException:
        for path, part in reversed(moved):
            path.rename(part)
        for old, path in reversed(aside):
            old.rename(path)
        raise
    for old, _ in aside:
        shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise OutputError(f"{path}: is a file; a DICOM series needs the name of a new folder")
    if path.is_dir() and not _is_result(path):
        raise OutputError(f"{path}: is not empty and holds more than an earlier result; name another folder")


def _is_result(folder: Path) -> bool:
    """Whether a folder is empty or holds nothing but what was written here before."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise OutputError(files.unwritable(folder, error)) from error
    return all(
        (SCAN_NAME.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink() and _is_result(entry))
        or (SLICE_NAME.fullmatch(entry.name) and _is_ours(entry))
        for entry in entries
    )


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not files.is_dicom(files.read_head(path)):
        return False
    try:
        with parsing(path):
            return bool(read_file_meta_info(os.fspath(path)).get("ImplementationClassUID") == IMPLEMENTATION_CLASS_UID)
    except InputError:
        return False
