"""Whether two files of one SOP instance hold the same slices, in whatever transfer syntax each of them is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError
from medsr.io.dicom.frames import Frame, frames_of
from medsr.io.dicom.headers import read_header
from medsr.io.dicom.pixels import stored_frames

RECODED = "copy of a file that is used: the same pixels at the same place"

Slice = tuple[Frame, NDArray[Any]]


def hold_the_same(path: Path, other: Path) -> bool:
    """Whether the slices of two files lie at the same places and decode to the same values; both are read for it.

    What tells the volumes of a series apart, such as the echo time, is the same as well.

    Args:
        path: DICOM file.
        other: Another one. One of them that can't be decoded is no copy.
    """
    try:
        pairs = list(zip(_slices(path), _slices(other), strict=True))
    except (InputError, ValueError):  # damaged, or not as many slices
        return False
    return all(_alike(one, two) for one, two in pairs)


def _slices(path: Path) -> list[Slice]:
    frames, (stored, _) = frames_of(path, read_header(path)), stored_frames(path)
    return list(zip(frames, stored, strict=True))


def _alike(one: Slice, two: Slice) -> bool:
    (here, values), (there, others) = one, two
    return (
        np.array_equal(here.position_mm, there.position_mm)
        and np.array_equal(here.directions, there.directions)
        and (here.spacing_mm, here.slope, here.intercept) == (there.spacing_mm, there.slope, there.intercept)
        and here.labels == there.labels
        and np.array_equal(values, others)
    )
