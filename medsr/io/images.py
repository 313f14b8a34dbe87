"""An image in one file, whatever its format: its voxels to volumes, and volumes to voxels that a file can store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.errors import InputError, UsageError
from medsr.io import bids
from medsr.io.acquired_matrix import said_of_phases
from medsr.io.contrast import contrast_of_words
from medsr.io.dicom.options import Policies
from medsr.io.formats import WRITABLE
from medsr.io.modality import Guess, guess_modality
from medsr.io.padding import padding_said, without_ct_padding
from medsr.volume import Source, Volume, is_whole_number

READABLE = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
CLEARLY_COARSER = 1.2  # an axis this much coarser than the next was acquired slice by slice


def volumes_of(
    path: Path,
    stored: NDArray[Any],
    affine: NDArray[np.float64],
    source: Source,
    policies: Policies,
    scale: tuple[float, float] = (1.0, 0.0),
) -> list[Volume]:
    """The volumes of a file in turn: one for a 3D image, one per time point for a 4D image.

    A BIDS file name tells the contrast, a BIDS sidecar the thickness; the modality is guessed from the voxels where the
    name doesn't tell it.

    Args:
        path: The file, for its name and sidecar.
        stored: Stored values (I, J, K) or (I, J, K, T).
        affine: (4, 4) to RAS mm.
        source: Where they come from; contrast, modality and further warnings are added.
        policies: The modality where it is told, and what to do with voxels that are not a number.
        scale: Slope and intercept.

    Raises:
        InputError: voxels that are not finite.
        GeometryError: the affine is not that of a regular grid.
    """
    slice_axis = _slice_axis(affine)
    sidecar = bids.sidecar_of(path)
    contrast = bids.contrast_of_name(path.name) or contrast_of_words([path.name])
    volumes = []
    for t in range(stored.shape[3] if stored.ndim == 4 else 1):
        data = _scaled(stored[..., t] if stored.ndim == 4 else stored, scale)
        data, said = _without_nan(data, policies)
        guess = _modality(data, contrast, policies)
        data, n_padded = without_ct_padding(data) if guess.modality == "CT" else (data, 0)
        said += (padding_said(n_padded),) if n_padded else ()
        thickness = sidecar.thickness_mm if slice_axis is not None else None
        told = replace(
            source,
            contrast=contrast,
            warnings=(*source.warnings, *sidecar.warnings, *said_of_phases(sidecar.phases, data.shape), *said),
            acquired=sidecar.facts,
            modality_guessed=not contrast and policies.modality is None,
            modality_doubt=guess.doubt,
        )
        volumes.append(Volume(data, affine, guess.modality, thickness, slice_axis, sidecar.acquisition_type, told))
    return volumes


def _modality(data: NDArray[np.float32], contrast: str, policies: Policies) -> Guess:
    """The modality as it is told, else as the file's name says, else guessed."""
    if policies.modality is not None:
        return Guess(policies.modality)
    return Guess("CT" if contrast == "CT" else "MR") if contrast else guess_modality(data)


def stored_of(volumes: Sequence[Volume], path: Path, dtype: str | None) -> NDArray[Any]:
    """The voxels of volumes as a file stores them: (I, J, K), or (I, J, K, T) of several.

    Args:
        volumes: At least one, all of one shape and affine.
        path: Name of the file, for messages.
        dtype: Stored type, one of `WRITABLE`; None: whole numbers where every source held whole numbers (rounded half
            to even, in the smallest type of uint8 for uint8 sources, int16, int32 that holds them), else float32.

    Raises:
        UsageError: no volume, different grids, an unknown type, or values that it can't hold.
    """
    _check_request(volumes, path, dtype)
    chosen = np.dtype(dtype) if dtype else _stored_type(volumes)
    stored = [_stored(volume.data, chosen) for volume in volumes]
    return stored[0] if len(stored) == 1 else np.stack(stored, axis=-1)


def _slice_axis(affine: NDArray[np.float64]) -> int | None:
    spacing = grids.spacing_mm(affine)
    _, next_mm, coarsest_mm = np.sort(spacing)
    return int(np.argmax(spacing)) if coarsest_mm > CLEARLY_COARSER * next_mm else None


def _scaled(stored: NDArray[Any], scale: tuple[float, float]) -> NDArray[np.float32]:
    slope, intercept = scale
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows becomes infinite, which Volume refuses
        if scale == (1.0, 0.0):
            return stored.astype(np.float32, copy=False)
        if is_whole_number(stored.dtype) and stored.dtype.itemsize <= 2 and abs(slope) < 1e30 and abs(intercept) < 1e30:
            return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _without_nan(data: NDArray[np.float32], policies: Policies) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The voxels with numbers everywhere, as the policies ask, and a warning where some were not.

    Raises:
        InputError: some are not, and it is not said what to do.
    """
    is_nan = np.isnan(data)
    n_nan = int(np.count_nonzero(is_nan))
    if not n_nan:
        return data, ()
    if policies.nan == "refuse" or n_nan == data.size:
        way = "" if n_nan == data.size else "; where they are background, --nan lowest gives them the lowest value"
        raise InputError(f"{n_nan} of {data.size} voxels are NaN{way}")
    lowest = data[~is_nan].min()
    return np.where(is_nan, lowest, data), (f"voxels that were NaN set to the lowest value: {n_nan} (--nan lowest)",)


def _check_request(volumes: Sequence[Volume], path: Path, dtype: str | None) -> None:
    if dtype is not None and dtype not in WRITABLE:
        raise UsageError(f"voxel type {dtype!r} is not one of {', '.join(WRITABLE)}")
    if not volumes:
        raise UsageError(f"{path}: no volume to write")
    first = volumes[0]
    if any(v.shape != first.shape or not np.array_equal(v.affine, first.affine) for v in volumes[1:]):
        raise UsageError(f"{path}: volumes of one file must share shape and affine; write them to separate files")


def _stored_type(volumes: Sequence[Volume]) -> np.dtype[Any]:
    sources = {volume.source.dtype for volume in volumes}
    if not all(is_whole_number(source) for source in sources):
        return np.dtype(np.float32)
    low = min(float(np.rint(volume.data.min())) for volume in volumes)
    high = max(float(np.rint(volume.data.max())) for volume in volumes)
    candidates = ("uint8", "int16", "int32") if sources == {"uint8"} else ("int16", "int32")
    return np.dtype(next((name for name in candidates if _holds(name, low, high)), "float32"))


def _holds(name: str, low: float, high: float) -> bool:
    limits = np.iinfo(name)
    return limits.min <= low and high <= limits.max


def _stored(data: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return data
    rounded = np.rint(data)  # half to even
    low, high = float(rounded.min()), float(rounded.max())
    if not _holds(dtype.name, low, high):
        raise UsageError(f"values from {low:g} to {high:g} don't fit {dtype.name}; choose int32 or float32")
    return rounded.astype(dtype)
