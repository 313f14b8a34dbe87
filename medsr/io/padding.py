"""Padding: voxels outside what was reconstructed, which hold a value that is no measurement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FAR_OUTSIDE = 0.01  # of the range of measured values: padding closer to them than that looks like background and stays
LEAST_SHARE, LEAST_VOXELS = 0.001, 64  # of padding; fewer are streaks beside metal
AIR_HU = -1024.0  # the lowest value of most scanners, and of air


def without_ct_padding(data: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """A CT whose file does not name its padding, with the lowest measured value in its place.

    Scanners fill the corners outside the circle of reconstruction with one value below that of air, such as -2000 or
    -3024 HU. So one value below -1024 HU with nothing near it counts as padding.

    Args:
        data: Scan in HU, any shape.

    Returns:
        The scan, and the number of padding voxels.
    """
    lowest = float(data.min())
    is_padding = data == lowest
    n_padding = int(np.count_nonzero(is_padding))
    if lowest >= AIR_HU or not max(LEAST_SHARE * data.size, LEAST_VOXELS) <= n_padding < data.size:
        return data, 0
    measured = data[~is_padding]
    low, high = float(measured.min()), float(measured.max())
    if lowest >= low - FAR_OUTSIDE * (high - low):
        return data, 0
    return np.where(is_padding, np.float32(low), data), n_padding


def padding_said(n_voxels: int) -> str:
    """The warning of a reader that replaced padding."""
    return f"padding voxels set to the lowest measured value: {n_voxels}"
