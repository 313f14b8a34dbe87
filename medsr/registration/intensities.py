"""From the intensities of one scan of a body to those of another: MR differs in scale, offset and a slow gain."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.volume import Modality

DEGREE = 2  # of the polynomial of a slow gain
LEAST_GAIN, MOST_GAIN = 0.5, 2.0
WORTH = 0.2  # of the squared difference: a gain that explains less of it is none


@dataclass(frozen=True)
class Line:
    """What takes the intensities of one scan to the unit of another.

    Attributes:
        slope: Factor.
        offset: Added to it, in the unit of the other.
        correlation: Of the two scans where both show the body.
        gain: What the scan is multiplied by first where its brightness varies slowly, (i, j, k); 1: it is even.
    """

    slope: float
    offset: float
    correlation: float
    gain: NDArray[np.float32] | float = 1.0

    def applied(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """Intensities of any shape, (i, j, k) where there is a gain, in the unit of the other scan."""
        return np.asarray(self.slope * self.gain * data + self.offset, np.float32)


def line_onto(y: NDArray[np.float64], x: NDArray[np.float64], modality: Modality) -> Line:
    """The line that takes y to the unit of x; CT keeps its units.

    Least squares of y over x, turned round: the noise is in y, and a fit the other way round would flatten contrast.

    Args:
        y: Intensities (n,) of the noisier scan, not all the same.
        x: Intensities (n,) of the other one in the same places, not all the same.
        modality: Modality of both.
    """
    correlation = float(np.corrcoef(y, x)[0, 1])
    if modality == "CT" or correlation == 0:
        return Line(1.0, 0.0, correlation)
    slope = float(x.std() / y.std()) / correlation
    return Line(slope, float(x.mean() - slope * y.mean()), correlation)


def with_slow_gain(
    line: Line, y: NDArray[np.float64], x: NDArray[np.float64], places: NDArray[np.intp], shape: Sequence[int]
) -> Line:
    """The line, with a gain that is a quadratic polynomial of the place, where that explains much more than it alone.

    Coils leave such a gain: MR scans of one body in different orientations differ by it.

    Args:
        line: Line without a gain.
        y: Intensities (n,) of the scan.
        x: Intensities (n,) of the other one in the same places.
        places: Where they are, voxel indices of the scan, (3, n).
        shape: Voxels of the scan, per axis.
    """
    scaled = [2 * (index + 0.5) / n - 1 for index, n in zip(places, shape, strict=True)]
    columns = [y * np.prod([s**p for s, p in zip(scaled, powers, strict=True)], axis=0) for powers in _POWERS]
    terms = np.stack([*columns, np.ones_like(y)], axis=1)
    weights, *_ = np.linalg.lstsq(terms, x, rcond=None)
    slope, offset = float(weights[0]), float(weights[-1])
    alone = np.sum((line.slope * y + line.offset - x) ** 2)
    if slope <= 0 or np.sum((terms @ weights - x) ** 2) > (1 - WORTH) * alone:
        return line
    gain = np.zeros(tuple(shape), np.float32)
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    i, j, k = ((2 * (grid + 0.5) / n - 1).astype(np.float32) for grid, n in zip(grids, shape, strict=True))
    for weight, (a, b, c) in zip(weights, _POWERS, strict=False):
        gain += np.float32(weight / slope) * i**a * j**b * k**c
    return Line(slope, offset, line.correlation, np.clip(gain, LEAST_GAIN, MOST_GAIN))


_POWERS = [powers for powers in itertools.product(range(DEGREE + 1), repeat=3) if sum(powers) <= DEGREE]
