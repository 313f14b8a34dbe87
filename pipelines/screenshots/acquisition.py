"""Make the pictures of docs/explanation/what_a_scan_tells.md: real scans as they came out before and after.

Before: a Gaussian as wide as the voxels and no noise, which was the default. After: no option.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

import medsr
from medsr.enhancement.settings import Triple

matplotlib.use("Agg")
from matplotlib import pyplot as plt

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
DATA = Path(os.environ.get("MEDSR_DATA", "../shared/data"))


@dataclass(frozen=True)
class Case:
    """A scan, the region that is shown, and the axis that the picture cuts across."""

    name: str
    path: str
    region: tuple[Triple, Triple]
    across: int


CASES = (
    Case("native_t1w", "validation/sub-bchadult01_T1w.nii.gz", ((60, 40, 60), (116, 96, 116)), 2),
    Case("ct_head_5mm", "dicom/ct_head_5mm_philips_jpegls", ((206, 250, 2), (302, 290, 18)), 1),
    Case("flair_5mm", "validation/sub-torchio01_FLAIR.nii.gz", ((70, 120, 3), (166, 160, 23)), 1),
)


def main() -> None:
    """Write one picture per case: cubic interpolation, before, after."""
    model = medsr.load_model()
    for case in CASES:
        scan = medsr.load(DATA / case.path)
        asked = medsr.EnhanceSettings(region=case.region, force=True)
        before = medsr.EnhanceSettings(region=case.region, force=True, profile="gaussian", noise=0.0)
        results = {
            "before: Gaussian, no noise": medsr.enhance(scan, model, before).volume.data,
            "after: no option": medsr.enhance(scan, model, asked).volume.data,
        }
        window = tuple(slice(a, b) for a, b in zip(*case.region, strict=True))
        _draw(FOLDER / f"acquisition_{case.name}.png", {"scan": scan.data[window], **results}, case)


def _draw(path: Path, volumes: dict[str, NDArray[np.float32]], case: Case) -> None:
    scan = next(iter(volumes.values()))
    low, high = np.percentile(scan, (1, 99))
    figure, axes = plt.subplots(1, len(volumes), figsize=(12, 4.4), facecolor="black")
    for axis, (title, data) in zip(axes, volumes.items(), strict=True):
        plane = np.take(data, data.shape[case.across] // 2, axis=case.across)
        axis.imshow(plane.T, cmap="gray", vmin=low, vmax=high, origin="lower", aspect="auto", interpolation="nearest")
        axis.set_title(title, color="white")
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=80, facecolor="black")
    plt.close(figure)


if __name__ == "__main__":
    main()
