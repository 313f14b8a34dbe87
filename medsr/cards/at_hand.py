"""Scans that are at hand against the rows of a manifest: bytes, headers, values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from medsr import affine as grids
from medsr.cards.manifest import Row
from medsr.cards.personal import patterns_in
from medsr.io import files, nifti

TEXT_FIELDS = ("descrip", "aux_file", "intent_name", "db_name", "data_type")
SPACING_TOLERANCE = 1e-3  # of the spacing: manifests round to four digits


def missing_files(rows: Sequence[Row], data: Path) -> list[str]:
    """Files of a manifest that are not in the folder of scans."""
    return [row.file for row in rows if not (data / row.file).is_file()]


def differences(row: Row, data: Path) -> Iterator[str]:
    """How a scan differs from its row, one line each.

    Args:
        row: Row of a manifest.
        data: Folder that the row's file name starts from.

    Raises:
        InputError: The file can't be read.
    """
    path = data / row.file
    if files.sha256_file(path) != row.sha256:
        yield f"{row.file}: its bytes do not have the SHA-256 of the manifest"
        return
    image = nib.load(path)
    volume = nifti.read_nifti(path)[0]
    if volume.shape != row.voxels:
        yield f"{row.file}: {_times(volume.shape)} voxels, the manifest says {row.shape}"
    if not np.allclose(volume.spacing_mm, row.spacing, rtol=SPACING_TOLERANCE, atol=5e-4):
        yield f"{row.file}: spacing {_times(volume.spacing_mm)} mm, the manifest says {row.spacing_mm}"
    if grids.axis_codes(volume.affine) != row.axes:
        yield f"{row.file}: axes {grids.axis_codes(volume.affine)}, the manifest says {row.axes}"
    low, high = float(volume.data.min()), float(volume.data.max())
    if (low, high) != row.intensities:
        yield f"{row.file}: values {low:g} to {high:g}, the manifest says {row.intensity_range}"
    texts = [str(image.header[field].astype(str)) for field in TEXT_FIELDS if image.header[field].item()]
    if texts or image.header.extensions:
        kinds = ", ".join(patterns_in(" ".join(texts))) or "no known pattern"
        yield f"{row.file}: its header holds text or extensions ({kinds}); a published scan needs none"


def _times(values: Iterable[float]) -> str:
    return "x".join(f"{float(value):.4g}" for value in values)
