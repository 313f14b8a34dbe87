"""Grey pictures of a plane of a volume beside each other: for strips of a walk and the picture of all members."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.io import files

Plane = NDArray[np.float32]
DPI = 110


def middle_plane(x: NDArray[np.float32], axis: int = 0) -> Plane:
    """The plane across an axis through the middle of a volume (I, J, K), the last axis upwards."""
    plane = np.take(x, x.shape[axis] // 2, axis)
    return np.asarray(plane.T[::-1], dtype=np.float32)


def show(panel: Any, plane: Plane, low: float, high: float, aspect: float = 1.0) -> None:
    """A plane in an axis of matplotlib, without ticks.

    Args:
        panel: Axes of matplotlib.
        plane: (rows, columns).
        low: Intensity of black.
        high: Intensity of white.
        aspect: Height of a voxel over its width.
    """
    panel.imshow(plane, cmap="gray", vmin=low, vmax=high, aspect=aspect)
    panel.set(xticks=[], yticks=[])


def store(figure: Any, target: Path, dpi: int = DPI) -> None:
    """Write a figure of matplotlib as PNG, and close it.

    Raises:
        OutputError: it can't be written.
    """
    from matplotlib import pyplot

    try:
        with files.atomic(target) as file:
            figure.savefig(file, format="png", dpi=dpi)
    finally:
        pyplot.close(figure)


def new_figure(n_rows: int, n_columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """A figure and its axes (rows, columns), drawn without a window.

    Args:
        n_rows: Rows of panels.
        n_columns: Columns of panels.
        size: Width and height in inches.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
