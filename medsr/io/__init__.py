"""Files to `Volume` and back. Floor 2: the only room that knows file formats.

Rule: whatever comes out of here is one regular grid in RAS mm with finite voxels; what is not is refused with a
one-line error. Nothing half written is left behind, and nothing that names a patient leaves the headers. Order inside:
files, bids, nifti, headers, series, frames, stack, dicom.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.errors import InputError, UsageError
from medsr.io import files
from medsr.io.dicom import read_dicom
from medsr.io.nifti import read_nifti, write_nifti
from medsr.volume import Volume

__all__ = ["load", "load_all", "save"]


def load(path: Path | str) -> Volume:
    """The one scan of a NIfTI file, of a DICOM folder, or of the series that a DICOM file belongs to.

    Raises:
        InputError: it can't be read, or the file holds several volumes.
        GeometryError: it is not a regular volume.
    """
    volumes = load_all(path)
    if len(volumes) > 1:
        raise InputError(f"{path}: holds {len(volumes)} volumes; expected one, so read them in turn with load_all")
    return volumes[0]


def load_all(path: Path | str) -> list[Volume]:
    """Every volume of a NIfTI file or DICOM series in turn.

    Raises:
        InputError: it can't be read.
        GeometryError: it is not a regular volume.
    """
    path = Path(path)
    return read_nifti(path) if files.sniff(path) == "nifti" else read_dicom(path)


def save(volumes: Volume | Sequence[Volume], path: Path | str, *, dtype: str | None = None) -> None:
    """Write one volume, or several of one grid as 4D, to a .nii or .nii.gz file; all or nothing.

    Args:
        volumes: what to write.
        path: name of the file.
        dtype: stored type; None: whole numbers where the source held whole numbers, else float32.

    Raises:
        UsageError: another format, or a type that can't hold the values.
        OutputError: the file can't be written.
    """
    path = Path(path)
    if path.suffix.lower() in (".dcm", ".ima") or path.is_dir():
        raise UsageError(f"{path}: DICOM can't be written yet; end the name in .nii or .nii.gz")
    write_nifti([volumes] if isinstance(volumes, Volume) else volumes, path, dtype=dtype)
