"""A DICOM series to `Volume`. Here the scan turns from LPS to RAS; past this door everything is RAS.

What is taken for one volume, and what is not:

- read: classic and enhanced multi-frame MR and CT, any transfer syntax that the installed pydicom plugins decode, files
  in any order, gaps and overlaps between slices, small jitter of positions (`stack.MAX_STEP_JITTER`), slope and
  intercept per slice. MONOCHROME1 keeps its values: it only tells how to show them. The Modality tag is believed.
- read with a warning: identical copies of a file (dropped), files that are not DICOM and DICOM files that are not MR or
  CT images (skipped), slices of different nominal thickness (thickness then unknown).
- refused: several series, volumes, orientations, matrices or frames of reference; uneven, missing or repeated slices; a
  tilted gantry; one slice; localizers, mosaics, projections, colour, secondary captures; files without preamble;
  truncated pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels

from medsr.errors import InputError, ResourceError
from medsr.io import files
from medsr.io.frames import Frame, frames_of
from medsr.io.headers import modality_of, parsing, read_file
from medsr.io.series import Series, find_series
from medsr.io.stack import Stack, stacked
from medsr.volume import Modality, Source, Volume, check_shape

SAME_THICKNESS = 0.01  # relative; nominal thicknesses that differ by more are not one thickness
_CONTRASTS = {
    "T1": "T1w",
    "T2": "T2w",
    "T2_STAR": "T2starw",
    "PROTON_DENSITY": "PDw",
    "FLUID_ATTENUATED": "FLAIR",
    "DIFFUSION": "dwi",
    "PERFUSION": "asl",
}


def read_dicom(path: Path | str) -> list[Volume]:
    """The volume of a DICOM series, as a list of one.

    Args:
        path: a folder with one series, or any file of a series (its folder may hold others).

    Returns:
        Volume with axes (column, row, slice), slices ascending along row x column, `slice_axis` 2.

    Raises:
        InputError: no MR or CT slices, colour, no preamble, damaged or truncated files.
        GeometryError: not one regular volume; the message says what was found and expected.
        ResourceError: not enough memory.
    """
    path = Path(path)
    with files.naming(path):
        series = find_series(path)
        stack = stacked([frame for file in series.files for frame in frames_of(file)])
        check_shape(stack.shape)
        data, dtype = _voxels(stack)
        thickness_mm, warnings = _thickness(stack)
        header = series.files[0].header
        source = Source(
            format="dicom",
            content_sha256=files.sha256_of_digests(file.sha256 for file in series.files),
            dtype=dtype,
            contrast=_contrast(series),
            warnings=(*series.warnings, *warnings),
        )
        modality = cast(Modality, modality_of(header))
        return [Volume(data, stack.affine, modality, thickness_mm, slice_axis=2, source=source)]


def _voxels(stack: Stack) -> tuple[NDArray[np.float32], str]:
    """Rescaled voxels (column, row, slice) and the name of their stored type."""
    try:
        data = np.empty(stack.shape, np.float32, order="F")
    except MemoryError as error:
        raise ResourceError(f"not enough memory for {stack.shape} voxels; close other programs first") from error
    places: dict[Path, list[tuple[Frame, int]]] = {}
    for k, frame in enumerate(stack.frames):
        places.setdefault(frame.path, []).append((frame, k))
    types = set()
    for path, members in places.items():
        stored = _stored_frames(path)
        for frame, k in members:
            if frame.index >= len(stored) or stored[frame.index].shape != frame.shape:
                raise InputError(f"{path.name}: pixel data don't match the header; send the file again")
            with np.errstate(over="ignore"):  # what overflows becomes infinite, which Volume refuses
                data[:, :, k] = (stored[frame.index].astype(np.float64) * frame.slope + frame.intercept).T
            types.add(stored[frame.index].dtype.name)
    return data, _dtype(stack, data, types)


def _stored_frames(path: Path) -> list[NDArray[Any]]:
    """Stored values (rows, columns) of every frame of a file.

    Raises:
        InputError: truncated, damaged, or in a transfer syntax that no plugin decodes.
    """
    dataset = read_file(path)
    with parsing(path):
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if syntax is None:
            raise InputError(f"{path.name}: no transfer syntax in the file meta header; rewrite it as DICOM Part 10")
        _check_complete(dataset, path.name)
    try:
        with parsing(path):
            frames = list(iter_pixels(dataset, raw=True))
    except InputError as error:
        name = syntax.name if syntax.name != syntax else "an unknown transfer syntax"
        raise InputError(
            f"{path.name}: pixel data ({name}) can't be decoded: truncated, damaged, or no codec for it"
        ) from error
    if syntax.is_encapsulated:
        return frames
    return [_without_unused_bits(frame, dataset.BitsStored) for frame in frames]


def _check_complete(dataset: Dataset, name: str) -> None:
    n_found = len(dataset.get("PixelData") or b"")
    if not n_found:
        raise InputError(f"{name}: no pixel data; the file is truncated or holds only a header")
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        n_frames = int(dataset.get("NumberOfFrames") or 1)
        n_expected = dataset.Rows * dataset.Columns * n_frames * dataset.BitsAllocated // 8
        if n_found < n_expected:
            raise InputError(f"{name}: pixel data are truncated ({n_found} of {n_expected} bytes); send the file again")


def _without_unused_bits(frame: NDArray[Any], bits_stored: int) -> NDArray[Any]:
    """Stored values whose bits above BitsStored, which may hold an overlay, are replaced by the sign or by zero."""
    unused = frame.dtype.itemsize * 8 - bits_stored
    return (frame << unused) >> unused if unused else frame


def _dtype(stack: Stack, data: NDArray[np.float32], types: set[str]) -> str:
    scales = {(frame.slope, frame.intercept) for frame in stack.frames}
    if scales == {(1.0, 0.0)} and len(types) == 1:
        return types.pop()
    if not all(slope.is_integer() and intercept.is_integer() for slope, intercept in scales):
        return "float32"
    return "int16" if data.min() >= -32768 and data.max() <= 32767 else "int32"


def _thickness(stack: Stack) -> tuple[float | None, tuple[str, ...]]:
    known = [frame.thickness_mm for frame in stack.frames if frame.thickness_mm is not None]
    if not known:
        return None, ()
    if len(known) < len(stack.frames) or max(known) > (1 + SAME_THICKNESS) * min(known):
        return None, ("slices have different nominal thicknesses: slice thickness not known",)
    return float(np.median(known)), ()


def _contrast(series: Series) -> str:
    first = series.files[0]
    if modality_of(first.header) == "CT":
        return "CT"
    with parsing(first.path):
        return _CONTRASTS.get(str(first.header.get("AcquisitionContrast") or ""), "")
