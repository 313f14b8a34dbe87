"""A region of interest as a box in the viewer's world: from rectangles, or from what is visible. Without Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsr.errors import UsageError

Corners = tuple[NDArray[np.float64], NDArray[np.float64]]

BOX_LAYER = "medsr box"  # name of the Shapes layer that regions are drawn in
N_AXES = 3  # the scan's own; axes before them, such as steps, are not in space


def box_of_shapes(vertices_mm: Sequence[ArrayLike], depth_mm: float) -> Corners:
    """The box around all shapes; an axis along which they are flat is `depth_mm` deep.

    Args:
        vertices_mm: Vertices (N, D) of each shape, the last three axes (z, y, x).
        depth_mm: Depth across the plane in which a rectangle was drawn.

    Raises:
        UsageError: nothing is drawn.
    """
    if not vertices_mm:
        raise UsageError("no box is drawn; press Draw box and drag a rectangle over the place that you want to see")
    points = np.concatenate([np.asarray(one, np.float64)[:, -N_AXES:] for one in vertices_mm])
    return _deepened(points.min(axis=0), points.max(axis=0), depth_mm)


def visible_slab(
    corners_mm: ArrayLike, point_mm: Sequence[float], displayed: Sequence[int], depth_mm: float
) -> Corners:
    """The visible part of a layer, `depth_mm` deep around the shown slice.

    Args:
        corners_mm: Visible corners (2, 3) of the layer.
        point_mm: Position of the sliders, the last three axes (z, y, x).
        displayed: Axes of the viewer that are shown, counted from the last one.
        depth_mm: Depth across the shown slice.
    """
    low, high = np.array(corners_mm, dtype=np.float64)
    for axis in range(-N_AXES, 0):
        if axis not in displayed:
            low[axis] = high[axis] = point_mm[axis]
    return _deepened(np.minimum(low, high), np.maximum(low, high), depth_mm)


def _deepened(low: NDArray[np.float64], high: NDArray[np.float64], depth_mm: float) -> Corners:
    flat = high - low < 1e-3
    return low - flat * depth_mm / 2, high + flat * depth_mm / 2
