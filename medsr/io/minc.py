"""MINC 1 (`.mnc`, netCDF), plain or gzip, to `Volume`. It is read, never written.

nibabel knows the header and what stored values stand for. This module bounds what is read, and fills in what a file may
leave out by the MINC Programmer's Reference Manual (McConnell Brain Imaging Centre) but nibabel takes for granted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.externals.netcdf import netcdf_file, netcdf_variable
from nibabel.minc1 import Minc1File
from numpy.typing import NDArray

from medsr.errors import InputError, MedsrError
from medsr.io import files
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.images import volumes_of
from medsr.io.outline import Outline
from medsr.io.streams import damage_reported, inflated_stream
from medsr.volume import MAX_VOXELS, Modality, Source, Volume, check_shape

SPACE, TIME = ("xspace", "yspace", "zspace"), "time"
MODALITIES: Mapping[str, Modality] = {"MRI": "MR", "CT": "CT"}
SECONDS = ("", "s", "sec", "second", "seconds")
MAX_BYTES = MAX_VOXELS  # of a file, inflated: 2 GiB are the end of MINC 1 (MINC 2.0 File Format Reference)
MAX_READS = 1 << 20  # of a header's words: the history of a long pipeline takes some thousands
NO_STEP = "the header holds no step of {}: the default of 1 mm is taken"
NO_MM = "the header gives positions in another unit than mm: mm is taken"
TO_NIFTI = "convert the scan to NIfTI with mnc2nii"
DAMAGED = f"the MINC file is damaged, truncated or unusual; copy it again, or {TO_NIFTI}"


def read_minc(path: Path | str, policies: Policies = DEFAULT) -> list[Volume]:
    """The volumes of a MINC 1 file in turn: one for each time point. The fastest axis of the file comes first.

    Args:
        path: The file.
        policies: The modality where it is told, and what to do with voxels that are not a number.

    Raises:
        InputError: damaged, truncated, too large, other axes than those of space and time, or voxels not finite.
        GeometryError: the affine is not that of a regular grid.
        ResourceError: not enough memory.
    """
    path = Path(path)
    with files.naming(path):
        with _nibabel_refusing():
            variables, image = _opened(path)
            grid, time = _grid(variables, image), variables.get(TIME)
            voxels, dtype = _real_values(image)
            voxels = np.moveaxis(voxels, variables["image"].dimensions.index(TIME), 0) if voxels.ndim == 4 else voxels
            step = float(getattr(time, "step", 0)) if _text(time, "units") in SECONDS else 0.0
            known = voxels.ndim == 4 and 0 < step < np.inf
        source = Source(
            format="minc",
            content_sha256=files.sha256_file(path),
            dtype=dtype,
            warnings=_assumed(variables),
            time_step=step if known else None,
            time_unit="sec" if known else "",
        )
        told = policies if policies.modality or not grid.modality else replace(policies, modality=grid.modality)
        return volumes_of(path, voxels.T, grid.affine, source, told)


def outline_minc(path: Path) -> Outline:
    """The grid of a MINC 1 file, which is read whole.

    Raises:
        InputError: damaged, truncated, too large, or other axes than those of space and time.
    """
    with files.naming(path), _nibabel_refusing():
        return _grid(*_opened(path))


class _Metered(io.BytesIO):
    """The bytes of a file, handed out twice at most: a damaged header may declare its voxels a million times."""

    n_bytes = n_reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes; where it is negative, all that is left."""
        content = super().read(size)
        self.n_bytes, self.n_reads = self.n_bytes + len(content), self.n_reads + 1
        if self.n_bytes > 2 * self.getbuffer().nbytes or self.n_reads > MAX_READS:
            raise InputError(DAMAGED)
        return content


@contextmanager
def _nibabel_refusing() -> Iterator[None]:
    """One line for whatever nibabel raises; what overflows is refused later, as voxels that are not finite."""
    try:
        with damage_reported(), np.errstate(all="ignore"):
            yield
    except MedsrError:
        raise
    except Exception as error:  # a damaged header makes nibabel raise nearly anything
        raise InputError(DAMAGED) from error


def _opened(path: Path) -> tuple[dict[str, Any], Minc1File]:
    """The variables of a file, which is read whole, and its image."""
    content = _Metered()
    with inflated_stream(path) as stream:
        while chunk := stream.read(files.CHUNK):
            content.write(chunk)
            if max(content.tell(), path.stat().st_size) > MAX_BYTES:
                raise InputError(f"the file holds more than the {MAX_BYTES >> 30} GiB of MINC 1; {TO_NIFTI}")
    content.seek(0)
    with netcdf_file(content) as file:
        variables = file.variables
        _complete(variables)
        return variables, Minc1File(file)


def _complete(variables: dict[str, Any]) -> None:
    """Put in what the header leaves out, once it is known to describe an image of space, and time perhaps."""
    if "image" not in variables:
        raise InputError("a netCDF file without an image of MINC; expected a scan")
    image = variables["image"]
    if sorted(image.dimensions) not in (sorted(SPACE), sorted((*SPACE, TIME))):
        raise InputError(f"the image has other axes than {', '.join(SPACE)} and {TIME}; {TO_NIFTI}")
    for name in image.dimensions:
        axis = variables.setdefault(name, netcdf_variable(np.int32(0), "i", 4, (), ()))
        if name != TIME and _text(axis, "spacing") == "irregular":
            raise InputError(f"the voxels are not evenly spaced along {name}; resample the scan with mincresample")
        axis.spacing = b"regular__"
    if image.typecode() in "fd":  # such numbers stand for themselves, but nibabel looks the limits up
        variables.update({"image-min": image, "image-max": image})
    if not hasattr(image, "signtype"):
        image.signtype = b"unsigned" if image.typecode() == "b" else b"signed__"
    if hasattr(image, "valid_range"):  # "the order is not important", but to nibabel it is
        image.valid_range = np.sort(image.valid_range)


def _text(variable: Any, name: str) -> str:
    """An attribute of letters without what pads it; "" where it is missing or holds numbers."""
    said = getattr(variable, name, b"")
    return said.decode("latin-1").strip("\0 _") if isinstance(said, bytes) else ""


def _grid(variables: Mapping[str, Any], image: Minc1File) -> Outline:
    sizes = dict(zip(variables["image"].dimensions, image.get_data_shape(), strict=True))
    n_volumes = sizes.pop(TIME, 1)
    i, j, k = reversed(sizes.values())
    check_shape((i, j, k))
    modality = MODALITIES.get(_text(variables.get("study"), "modality"))
    return Outline((i, j, k), image.get_affine()[:, [2, 1, 0, 3]], n_volumes, modality=modality)


def _assumed(variables: Mapping[str, Any]) -> tuple[str, ...]:
    unsaid = [NO_STEP.format(axis) for axis in SPACE if not hasattr(variables[axis], "step")]
    other_unit = any(_text(variables[axis], "units") not in ("", "mm") for axis in SPACE)
    return (*unsaid, NO_MM) if other_unit else tuple(unsaid)


def _real_values(image: Minc1File) -> tuple[NDArray[np.float32], str]:
    """What the voxels stand for, the slowest axis first, and their type: the stored one while whole numbers stay so."""
    stored, real, unbroken = image.get_data_dtype(), np.empty(image.get_data_shape(), np.float32), True
    for k in range(len(real)):  # one after the other, since nibabel makes them in float64
        values = image.get_scaled_data((k,))
        unbroken = unbroken and (stored.kind == "f" or np.array_equal(values, np.rint(values)))
        real[k] = values
    return real, stored.name if unbroken else "float32"
