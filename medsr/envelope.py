"""Whether a scan is like those that a model was trained on: inside, at the edge or outside of its envelope.

The grid is judged by `models.Envelope.objections`. The voxels are judged by a few plain statistics whose ranges over
the training scans, as they are and degraded by the named tasks, lie in the weights' metadata; so every verdict can say
which number was odd, and what was usual.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.acquisition import DEGRADABLE, TASKS, Acquisition, degrade
from medsr.errors import InputError, UsageError
from medsr.intensity import scale_of
from medsr.models import Envelope, Model, weights_bytes
from medsr.ops.noise import estimate_sigma
from medsr.volume import Volume

Level = Literal["inside", "edge", "outside"]
Statistics = dict[str, float]

AT_EDGE = 0.25  # of the width of the usual range beyond it: up to here a scan is inside
OUTSIDE = 1.0  # up to here it is at the edge
INNER = 0.2  # of the slices left out at each end where jumps are looked for: anatomy ends there
LAST_PART = 0.95  # of a validated factor or spacing: beyond lies the edge
BLOCK_VOX = 80  # side of the central block that noise and smoothness are read from, and of the sample of the whole
DARK = 0.05  # of the model range
SEEN_THROUGH = ("iso2", "iso4", "thick5", "plane2", "noisy2")


@dataclass(frozen=True)
class Measure:
    """How one statistic is called and compared.

    Attributes:
        title: in messages.
        unit: of its distance from the usual range, where the range itself is narrower or does not count.
        ratio: whether values are compared by their logarithms.
        side: which values can be odd; where only one side can, the width of the range does not count.
        refuses: whether a value far out is a reason to refuse; a field of view and its share of air only warn, since
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


@dataclass(frozen=True)
class Verdict:
    """How a scan lies to what a model was trained and validated on.

    Attributes:
        level: "inside", "edge" (a warning) or "outside" (refused unless forced).
        objections: why it lies outside, one line each.
        notices: what lies at the edge, one line each.
        distance: from the usual ranges of the statistics, in their widths; 0 where all are usual.
    """

    level: Level
    objections: tuple[str, ...]
    notices: tuple[str, ...]
    distance: float


def judge(volume: Volume, acquisition: Acquisition, envelope: Envelope, *, voxels: bool = True) -> Verdict:
    """The verdict on a scan before it is enhanced.

    Args:
        volume: the coarse scan.
        acquisition: how it was acquired and the finer grid.
        envelope: of the model.
        voxels: whether they are judged too; not where the volume is a small part of a scan.
    """
    grid = acquisition.factors, acquisition.fine_spacing_mm
    objections = envelope.objections(volume.modality, *grid)
    notices = [] if objections else _near_limit(envelope, *grid)
    distance = 0.0
    usual = envelope.statistics.get(volume.modality, {})
    if voxels and usual:
        found = statistics_of(volume)
        far = {name: distance_of(name, found[name], usual[name]) for name in usual if name in found}
        distance = max(far.values(), default=0.0)
        for name in sorted(far, key=lambda one: -far[one]):
            if far[name] > OUTSIDE and MEASURES[name].refuses:
                objections.append(_said(name, found[name], usual[name]))
            elif far[name] > AT_EDGE:
                notices.append(_said(name, found[name], usual[name]))
    level: Level = "outside" if objections else "edge" if notices else "inside"
    return Verdict(level, tuple(objections), tuple(notices), distance)


def statistics_of(volume: Volume) -> Statistics:
    """The statistics of `MEASURES` of one scan.

    Intensities are in the model range (`medsr.intensity`): for CT fixed to HU, for MR relative to robust percentiles.

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
        "noise": estimate_sigma(torch.from_numpy(block), _fine(volume.spacing_mm)),
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
    """The statistics of a training scan as it is and as seen through the named tasks that fit it.

    Raises:
        InputError: a constant image.
    """
    found = [statistics_of(volume)]
    for name in SEEN_THROUGH:
        with suppress(UsageError):  # too coarse or too small for this task
            found.append(statistics_of(degrade(volume, TASKS[name])[0]))
    return found


def ranges_of(found: Iterable[Statistics]) -> dict[str, tuple[float, float]]:
    """Least and most of every statistic over scans.

    Raises:
        InputError: no scans.
    """
    rows = list(found)
    if not rows:
        raise InputError("no scans to take usual ranges from; give the training scans")
    return {
        name: (round(min(row[name] for row in rows), 5), round(max(row[name] for row in rows), 5)) for name in MEASURES
    }


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


def sealed_weights(model: Model, statistics: Mapping[str, dict[str, tuple[float, float]]]) -> bytes:
    """The model's weights file with these ranges in its metadata; the weights themselves do not change."""
    envelope = replace(model.spec.envelope, statistics=dict(statistics))
    return weights_bytes(model.net.state_dict(), replace(model.spec, envelope=envelope))


def _near_limit(envelope: Envelope, factors: Iterable[float], fine_spacing_mm: Iterable[float]) -> list[str]:
    """What of the grid lies in the last part of the validated range."""
    pairs = [(f, h) for f, h in zip(factors, fine_spacing_mm, strict=True) if f > 1]
    limit = envelope.max_factor if len(pairs) == 1 else envelope.max_factor_several
    factor, coarse = max(f for f, _ in pairs), max(f * h for f, h in pairs)
    found = []
    if factor > LAST_PART * limit:
        found.append(f"factor {factor:.3g} (validated: up to {limit:g})")
    if coarse > LAST_PART * envelope.max_coarse_mm:
        found.append(f"slices every {coarse:.3g} mm (validated: up to {envelope.max_coarse_mm:g} mm)")
    return found


def _said(name: str, value: float, usual: tuple[float, float]) -> str:
    return f"{MEASURES[name].title} is {value:.3g} (usual: {usual[0]:.3g} to {usual[1]:.3g})"


def _fine(spacing_mm: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(axis for axis in range(3) if spacing_mm[axis] < DEGRADABLE * spacing_mm.min())


def _strided(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every so many voxels of the whole scan."""
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
    """(slices, voxels of each, every so many)."""
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
        told = (sizes[:-1] > 0) & (sizes[1:] > 0)
        if told.any():
            products = np.sum(rows[:-1] * rows[1:], axis=1)[told]
            alike = products / (sizes[:-1] * sizes[1:])[told]
            inner = alike[int(INNER * alike.size) : alike.size - int(INNER * alike.size)]
            medians.append(float(np.median(alike)))
            falls.append(float(np.median(inner) - inner.min()))
    return min(medians), max(falls)


def _repeated(data: NDArray[np.float32]) -> float:
    """Share of slices, of those that are not constant, that are equal to their neighbour; the worst axis."""
    shares = []
    for axis in range(3):
        rows = _slices(data, axis)
        told = np.ptp(rows[1:], axis=1) > 0
        same = np.all(rows[1:] == rows[:-1], axis=1)
        shares.append(float(same[told].mean()) if told.any() else 0.0)
    return max(shares)


def _roughness(block: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> list[float]:
    """Per fine axis the root mean square of second over first differences: 1.7 for white noise, 0 for a ramp."""
    found = []
    for axis in _fine(spacing_mm):
        first = np.diff(block, axis=axis)
        size = float(np.sqrt(np.mean(first**2)))
        second = np.diff(first, axis=axis)
        found.append(float(np.sqrt(np.mean(second**2))) / size if size > 0 and second.size else 0.0)
    return found
