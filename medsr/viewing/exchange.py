"""Volumes between two processes: the voxels as a file in a private folder, the rest as plain values."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from medsr.errors import ResourceError
from medsr.volume import Forms, Source, Volume


def facts_of(volume: Volume) -> dict[str, Any]:
    """All of a volume but its voxels, for JSON."""
    return {
        "affine": volume.affine.tolist(),
        "shape": list(volume.shape),
        "modality": volume.modality,
        "thickness_mm": volume.thickness_mm,
        "slice_axis": volume.slice_axis,
        "acquisition_type": volume.acquisition_type,
        "source": asdict(volume.source),
    }


def packed(volume: Volume, folder: Path) -> dict[str, Any]:
    """A volume for a message; its voxels go into `folder`.

    Raises:
        ResourceError: the folder is full or gone.
    """
    path = folder / f"{secrets.token_hex(8)}.npy"
    try:
        np.save(path, volume.data, allow_pickle=False)
    except OSError as error:
        raise ResourceError("the folder for temporary files is full or gone; free some disk space") from error
    return {**facts_of(volume), "voxels": str(path)}


def unpacked(message: dict[str, Any]) -> Volume:
    """The volume of a message; its file is removed.

    Raises:
        ResourceError: the file is gone or damaged.
    """
    path = Path(message["voxels"])
    try:
        data = np.load(path, allow_pickle=False)
        path.unlink()
    except (OSError, ValueError) as error:
        raise ResourceError("the voxels were removed from the folder for temporary files; try again") from error
    return _volume(data, message)


def outline(message: dict[str, Any]) -> Volume:
    """The grid of a message as a volume of zeros that takes no memory of its own: for questions of geometry."""
    return _volume(np.broadcast_to(np.float32(0), message["shape"]), message)


def source_of(facts: dict[str, Any]) -> Source:
    """The source of a volume from its plain values, lists where JSON made lists of tuples."""
    forms = facts["forms"]
    if forms is not None:
        rows = forms["to_qform"]
        forms = Forms(**{**forms, "to_qform": None if rows is None else tuple(map(tuple, rows))})
    phrases = {name: tuple(facts[name]) for name in ("warnings", "acquired")}
    return Source(**{**facts, **phrases, "forms": forms})


def _volume(data: Any, message: dict[str, Any]) -> Volume:
    return Volume(
        data=data,
        affine=np.array(message["affine"], dtype=np.float64),
        modality=message["modality"],
        thickness_mm=message["thickness_mm"],
        slice_axis=message["slice_axis"],
        acquisition_type=message["acquisition_type"],
        source=source_of(message["source"]),
    )
