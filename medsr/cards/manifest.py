"""`manifest.tsv`: one row for each file of a card, with source and SHA-256."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass, fields
from pathlib import Path

from medsr.errors import InputError

MANIFEST = "manifest.tsv"
_FILE = re.compile(r"[\w-]+/sub-(\w+)_(\w+)\.nii(?:\.gz)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Row:
    """One scan of a card, as written in the manifest (`data_cards/README.md` explains the columns)."""

    file: str
    subject: str
    source: str
    seen_source: str
    contrast: str
    field_vendor: str
    spacing_mm: str
    shape: str
    acquired: str
    processing: str
    licence: str
    source_path: str
    sha256: str
    axes: str
    intensity_range: str
    upper_half_band_percent: str
    band_support: str

    @property
    def label(self) -> str:
        """The part of the file name that stands for the person, such as "openms01"."""
        found = _FILE.fullmatch(self.file)
        return self.file if found is None else found[1]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel spacing in mm, axes as stored."""
        i, j, k = (float(part) for part in self.spacing_mm.split("x"))
        return i, j, k

    @property
    def voxels(self) -> tuple[int, int, int]:
        """Voxels per axis as stored."""
        i, j, k = (int(part) for part in self.shape.split("x"))
        return i, j, k

    @property
    def intensities(self) -> tuple[float, float]:
        """Least and most stored value; HU for CT."""
        low, high = (float(part) for part in self.intensity_range.split(".."))
        return low, high


COLUMNS = tuple(entry.name for entry in fields(Row))


def read_manifest(folder: Path) -> list[Row]:
    """The rows of a card's manifest.

    Raises:
        InputError: No manifest, other columns, an empty cell, or a cell that does not hold what its column says.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read; a data card needs a {MANIFEST} with one row a file") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"{path}: columns {', '.join(reader.fieldnames or ())}; expected {', '.join(COLUMNS)}")
    rows = [_row(path, number, cells) for number, cells in enumerate(reader, start=2)]
    if not rows:
        raise InputError(f"{path}: no rows; expected one for each file")
    return rows


def manifest_sha256(folder: Path) -> str:
    """The hash by which weights and model cards name a data card: the SHA-256 of its manifest.

    Raises:
        InputError: No manifest.
    """
    try:
        return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{folder / MANIFEST}: can't be read; expected the manifest of a data card") from error


def _row(path: Path, number: int, cells: dict[str, str]) -> Row:
    if set(cells) != set(COLUMNS) or not all(cells[name] for name in COLUMNS):
        raise InputError(f"{path}: line {number} has empty or surplus cells; expected {len(COLUMNS)}")
    row = Row(**cells)
    if _FILE.fullmatch(row.file) is None:
        raise InputError(f"{path}: line {number}: file {row.file!r}; expected SPLIT/sub-LABEL_CONTRAST.nii.gz")
    if _SHA256.fullmatch(row.sha256) is None:
        raise InputError(f"{path}: line {number}: {row.sha256!r} is not a SHA-256; expected 64 hexadecimal digits")
    for name in ("spacing", "voxels", "intensities"):
        try:
            getattr(row, name)
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {name} can't be read; expected AxBxC, or LOW..HIGH") from error
    return row
