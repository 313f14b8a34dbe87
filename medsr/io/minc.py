"""MINC 1 (`.mnc`, netCDF), plain or gzip, to `Volume`. It is read, never written.

The names of axes and attributes, and what they stand for where they are missing, are those of the MINC 1 programmer's
reference (Wikibooks, MINC/Reference/MINC1-programmers-reference); the coordinates are RAS, as those of NIfTI are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError
from medsr.io import files
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.images import volumes_of
from medsr.io.netcdf import Variable, read_variables
from medsr.io.outline import Outline
from medsr.io.streams import check_holds, damage_reported, inflated_stream, read_voxels
from medsr.volume import MAX_VOXELS, Modality, Source, Volume, check_shape

SPACE = ("xspace", "yspace", "zspace")
TIME = "time"
MODALITIES: Mapping[str, Modality] = {"MRI": "MR", "CT": "CT"}
SECONDS = ("", "s", "sec", "second", "seconds")
MAX_TAIL_BYTES = 1 << 20  # variables behind the voxels; read to the end so that gzip checks its own sum
NO_STEP = "the header holds no step of {}: the default of 1 mm is taken"
NO_MM = "the header gives positions in another unit than mm: mm is taken"
TO_NIFTI = "convert the scan to NIfTI with mnc2nii"


@dataclass(frozen=True)
class _Header:
    """What a file says of its voxels.

    Attributes:
        variables: Every variable by name.
        image: The one with the voxels, its type signed or not as the header says.
        axes: Names of its axes, the fastest first: three of space, and time where there are several volumes.
        shape: (I, J, K) or (I, J, K, T).
    """

    variables: Mapping[str, Variable]
    image: Variable
    axes: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def modality(self) -> Modality | None:
        study = self.variables.get("study")
        return None if study is None else MODALITIES.get(study.text("modality").strip("_"))


def read_minc(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """The volumes of a MINC 1 file in turn: one for each time point. The fastest axis of the file comes first.

    Args:
        path: The file.
        policies: The modality where it is told, and what to do with voxels that are not a number.

    Raises:
        InputError: damaged, truncated, other axes than those of space and time, or voxels that are not finite.
        GeometryError: the affine is not that of a regular grid.
        ResourceError: not enough memory.
    """
    path = Path(path)
    with files.naming(path):
        header = _header(path)
        affine, warnings = _affine(header)
        step = _time_step(header)
        with damage_reported():
            voxels = _real_values(path, header)
        source = Source(
            format="minc",
            content_sha256=files.sha256_file(path),
            dtype=voxels.dtype.newbyteorder("=").name,
            warnings=warnings,
            time_step=step,
            time_unit="" if step is None else "sec",
        )
        told = policies if policies.modality or not header.modality else replace(policies, modality=header.modality)
        return volumes_of(path, voxels, affine, source, told)


def outline_minc(path: Path) -> Outline:
    """The grid of a MINC 1 file from its header alone.

    Raises:
        InputError: a damaged header, or fewer bytes than it declares.
    """
    with files.naming(path):
        header = _header(path)
        i, j, k, *times = header.shape
        return Outline((i, j, k), _affine(header)[0], times[0] if times else 1, modality=header.modality)


def _header(path: Path) -> _Header:
    with inflated_stream(path) as stream, damage_reported():
        variables = read_variables(stream)
    image = variables.get("image")
    if image is None:
        raise InputError("a netCDF file without an image of MINC; expected a scan")
    if "vector_dimension" in image.axes:
        raise InputError("several values a voxel, such as colour or vectors; expected one")
    space = [axis for axis in reversed(image.axes) if axis != TIME]
    if sorted(space) != sorted(SPACE) or image.axes.count(TIME) > 1:
        raise InputError(f"the image has other axes than {', '.join(SPACE)} and {TIME}; {TO_NIFTI}")
    if 0 in image.shape:
        raise InputError(f"the image has no fixed size, or none; {TO_NIFTI}")
    sizes = dict(zip(image.axes, image.shape, strict=True))
    axes = (*space, TIME) if TIME in sizes else tuple(space)
    check_shape(tuple(sizes[axis] for axis in space))
    if math.prod(image.shape) > MAX_VOXELS:
        raise InputError(f"header declares {math.prod(image.shape)} voxels; the limit is {MAX_VOXELS}")
    check_holds(path, image.offset, image.n_bytes)
    return _Header(variables, replace(image, dtype=_signed(image)), axes, tuple(sizes[axis] for axis in axes))


def _signed(image: Variable) -> np.dtype[Any]:
    """The stored type: netCDF itself has no unsigned one, so an attribute says it; without it, bytes alone are."""
    if image.dtype.kind == "S":
        raise InputError("the image holds letters; expected numbers")
    said = image.text("signtype")
    unsigned = said == "unsigned" or (not said and image.dtype.itemsize == 1)
    return np.dtype(image.dtype.str.replace("i", "u")) if unsigned and image.dtype.kind == "i" else image.dtype


def _affine(header: _Header) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Voxel index to RAS mm, and warnings: along each axis its direction, times its start plus its step a voxel.

    Raises:
        InputError: an axis with uneven steps.
    """
    affine, warnings = np.eye(4), []
    affine[:3, :3] = 0
    for column, axis in enumerate(header.axes[:3]):
        said = header.variables.get(axis)
        if said is not None and said.text("spacing").startswith("irregular"):
            raise InputError(f"the voxels are not evenly spaced along {axis}; resample the scan with mincresample")
        step = None if said is None else said.numbers("step", 1)
        start = None if said is None else said.numbers("start", 1)
        direction = None if said is None else said.numbers("direction_cosines", 3)
        along = np.array(direction or np.eye(3)[SPACE.index(axis)])
        affine[:3, column] = along * (step or (1.0,))[0]
        affine[:3, 3] += along * (start or (0.0,))[0]
        if step is None:
            warnings.append(NO_STEP.format(axis))
        if said is not None and said.text("units") not in ("", "mm") and NO_MM not in warnings:
            warnings.append(NO_MM)
    return affine, tuple(warnings)


def _time_step(header: _Header) -> float | None:
    """Seconds between the volumes; None for a single one, or where they are not known."""
    said = header.variables.get(TIME) if len(header.shape) > 3 else None
    step = None if said is None or said.text("units") not in SECONDS else said.numbers("step", 1)
    return step[0] if step is not None and math.isfinite(step[0]) and step[0] > 0 else None


def _real_values(path: Path, header: _Header) -> NDArray[Any]:
    """What the voxels stand for (I, J, K) or (I, J, K, T): stored values where they are those, else float32.

    The valid range of whole numbers stands for the range from `image-min` to `image-max`, which may differ from slice
    to slice; floating-point numbers stand for themselves.
    """
    image = header.image
    with inflated_stream(path) as stream:
        stored = read_voxels(stream, image.offset, image.shape[::-1], image.dtype)
        stream.read(MAX_TAIL_BYTES)
    if image.dtype.kind != "f":
        low, high = _valid_range(image)
        lowest, highest = (_limit(path, header, name) for name in ("image-min", "image-max"))
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused as voxels
            slope = (highest - lowest) / (high - low)
            stored = _scaled(stored, (low, high), slope, lowest - low * slope)
    if image.axes.count(TIME):
        return np.moveaxis(stored, image.axes[::-1].index(TIME), -1)
    return stored


def _scaled(
    stored: NDArray[Any], valid: tuple[float, float], slope: NDArray[np.float64], intercept: NDArray[np.float64]
) -> NDArray[Any]:
    """Real values, slice by slice, so that no copy in float64 of the whole is made."""
    if np.all(slope == 1) and np.all(intercept == 0):
        return np.clip(stored, math.ceil(valid[0]), math.floor(valid[1]), out=stored)
    real = np.empty(stored.shape, np.float32, order="F")
    for k in range(stored.shape[-1]):
        here = slope[..., min(k, slope.shape[-1] - 1)], intercept[..., min(k, intercept.shape[-1] - 1)]
        real[..., k] = np.clip(stored[..., k], *valid) * here[0] + here[1]
    return real


def _valid_range(image: Variable) -> tuple[float, float]:
    """The lowest and highest stored value that count; that of the type where the header doesn't say it.

    Raises:
        InputError: no range, or one that reaches beyond the type.
    """
    info = np.iinfo(image.dtype)
    ends = [image.numbers(f"valid_{end}", 1) for end in ("min", "max")]
    said = [end[0] for end in ends if end is not None]
    low, high = sorted(image.numbers("valid_range", 2) or (said if len(said) == 2 else (info.min, info.max)))
    if not info.min <= low < high <= info.max:
        raise InputError(f"the valid range of stored values is not one of {image.dtype.name}; {TO_NIFTI}")
    return low, high


def _limit(path: Path, header: _Header, name: str) -> NDArray[np.float64]:
    """`image-min` or `image-max` in the order of the stored voxels, with 1 along the axes that it is the same for."""
    image, found = header.image, header.variables.get(name)
    if found is None or found.dtype.kind == "S":
        raise InputError(f"the header doesn't say what whole numbers stand for ({name}); {TO_NIFTI}")
    sizes = dict(zip(image.axes, image.shape, strict=True))
    if [axis for axis in image.axes if axis in found.axes] != list(found.axes):
        raise InputError(f"{name} has other axes than the image; {TO_NIFTI}")
    check_holds(path, found.offset, found.n_bytes)
    with inflated_stream(path) as stream:
        values = read_voxels(stream, found.offset, found.shape[::-1], found.dtype)
    return values.astype(np.float64).reshape([sizes[axis] if axis in found.axes else 1 for axis in image.axes[::-1]])
