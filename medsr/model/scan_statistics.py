"""Scan statistics: plain statistics of a scan's voxels, and their usual ranges in a set of scans.

Each describes something that the eye would see too: contrast, noise, field of view, smoothness, order of slices.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.errors import InputError, UsageError
from medsr.model.intensity import scale_of
from medsr.physics.assumption import fine_axes
from medsr.physics.ops.noise import estimate_sigma
from medsr.physics.tasks import TASKS, degrade
from medsr.volume import Volume

Statistics = dict[str, float]

INNER = 0.2  # of the slices left out at each end where jumps are looked for: anatomy ends there
BLOCK_VOX = 80  # side of the central block that noise and smoothness are read from, and of the sample of the whole
DARK = 0.05  # of the model range
SEEN_THROUGH = ("iso2", "iso4", "thick5", "plane2", "noisy2")


@dataclass(frozen=True)
class Measure:
    """Name of one statistic in messages, and how its values are compared.

    Attributes:
        title: Name in messages.
        unit: Unit of its distance from the usual range, where the range itself is narrower or does not count.
        ratio: Whether values are compared by their logarithms.
        side: Values that can be odd; where only one side can, the width of the range does not count.
        refuses: Whether a value far out is a reason to refuse. A field of view and its share of air only warn, since
            parts of scans and other anatomy differ in them and the network sees neither.
    """

    title: str
    unit: float
    ratio: bool = False
    side: Literal["both", "low", "high"] = "both"
    refuses: bool = True


MEASURES = {
    "smallest_mm": Measure("smallest side of the field of view in mm", 1.6, ratio=True, refuses=False),
    "largest_mm": Measure("largest side of the field of view in mm", 1.4, ratio=True, refuses=False),
    "noise": Measure("noise over the intensity range", 0.04, side="high"),
    "offset": Measure("dark end of the intensity range over its width", 0.2),
    "dark": Measure("share of dark voxels", 0.4, refuses=False),
    "middle": Measure("median of the voxels that are not dark", 0.3),
    "bright": Measure("90th percentile of the voxels that are not dark", 0.3),
    "border": Measure("median at the border", 0.3),
    "lowest": Measure("lowest value over the intensity range", 0.2),
    "highest": Measure("highest value over the intensity range", 0.7, ratio=True),
    "levels": Measure("number of different values in a sample", 1.2, ratio=True, side="low"),
    "saturated": Measure("share of voxels at the highest value", 0.02, side="high"),
    "likeness": Measure("correlation of neighbouring slices", 0.3, side="low"),
    "jump": Measure("largest fall of that correlation between two slices", 0.3, side="high"),
    "repeated": Measure("share of slices that repeat their neighbour", 0.3, side="high"),
    "roughest": Measure("second over first differences along the roughest axis", 0.5),
    "smoothest": Measure("second over first differences along the smoothest axis", 0.5),
}


def statistics_of(volume: Volume) -> Statistics:
    """The statistics of `MEASURES` of one scan.

    Intensities are in the model range (`medsr.model.intensity`): for CT fixed to HU, for MR relative to
    robust percentiles.

    Raises:
        InputError: a constant image.
    """
    scale = scale_of(volume.data, volume.modality)
    sample = (_strided(volume.data).astype(np.float64) - scale.low) / scale.width
    block = (_central(volume.data).astype(np.float64) - scale.low) / scale.width
    tissue = sample[sample > DARK]
    tissue = tissue if tissue.size else sample.ravel()
    sides = np.array(volume.shape) * volume.spacing_mm
    rough = _roughness(block, volume.spacing_mm)
    likeness, jump = _likeness(volume.data)
    least, most = ((float(value) - scale.low) / scale.width for value in (volume.data.min(), volume.data.max()))
    return {
        "smallest_mm": float(sides.min()),
        "largest_mm": float(sides.max()),
        "noise": estimate_sigma(torch.from_numpy(block), fine_axes(volume.spacing_mm)),
        "offset": scale.low / scale.width,
        "dark": float(np.mean(sample < DARK)),
        "middle": float(np.median(tissue)),
        "bright": float(np.percentile(tissue, 90)),
        "border": float(np.median(_border(sample))),
        "lowest": least,
        "highest": most,
        "levels": float(np.unique(sample).size),
        "saturated": float(np.mean(sample >= most)),
        "likeness": likeness,
        "jump": jump,
        "repeated": _repeated(volume.data),
        "roughest": max(rough),
        "smoothest": min(rough),
    }


def statistics_seen(volume: Volume) -> list[Statistics]:
    """The statistics of a training scan as it is and as degraded by the named tasks that fit it.

    Raises:
        InputError: a constant image.
    """
    found = [statistics_of(volume)]
    for name in SEEN_THROUGH:
        with suppress(UsageError):  # too coarse or too small for this task
            found.append(statistics_of(degrade(volume, TASKS[name])[0]))
    return found


def ranges_of(found: Iterable[Statistics]) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of every statistic over a set of scans.

    Raises:
        InputError: no scans.
    """
    rows = list(found)
    if not rows:
        raise InputError("no scans given to take usual ranges from; give the training scans")
    return {
        name: (round(min(row[name] for row in rows), 5), round(max(row[name] for row in rows), 5)) for name in MEASURES
    }


def usual_ranges(volumes: Iterable[Volume]) -> dict[str, dict[str, tuple[float, float]]]:
    """Ranges of the statistics of training scans, by modality, for `medsr.model.spec.Envelope.statistics`.

    Args:
        volumes: Training scans; taken one at a time, since they may be many.

    Raises:
        InputError: a constant image.
    """
    found: dict[str, list[Statistics]] = {}
    for volume in volumes:
        found.setdefault(volume.modality, []).extend(statistics_seen(volume))
    return {modality: ranges_of(rows) for modality, rows in found.items()}


def distance_of(name: str, value: float, usual: tuple[float, float]) -> float:
    """How far a statistic lies from its usual range, in widths of the range; 0 inside it."""
    measure = MEASURES[name]
    low, high = usual
    if measure.ratio:
        value, low, high = (math.log(max(x, 1e-6)) for x in (value, low, high))
    width = max(high - low, measure.unit) if measure.side == "both" else measure.unit
    below = (low - value) / width if measure.side != "high" else 0.0
    above = (value - high) / width if measure.side != "low" else 0.0
    return max(0.0, below, above)


def _strided(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """The whole scan, thinned evenly to about `BLOCK_VOX` voxels a side where it is larger."""
    i, j, k = (slice(None, None, max(1, n // BLOCK_VOX)) for n in data.shape)
    return data[i, j, k]


def _central(data: NDArray[np.float32]) -> NDArray[np.float32]:
    i, j, k = (slice(max(0, (n - BLOCK_VOX) // 2), max(0, (n - BLOCK_VOX) // 2) + BLOCK_VOX) for n in data.shape)
    return data[i, j, k]


def _border(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxels of the six faces."""
    faces = [np.take(sample, index, axis=axis).ravel() for axis in range(3) for index in (0, -1)]
    return np.concatenate(faces)


def _slices(data: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    """Slices along an axis, (n, voxels of each), their voxels thinned as by `_strided`."""
    turned = np.moveaxis(data, axis, 0)
    j, k = (slice(None, None, max(1, n // BLOCK_VOX)) for n in turned.shape[1:])
    return turned[:, j, k].reshape(turned.shape[0], -1).astype(np.float64)


def _likeness(data: NDArray[np.float32]) -> tuple[float, float]:
    """Correlation of neighbouring slices: its median where it is least, and its largest fall; the worst axis each."""
    medians, falls = [1.0], [0.0]
    for axis in range(3):
        rows = _slices(data, axis)
        rows = rows - rows.mean(1, keepdims=True)
        sizes = np.linalg.norm(rows, axis=1)
        varied = (sizes[:-1] > 0) & (sizes[1:] > 0)
        if varied.any():
            products = np.sum(rows[:-1] * rows[1:], axis=1)[varied]
            alike = products / (sizes[:-1] * sizes[1:])[varied]
            inner = alike[int(INNER * alike.size) : alike.size - int(INNER * alike.size)]
            medians.append(float(np.median(alike)))
            falls.append(float(np.median(inner) - inner.min()))
    return min(medians), max(falls)


def _repeated(data: NDArray[np.float32]) -> float:
    """Share of slices, of those that are not constant, that are equal to their neighbour; the worst axis."""
    shares = []
    for axis in range(3):
        rows = _slices(data, axis)
        varied = np.ptp(rows[1:], axis=1) > 0
        same = np.all(rows[1:] == rows[:-1], axis=1)
        shares.append(float(same[varied].mean()) if varied.any() else 0.0)
    return max(shares)


def _roughness(block: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> list[float]:
    """Per fine axis the root mean square of second over first differences: 1.7 for white noise, 0 for a ramp."""
    found = []
    for axis in fine_axes(spacing_mm):
        first = np.diff(block, axis=axis)
        size = float(np.sqrt(np.mean(first**2)))
        second = np.diff(first, axis=axis)
        found.append(float(np.sqrt(np.mean(second**2))) / size if size > 0 and second.size else 0.0)
    return found
