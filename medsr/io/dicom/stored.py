"""Voxels as the 16-bit whole numbers of a DICOM image, and the scale that leads back.

The source's own slope and intercept are kept, so that a CT stays on whole HU and an MR on its scanner's steps. They
give way to finer ones only where the scan would span too few steps, and to coarser ones where more than a few voxels
would not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import DSfloat

from medsr.io.dicom.frames import Frame

MIN_STEPS = 256  # a scan that spans fewer steps of its source is stored more finely
MAX_CLIPPED = 1e-3  # share of voxels that may be clipped before the scale is widened
SIGNED = np.iinfo(np.int16)
UNSIGNED = np.iinfo(np.uint16)


@dataclass(frozen=True)
class Stored:
    """Whole numbers and their scale: value = slope * number + intercept.

    Attributes:
        numbers: (I, J, K) int16 or uint16.
        slope: Exactly as its decimal string says.
        intercept: Likewise.
        n_clipped: Voxels that did not fit and took the nearest end.
    """

    numbers: NDArray[np.int16] | NDArray[np.uint16]
    slope: float
    intercept: float
    n_clipped: int

    @property
    def is_signed(self) -> bool:
        """Whether numbers may be negative."""
        return self.numbers.dtype == np.int16


def stored(data: NDArray[np.float32], frames: Sequence[Frame] = ()) -> Stored:
    """Voxels as 16-bit numbers on the scale of the source slices, or on one that fits where there are none.

    Args:
        data: (I, J, K).
        frames: Source slices; the finest slope among them counts.
    """
    low, high = float(data.min()), float(data.max())
    if not frames:
        return _rounded(data, _fitting_slope(low, high), 0.0)
    finest = min(frames, key=lambda frame: abs(frame.slope))
    slope, intercept = decimal(abs(finest.slope)), decimal(finest.intercept)
    if high - low < MIN_STEPS * slope:
        return _rounded(data, _fitting_slope(low, high), 0.0)
    result = _rounded(data, slope, intercept)
    if result.n_clipped > MAX_CLIPPED * data.size:
        return _rounded(data, _fitting_slope(low, high), 0.0)
    return result


def decimal(value: float) -> float:
    """The number that the decimal string of `value` (16 characters, PS3.5, 6.2) says."""
    return float(str(DSfloat(value, auto_format=True)))


def _fitting_slope(low: float, high: float) -> float:
    """The smallest power of two with which both ends fit int16, as far as a decimal string can say it."""
    largest = max(abs(low), abs(high))
    return decimal(2.0 ** math.ceil(math.log2(largest / SIGNED.max))) if largest > 0 else 1.0


def _rounded(data: NDArray[np.float32], slope: float, intercept: float) -> Stored:
    numbers = (data.astype(np.float64) - intercept) / slope
    np.rint(numbers, out=numbers)
    signed = _n_outside(numbers, SIGNED)
    unsigned = _n_outside(numbers, UNSIGNED) if signed else 1
    if signed <= unsigned:
        return Stored(np.clip(numbers, SIGNED.min, SIGNED.max).astype(np.int16), slope, intercept, signed)
    return Stored(np.clip(numbers, UNSIGNED.min, UNSIGNED.max).astype(np.uint16), slope, intercept, unsigned)


def _n_outside(numbers: NDArray[np.float64], limits: np.iinfo[np.int16] | np.iinfo[np.uint16]) -> int:
    return int(np.count_nonzero((numbers < limits.min) | (numbers > limits.max)))
