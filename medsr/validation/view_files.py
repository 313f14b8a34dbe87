"""Views of a scan to a file and back: a compressed .npz without pickles, every part of it checked when it is read."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.errors import InputError
from medsr.io import files
from medsr.validation.views import PLANES, REFERENCE, CaseViews, PlaneView

SCHEMA = 1
MOST_BYTES = 64 << 20  # of a file once unpacked
MOST_METHODS = 16
DAMAGE = (  # what numpy, zipfile and json raise on files of other kinds, truncated or forged ones
    *(InputError, ValueError, LookupError, TypeError, OSError, EOFError, ArithmeticError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, SyntaxError),
)


def write_views(views: CaseViews, path: Path) -> None:
    """Write the views as a compressed .npz without pickles, about 2 MB.

    Raises:
        OutputError: the file can't be written.
    """
    arrays: dict[str, NDArray[Any]] = {"meta": np.frombuffer(json.dumps(_meta(views)).encode(), np.uint8)}
    for number, plane in enumerate(views.planes):
        arrays |= {f"image{number}_{name}": image for name, image in plane.images.items()}
        arrays |= {f"difference{number}_{name}": values for name, values in plane.differences.items()}
    arrays |= {f"volume_{name}": volume for name, volume in views.volumes.items()}
    with files.atomic(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_views(path: Path) -> CaseViews:
    """The views of a file, every part of it checked.

    Raises:
        InputError: missing, damaged, too large, or not what `write_views` writes.
    """
    with files.opened(path) as file:
        content = file.read()
    try:
        return _views(_arrays(content))
    except DAMAGE as error:
        raise InputError(
            f"{path}: not the views of a scan, or damaged; expected the .npz that a validation writes: run it again"
        ) from error


def _meta(views: CaseViews) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "scan": views.scan,
        "task": views.task,
        "window": views.window,
        "located_by": views.located_by,
        "affine": views.affine.tolist(),
        "shown": list(views.planes[0].differences),
        "volumes": list(views.volumes),
        "planes": [{"spacing_mm": plane.spacing_mm, "place": plane.place} for plane in views.planes],
    }


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise ValueError("too large")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _views(arrays: Mapping[str, NDArray[Any]]) -> CaseViews:
    meta = json.loads(_checked(arrays["meta"], np.uint8, 1).tobytes())
    _expect(meta["schema"] == SCHEMA and len(meta["planes"]) == len(PLANES))
    shown, in_volume = _names(meta["shown"]), _names(meta["volumes"])
    low, high = (float(value) for value in meta["window"])
    affine = grids.checked(np.asarray(meta["affine"], dtype=np.float64))
    _expect(np.isfinite([low, high]).all() and high > low and in_volume[0] == REFERENCE)
    planes = tuple(_read_plane(number, meta["planes"][number], shown, arrays) for number in range(len(PLANES)))
    volumes = {name: _checked(arrays[f"volume_{name}"], np.uint8, 3) for name in in_volume}
    _expect(len({volume.shape for volume in volumes.values()}) == 1)
    scan, task, located_by = (_text(meta[key]) for key in ("scan", "task", "located_by"))
    return CaseViews(scan, task, (low, high), located_by, planes, volumes, affine)


def _read_plane(number: int, meta: Mapping[str, Any], shown: Sequence[str], arrays: Mapping[str, Any]) -> PlaneView:
    images = {name: _checked(arrays[f"image{number}_{name}"], np.uint8, 2) for name in (REFERENCE, *shown)}
    differences = {name: _checked(arrays[f"difference{number}_{name}"], np.int8, 2) for name in shown}
    shape = images[REFERENCE].shape
    _expect({x.shape for x in _all(images, differences)} == {shape})
    rows, columns = (float(value) for value in meta["spacing_mm"])
    _expect(0 < rows < np.inf and 0 < columns < np.inf)
    row, column = (int(value) for value in meta["place"])
    _expect(0 <= row < shape[0] and 0 <= column < shape[1])
    return PlaneView(PLANES[number], (rows, columns), images, differences, (row, column))


def _all(*groups: Mapping[str, NDArray[Any]]) -> Iterator[NDArray[Any]]:
    for group in groups:
        yield from group.values()


def _names(value: object) -> list[str]:
    _expect(isinstance(value, list) and 0 < len(value) <= MOST_METHODS)
    assert isinstance(value, list)
    return [_text(name) for name in value]


def _text(value: object) -> str:
    _expect(isinstance(value, str))
    return str(value)


def _checked(array: NDArray[Any], dtype: type, n_axes: int) -> NDArray[Any]:
    _expect(array.dtype == dtype and array.ndim == n_axes and array.size > 0)
    return array


def _expect(true: bool | np.bool_) -> None:
    if not true:
        raise ValueError("not the views of a scan")
