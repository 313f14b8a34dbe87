"""How a viewer shows what was made of a region: the sliders inside it, the picture as large as it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MARGIN = 0.1  # share of the picture that is left free around the region, so that its surroundings are seen


def show_region(viewer: Any, layer: Any) -> None:
    """Zoom to a layer of a region, and move the sliders to its middle where they stand outside.

    napari's own fit takes layers of as many axes as the viewer only, and watched steps add an axis.

    Args:
        viewer: napari's viewer.
        layer: Image layer (Z, Y, X) of the region.
    """
    low, high = edges_of(layer)
    dims, n_before = viewer.dims, viewer.dims.ndim - layer.ndim
    for axis in axes_missing(dims, low, high):
        dims.set_point(axis, (low[axis - n_before] + high[axis - n_before]) / 2)
    shown = [axis - n_before for axis in dims.displayed]
    camera = viewer.scene.camera
    camera.center = tuple(((low + high) / 2)[shown])
    camera.zoom = zoom_to_fit(viewer.canvas.viewbox_size(viewer.layers), (high - low)[shown])


def edges_of(layer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outer faces of the first and last voxel of an image layer, (3,) each, (z, y, x) in mm."""
    scale, translate = np.asarray(layer.scale, np.float64), np.asarray(layer.translate, np.float64)
    return translate - scale / 2, translate + scale * (np.array(layer.data.shape) - 0.5)


def axes_missing(dims: Any, low: NDArray[np.float64], high: NDArray[np.float64]) -> list[int]:
    """Axes of the viewer on which the slice that is shown lies outside a box; none where it goes through the box.

    Args:
        dims: The viewer's dims.
        low: Lower corner (3,) of the box, (z, y, x) in mm.
        high: Upper corner (3,).
    """
    n_before = dims.ndim - len(low)
    spans = enumerate(zip(low, high, strict=True), start=n_before)
    return [axis for axis, (a, b) in spans if axis not in dims.displayed and not a <= dims.point[axis] <= b]


def zoom_to_fit(canvas_px: ArrayLike, size_mm: ArrayLike) -> float:
    """Pixels per mm at which a region fits into the picture, whichever way it is turned in 3D.

    Args:
        canvas_px: Height and width of the picture.
        size_mm: Height and width of the region, or its three sides in 3D.
    """
    size = np.asarray(size_mm, np.float64)
    sides = size if size.size == 2 else np.full(2, np.linalg.norm(size))
    return float((1 - MARGIN) * np.min(np.asarray(canvas_px) / sides))
