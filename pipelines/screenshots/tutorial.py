"""Make the pictures of docs/tutorials/thick_slices.md from the sample scan; see README.md beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

import medsr
from medsr.samples import sample_path

matplotlib.use("Agg")
from matplotlib import pyplot as plt

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
CORONAL = 66  # slice of the scan that is shown
PIXEL = 0.2  # of the pictures, in slices; half a voxel across
LAYERS = 1  # slices on either side that are computed as well
WIDTH_IN = 14.0

Plane = NDArray[np.float64]


def main() -> None:
    """Enhance the slice in every mode, and write thick_slices.png and thick_slices_sample.png."""
    scan, reference = medsr.load(sample_path("bchadult01_T1w_thick5")), medsr.load(sample_path("bchadult01_T1w"))
    i, _, k = scan.shape
    region = (0, CORONAL - LAYERS, 0), (i, CORONAL + LAYERS + 1, k)
    found = medsr.enhance(scan, settings=medsr.EnhanceSettings(mode="uncertainty", samples=4, region=region))
    sample = medsr.enhance(scan, settings=medsr.EnhanceSettings(mode="sample", seed=1, region=region))
    mean, truth = coronal(found.volume, scan), coronal(reference, scan)
    high = float(np.percentile(truth, 99.7))
    shown = [("scan, 5 mm slices", coronal(scan, scan, 0)), ("cubic interpolation", coronal(scan, scan, 3))]
    draw([*shown, ("medsr, mean", mean), ("reference", truth)], high, FOLDER / "thick_slices.png")
    assert found.uncertainty is not None
    uncertainty = coronal(found.uncertainty, scan)
    panels = [("medsr, mean", mean), ("medsr, one sample", coronal(sample.volume, scan))]
    panels += [("uncertainty (standard deviation)", uncertainty), ("reference", truth)]
    draw(panels, high, FOLDER / "thick_slices_sample.png", coloured=2)


def coronal(volume: medsr.Volume, scan: medsr.Volume, order: int = 1) -> Plane:
    """A volume in the coronal slice of the scan, head up and the patient's right on the left."""
    i, k = np.arange(0.05, scan.shape[0] - 1, 0.5), np.arange(-0.43, scan.shape[2] - 0.6, PIXEL / 2)
    grid = np.stack(np.broadcast_arrays(i[None, :], float(CORONAL), k[:, None], 1.0)).reshape(4, -1)
    places = (np.linalg.inv(volume.affine) @ scan.affine @ grid)[:3]
    plane = map_coordinates(np.asarray(volume.data, np.float64), places, order=order, mode="nearest")
    return plane.reshape(len(k), len(i))[::-1, ::-1]


def draw(panels: Sequence[tuple[str, Plane]], high: float, path: Path, coloured: int | None = None) -> None:
    """Planes side by side in one grey window; one of them may be in colour."""
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH_IN, 3.7), facecolor="black")
    for number, (axis, (title, plane)) in enumerate(zip(axes, panels, strict=True)):
        top, colours = (np.percentile(plane, 99.5), "inferno") if number == coloured else (high, "gray")
        axis.imshow(plane, cmap=colours, vmin=0, vmax=top, aspect="auto", interpolation="nearest")
        axis.set_title(title, color="white", fontsize=11)
        axis.axis("off")
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.93, 0.01, 0)
    figure.savefig(path, dpi=100, facecolor="black")
    print(path.name)


if __name__ == "__main__":
    main()
