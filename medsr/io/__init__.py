"""Files to `Volume` and back: the only package that knows file formats.

Whatever comes out of here is one regular grid in RAS mm with finite voxels; what is not is refused with a one-line
error. Nothing half written is left behind, and nothing that names a patient leaves the headers.

Modules import one way, in the order files, folders, formats, streams, outline, bids, modality, images, nifti_forms,
nifti, mgh, itk, dicom, names, found, discover; manifest and recipes stand beside them. The code of a format is imported
on first use, so this package costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medsr.errors import InputError, UsageError
from medsr.io import formats
from medsr.io.dicom.options import DEFAULT, Policies

if TYPE_CHECKING:
    from medsr.volume import Volume

__all__ = ["Policies", "load", "load_all", "save"]


def load(path: Path | str, policies: Policies = DEFAULT) -> Volume:
    """The one scan of a path.

    Args:
        path: NIfTI, FreeSurfer, MINC, NRRD or MetaImage file, DICOM folder, or any file of a DICOM series.
        policies: What to do with an irregular DICOM series.

    Returns:
        The scan: float32 voxels in the unit of the file (HU for CT), on a regular grid in RAS mm.

    Raises:
        InputError: it can't be read, or holds several volumes.
        GeometryError: it is not a regular volume.
        ResourceError: not enough memory.
    """
    volumes = load_all(path, policies)
    if len(volumes) > 1:
        raise InputError(f"{path}: holds {len(volumes)} volumes; expected one, so read them in turn with load_all")
    return volumes[0]


def load_all(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """Every scan of a path in turn: one per time point of a 4D file, one per part of a DICOM series that is split.

    Args:
        path: NIfTI, FreeSurfer, MINC, NRRD or MetaImage file, DICOM folder, or any file of a DICOM series.
        policies: What to do with an irregular DICOM series.

    Returns:
        At least one scan; those of a 4D file share their grid.

    Raises:
        InputError: it can't be read.
        GeometryError: it is not a regular volume.
        ResourceError: not enough memory.
    """
    path = Path(path)
    return formats.by_content(path).read(path, policies)


def save(
    volumes: Volume | Sequence[Volume], path: Path | str, *, dtype: str | None = None, like: Path | str | None = None
) -> None:
    """Write one volume, or several, to a file or as derived DICOM series; all or nothing.

    Args:
        volumes: Volumes to write; several share one grid in a file, and become a series each in DICOM.
        path: Name of the file, whose suffix decides the format, or of the folder of the series.
        dtype: Voxel type of the file, such as "int16"; None: whole numbers where the source held them, else float32.
        like: DICOM series that the volumes were made of; they keep its patient, study and place. None: a file.

    Raises:
        UsageError: another format, a type that can't hold the values, or a series that lies somewhere else.
        OutputError: the file can't be written.
    """
    path, several = Path(path), list(volumes) if isinstance(volumes, Sequence) else [volumes]
    if like is not None:
        from medsr.io.dicom.archive import save_like

        save_like(several, path, Path(like))
        return
    known = formats.by_name(path.name)
    if path.is_dir() or (known is not None and known.is_series):
        raise UsageError(f"{path}: DICOM takes the place of a series; say like=SERIES, or end in {formats.endings()}")
    if known is None:
        raise UsageError(f"{path}: the suffix is not that of a known format; end the name in {formats.endings()}")
    if not known.writes(path.name):
        raise UsageError(f"{path}: {known.title} is not written under that suffix; end the name in {formats.endings()}")
    known.write(several, path, dtype)
