"""How far apart and how thick slices are, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def slices_of(thickness_mm: float | None, axis: int | None, spacing_mm: NDArray[np.float64]) -> str:
    """Distance and thickness of slices, and the gap or overlap between them, as a sentence."""
    if axis is None:
        return "no slice axis: a 3D acquisition"
    distance = float(spacing_mm[axis])
    if thickness_mm is None:
        return f"every {distance:.4g} mm along axis {axis}, thickness not stated"
    return f"every {distance:.4g} mm along axis {axis}, {thickness_mm:.4g} mm thick: {spaced(distance, thickness_mm)}"


def spaced(distance_mm: float, thickness_mm: float) -> str:
    """Whether slices touch, and by how much not."""
    gap = distance_mm - thickness_mm
    if abs(gap) < 0.01 * distance_mm:
        return "contiguous"
    return f"gap {gap:.3g} mm" if gap > 0 else f"overlap {-gap:.3g} mm"
