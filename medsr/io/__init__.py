"""Files to `Volume` and back. Floor 2: the only room that knows file formats.

Rule: whatever comes out of here is one regular grid in RAS mm with finite voxels; what is not is refused with a
one-line error. Nothing half written is left behind, and nothing that names a patient leaves the headers. Order inside:
files, bids, manifest, nifti, outline, dicom.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.errors import InputError, UsageError
from medsr.io import files
from medsr.io.dicom import read_dicom
from medsr.io.dicom.archive import save_like
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.nifti import read_nifti, write_nifti
from medsr.volume import Volume

__all__ = ["Policies", "load", "load_all", "save"]


def load(path: Path | str, policies: Policies = DEFAULT) -> Volume:
    """The one scan of a NIfTI file, of a DICOM folder, or of the series that a DICOM file belongs to.

    Raises:
        InputError: it can't be read, or the file holds several volumes.
        GeometryError: it is not a regular volume.
    """
    volumes = load_all(path, policies)
    if len(volumes) > 1:
        raise InputError(f"{path}: holds {len(volumes)} volumes; expected one, so read them in turn with load_all")
    return volumes[0]


def load_all(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """Every volume of a NIfTI file or DICOM series in turn.

    Args:
        path: file or folder.
        policies: what to do with an irregular DICOM series.

    Raises:
        InputError: it can't be read.
        GeometryError: it is not a regular volume.
    """
    path = Path(path)
    return read_nifti(path) if files.sniff(path) == "nifti" else read_dicom(path, policies)


def save(
    volumes: Volume | Sequence[Volume], path: Path | str, *, dtype: str | None = None, like: Path | str | None = None
) -> None:
    """Write one volume, or several, to a .nii or .nii.gz file or as derived DICOM series; all or nothing.

    Args:
        volumes: what to write; several share one grid in a NIfTI file, and become a series each in DICOM.
        path: name of the file, or of the folder of the series.
        dtype: NIfTI: stored type; None: whole numbers where the source held whole numbers, else float32.
        like: DICOM series that the volumes were made of: their patient, study and place. Without it NIfTI is written.

    Raises:
        UsageError: another format, a type that can't hold the values, or a series that lies somewhere else.
        OutputError: the file can't be written.
    """
    path, several = Path(path), [volumes] if isinstance(volumes, Volume) else volumes
    if like is not None:
        save_like(several, path, Path(like))
        return
    if path.suffix.lower() in (".dcm", ".ima") or path.is_dir():
        raise UsageError(
            f"{path}: DICOM needs to know of which series: say like=SERIES, or end the name in .nii or .nii.gz"
        )
    write_nifti(several, path, dtype=dtype)
