"""The grid of an image, read from its header: what a result is asked to lie on."""

from __future__ import annotations

from pathlib import Path

from medsr.affine import checked
from medsr.errors import InputError
from medsr.fusion.grid import Grid
from medsr.io import Policies, files, formats
from medsr.io.dicom.reading import read_dicom_scans
from medsr.io.dicom.stack import Stack
from medsr.volume import check_shape


def read_grid(path: Path, policies: Policies) -> tuple[Grid, Stack | None]:
    """The grid of a file or a DICOM series, and the slices of a series.

    Args:
        path: File of any format, DICOM folder or any file of a series.
        policies: What to do with an irregular DICOM series.

    Raises:
        GeometryError: it is not a regular grid.
        InputError: it can't be read, or holds several volumes.
    """
    known = formats.by_content(path)
    if known.is_series:
        scans = read_dicom_scans(path, policies)
        _check_one(path, len(scans))
        return Grid(scans[0].volume.shape, scans[0].volume.affine), scans[0].stack
    known.check_installed()
    with files.naming(path):
        outline = known.outline(path)
        _check_one(path, outline.n_volumes)
        check_shape(outline.shape)
        return Grid(outline.shape, checked(outline.affine)), None


def _check_one(path: Path, n_volumes: int) -> None:
    if n_volumes > 1:
        raise InputError(f"{path}: holds {n_volumes} volumes; expected an image with one as the grid")
