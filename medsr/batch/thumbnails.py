"""A small picture of a case for the run's page: three slices of the scan and of the result beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medsr.volume import Volume

SIDE = 96  # pixels of a slice's longer side
WINDOW = (1.0, 99.5)  # percentiles of the scan that become black and white


def write_thumbnail(scan: Volume, result: Volume, path: Path) -> None:
    """Write the middle slices of a scan, above those of its result, in one grey window, as PNG.

    Raises:
        OSError: the file can't be written.
    """
    from matplotlib.image import imsave

    low, high = np.percentile(scan.data[::2, ::2, ::2], WINDOW)
    rows = [np.concatenate(_slices(volume), axis=1) for volume in (scan, result)]
    imsave(path, np.concatenate(rows, axis=0), cmap="gray", vmin=float(low), vmax=float(high) or 1.0, format="png")


def _slices(volume: Volume) -> list[NDArray[np.float32]]:
    """The three middle slices (SIDE, SIDE) in RAS order, superior upwards, each voxel as large as it is."""
    turned = volume.to_ras()
    spacing = turned.spacing_mm
    found = []
    for axis in range(3):
        plane = np.take(turned.data, turned.shape[axis] // 2, axis=axis)
        found.append(_fitted(plane.T[::-1], np.delete(spacing, axis)[::-1]))
    return found


def _fitted(plane: NDArray[np.float32], spacing_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """A slice in a square of SIDE pixels: the nearest voxel of each pixel, the lowest value around."""
    size_mm = np.array(plane.shape) * spacing_mm
    pixel_mm = size_mm.max() / SIDE
    places = [
        ((np.arange(SIDE) + 0.5) * pixel_mm - (size_mm.max() - size) / 2) / h
        for size, h in zip(size_mm, spacing_mm, strict=True)
    ]
    index = [np.clip(place, 0, n - 1).astype(int) for place, n in zip(places, plane.shape, strict=True)]
    inside = [(place >= 0) & (place < n) for place, n in zip(places, plane.shape, strict=True)]
    square = plane[np.ix_(*index)]
    return np.where(np.logical_and.outer(*inside), square, plane.min()).astype(np.float32)
