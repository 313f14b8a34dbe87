"""What napari calls to write a layer back, with the affine that its scan really has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsr.errors import UsageError

from .layers import METADATA_KEY, volume_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medsr.io.dicom.derivation import Derivation


def write_file(path: str, data: NDArray[Any], keywords: dict[str, Any]) -> list[str]:
    """Write one layer as a file, and beside it the run record where medsr made the layer.

    Args:
        path: Name of the file, whose suffix decides the format (NIfTI).
        data: Voxels (Z, Y, X) as in the layer.
        keywords: Keywords of the layer.

    Returns:
        The paths that were written.

    Raises:
        InputError: the layer does not come from medsr.
        OutputError: the file can't be written.
    """
    from medsr.io import save

    target = Path(path)
    volume = volume_of((data, keywords, "image"))
    written = _write_record(target, keywords)
    try:
        save(volume, target, dtype=None if _is_scan(keywords) else "float32")
    except BaseException:
        for companion in written:
            Path(companion).unlink(missing_ok=True)
        raise
    return [path, *written]


def write_dicom(path: str, data: NDArray[Any], keywords: dict[str, Any]) -> list[str]:
    """Write one layer as a derived DICOM series, into a new folder, in the place of the series that it was made of.

    Args:
        path: Name of the folder; an ending .dcm, which napari's dialogue adds, is left off.
        data: Voxels (Z, Y, X) as in the layer.
        keywords: Keywords of the layer.

    Returns:
        The files that were written.

    Raises:
        UsageError: the layer was not made of a DICOM series.
        OutputError: the folder can't be written.
    """
    from medsr.io.dicom.archive import write_all
    from medsr.io.dicom.derived import DerivedSeries
    from medsr.io.dicom.folders import atomic_folders
    from medsr.io.dicom.places import placed
    from medsr.io.formats import stem

    folder = Path(path).with_name(stem(Path(path).name))
    volume = volume_of((data, keywords, "image"))
    facts = keywords["metadata"][METADATA_KEY]
    if facts["source"]["format"] != "dicom" or not facts.get("path"):
        raise UsageError("the scan was not opened from a DICOM series; save as NIfTI, or use medsr enhance --like")
    (scan,) = placed([volume], Path(facts["path"]))
    series = DerivedSeries(scan.volume, scan.stack, _derivation(facts))
    with atomic_folders(folder) as (part,):
        write_all([series], part)
    return sorted(str(file) for file in folder.iterdir())


def _derivation(facts: dict[str, Any]) -> Derivation:
    from medsr.io.dicom.derivation import derivation_of, saved_from_memory
    from medsr.record import Record

    if "record" not in facts:
        return saved_from_memory()
    record = Record.from_json(json.dumps(facts["record"]))
    return derivation_of(record, "uncertainty" if facts.get("role") == "uncertainty" else "result")


def _is_scan(keywords: dict[str, Any]) -> bool:
    """Whether a layer holds a scan; maps such as the uncertainty are never rounded to whole numbers."""
    return keywords["metadata"][METADATA_KEY].get("role", "scan") in ("scan", "enhanced")


def _write_record(target: Path, keywords: dict[str, Any]) -> list[str]:
    """Record first: a result without its record must never exist."""
    from medsr.io import files

    record = keywords["metadata"][METADATA_KEY].get("record")
    if record is None:
        return []
    path = target.with_name(f"{target.name}.json")
    if path.exists():
        raise UsageError(f"{path}: a record of another scan lies there; choose another name")
    with files.atomic(path) as file:
        file.write((json.dumps(record, indent=1) + "\n").encode())
    return [str(path)]
