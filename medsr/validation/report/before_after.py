"""Pictures of a result beside what it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.io import files

INSET_SHARE = 0.3  # of the slice's shorter side
DIFFERENCE_SHARE = 0.15  # of the grey window: full colour in the difference panels


def before_after(
    rows: Sequence[tuple[str, Mapping[str, NDArray[np.float32]], NDArray[np.float32], NDArray[np.float64]]], path: Path
) -> None:
    """A sagittal slice of each result, a zoomed inset, and its difference to the reference below it, as PNG.

    Args:
        rows: Title of each task, its results by label and its reference, (I, J, K) in RAS order, and the spacing (3,).
        path: Picture to write.

    Raises:
        OutputError: the file can't be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = 1 + max(len(results) for _, results, _, _ in rows)
    figure, axes = pyplot.subplots(
        2 * len(rows), columns, figsize=(3.1 * columns, 5.6 * len(rows)), layout="constrained", squeeze=False
    )
    for number, (title, results, reference, spacing) in enumerate(rows):
        _draw_row(axes[2 * number : 2 * number + 2], title, results, reference, spacing)
    figure.suptitle("Research software, not for diagnosis", fontsize=8, color="0.4")
    with files.atomic(path) as file:
        figure.savefig(file, format="png", dpi=110)
    pyplot.close(figure)


def _draw_row(
    axes: NDArray[Any],
    title: str,
    results: Mapping[str, NDArray[np.float32]],
    reference: NDArray[np.float32],
    spacing: NDArray[np.float64],
) -> None:
    middle = int(reference.shape[0] * 0.58)
    low, high = np.percentile(reference, (1, 99.7))
    aspect = spacing[2] / spacing[1]
    slices = {label: x[middle].T for label, x in results.items()}
    truth = reference[middle].T
    for column, (label, image) in enumerate([*slices.items(), ("reference", truth)]):
        top, bottom = axes[0][column], axes[1][column]
        _show(top, image, low, high, aspect)
        top.set_title(f"{title}: {label}" if column == 0 else label, fontsize=9)
        if label == "reference":
            bottom.axis("off")
            continue
        limit = DIFFERENCE_SHARE * (high - low)
        bottom.imshow(image - truth, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower", aspect=aspect)
        bottom.set_title(f"{label} - reference", fontsize=8)
        bottom.axis("off")


def _show(panel: Any, image: NDArray[np.float32], low: float, high: float, aspect: float) -> None:
    panel.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=aspect, interpolation="nearest")
    panel.axis("off")
    side = int(INSET_SHARE * min(image.shape))
    row, column = int(image.shape[0] * 0.42), int(image.shape[1] * 0.3)
    inset = panel.inset_axes((0.6, 0.0, 0.4, 0.4))
    inset.imshow(
        image[row : row + side, column : column + side],
        cmap="gray",
        vmin=low,
        vmax=high,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    inset.set(xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set_color("gold")
