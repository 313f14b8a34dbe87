"""Intensities from a scan's own unit to the model range of about 0 to 1, and exactly back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

CT_LOW_HU, CT_HIGH_HU = -1000.0, 1000.0
LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5


@dataclass(frozen=True)
class Scale:
    """An affine map of intensities: model = (scan - low) / (high - low).

    Attributes:
        low: Intensity that becomes 0, in the scan's unit.
        high: Intensity that becomes 1, in the scan's unit.
    """

    low: float
    high: float

    def to_model(self, x: Tensor) -> Tensor:
        """Scan unit to model range, any shape."""
        return (x - self.low) / (self.high - self.low)

    def from_model(self, x: Tensor) -> Tensor:
        """Model range to scan unit, any shape."""
        return x * (self.high - self.low) + self.low

    @property
    def width(self) -> float:
        """Scan units per unit of the model range."""
        return self.high - self.low


def scale_of(data: NDArray[np.float32], modality: str) -> Scale:
    """The map for one scan: fixed for CT (-1000 to 1000 HU), robust percentiles (0.5, 99.5) for MR.

    Args:
        data: Voxels (I, J, K) in the scan's own unit.
        modality: "CT" or "MR".

    Raises:
        InputError: the scan is constant.
    """
    low, high = np.percentile(data, (LOW_PERCENTILE, HIGH_PERCENTILE))
    if not high > low:
        low, high = float(data.min()), float(data.max())
    if not high > low:
        raise InputError(f"every voxel is {low:g}; a constant image holds nothing to refine")
    return Scale(CT_LOW_HU, CT_HIGH_HU) if modality == "CT" else Scale(float(low), float(high))
