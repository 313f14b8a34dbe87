"""The line between the intensities of two scans of one body: two MR acquisitions differ in scale and offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.volume import Modality


@dataclass(frozen=True)
class Line:
    """What takes the intensities of one scan to the unit of another.

    Attributes:
        slope: Factor.
        offset: Added to it, in the unit of the other.
        correlation: Of the two scans where both show the body.
    """

    slope: float
    offset: float
    correlation: float

    def applied(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """Intensities of any shape in the unit of the other scan."""
        return (self.slope * data + self.offset).astype(np.float32)


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
