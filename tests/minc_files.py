"""MINC 1 files written by SciPy, whose netCDF knows nothing of MINC: names and attributes are put down one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

AXES = ("xspace", "yspace", "zspace")
SIGNED = {"i": b"signed__", "u": b"unsigned"}


def write_minc(
    path: Path,
    stored: NDArray[Any],
    affine: NDArray[np.float64],
    *,
    flipped: Sequence[str] = (),
    limits: tuple[Any, Any] | None = None,
    order: Sequence[str] = ("zspace", "yspace", "xspace"),
    image: Mapping[str, Any] | None = None,
    axes: Mapping[str, Mapping[str, Any]] | None = None,
    modality: bytes = b"",
    version: int = 1,
) -> None:
    """A scan in a file.

    Args:
        path: The file.
        stored: Values (x, y, z), or (x, y, z, time), as they are stored.
        affine: (4, 4), their index to RAS mm.
        flipped: Axes whose step is negative and whose direction cosines point the other way.
        limits: `image-min` and `image-max`, both one value or one for each place along the slowest axes; None: neither.
        order: Axes of the file, the slowest first.
        image: Attributes of the image that are to be another value; None for one that is to be left out.
        axes: The same for the variables of axes.
        modality: As the study says it.
        version: Of netCDF: 1, or 2 with offsets of 64 bits.
    """
    steps = np.linalg.norm(affine[:3, :3], axis=0) * [-1 if axis in flipped else 1 for axis in AXES]
    cosines = affine[:3, :3] / steps
    starts = np.linalg.solve(cosines, affine[:3, 3])
    with netcdf_file(path, "w", version=version) as file:
        sizes = dict(zip((*AXES, "time"), stored.shape, strict=False))
        for axis in order:
            file.createDimension(axis, sizes[axis])
        for i, axis in enumerate(AXES):
            said = {"spacing": b"regular__", "units": b"mm", "step": steps[i], "start": starts[i]}
            said["direction_cosines"] = cosines[:, i]
            _described(file.createVariable(axis, "i", ()), said | dict((axes or {}).get(axis, {})))
        if "time" in sizes:
            said = {"spacing": b"regular__", "units": b"s", "step": 2.5, "start": 0.0}
            _described(file.createVariable("time", "d", ("time",)), said | dict((axes or {}).get("time", {})))
        if modality:
            _described(file.createVariable("study", "i", ()), {"modality": modality})
        for name, values in zip(("image-min", "image-max"), limits or (), strict=False):
            values = np.asarray(values, float)
            file.createVariable(name, "d", tuple(order[: values.ndim]))[...] = values
        native = stored.dtype.newbyteorder("=")
        kept = stored.view(native.str.replace("u", "i")) if native.kind == "u" else stored
        known = (*AXES, "time")
        said = {} if native.kind == "f" else {"signtype": SIGNED[native.kind]}
        variable = file.createVariable("image", kept.dtype.newbyteorder(">"), tuple(order))
        _described(variable, said | dict(image or {}))
        variable[...] = np.transpose(kept, [known.index(axis) for axis in order])


def _described(variable: Any, said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        if value is not None:
            setattr(variable, name, value)
