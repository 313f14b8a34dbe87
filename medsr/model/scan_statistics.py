"""Scan statistics: plain statistics of a scan's voxels, and how far they lie from what is usual.

Each describes something that the eye would see too: contrast, noise, field of view, smoothness, order of slices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsr.model.intensity import Scale, scale_of
from medsr.physics.assumption import fine_axes, slice_axis_of
from medsr.physics.levels import distinct
from medsr.physics.noise_level import estimate_sigma
from medsr.volume import Volume

Statistics = dict[str, float]

INNER = 0.2  # of the slices left out at each end where jumps are looked for: anatomy ends there
BLOCK_VOX = 80  # side of the central block that noise and smoothness are read from, and of the sample of the whole
DARK = 0.05  # of the model range
TISSUE_AND_AIR = (-0.5, 1.5)  # of the model range: what lies beyond is metal, a marker or padding
STRAY = 5e-4  # of the voxels
MOST_NAMED = 3  # slices in one message


@dataclass(frozen=True)
class Measure:
    """Name of one statistic, what odd values of it mean, and how its values are compared.

    Attributes:
        title: Name beside its number.
        low: What an unusually low value means to whoever looks at the pictures.
        high: The same for an unusually high one.
        unit: Unit of its distance from the usual range, where the range itself is narrower or does not count.
        ratio: Whether values are compared by their logarithms.
        side: Values that can be odd; where only one side can, the width of the range does not count.
        refuses: Whether a value far out is a reason to refuse. What the network does not see, such as the field of view
            or an offset of all intensities, only warns.
    """

    title: str
    low: str
    high: str
    unit: float
    ratio: bool = False
    side: Literal["both", "low", "high"] = "both"
    refuses: bool = True

    def said(self, value: float, usual: tuple[float, float]) -> str:
        """What a value outside its usual range means, in words."""
        return self.low if value < usual[0] else self.high


MEASURES = {
    "smallest_mm": Measure(
        "smallest side of the field of view in mm",
        "the scan covers very little along one side",
        "the scan covers unusually much",
        1.6,
        ratio=True,
        refuses=False,
    ),
    "largest_mm": Measure(
        "largest side of the field of view in mm",
        "the field of view is very small",
        "the field of view is unusually large",
        1.4,
        ratio=True,
        refuses=False,
    ),
    "noise": Measure("noise over the intensity range", "", "the scan is very noisy", 0.04, side="high"),
    "offset": Measure(
        "dark end of the intensity range over its width",
        "the darkest intensities lie far below zero",
        "the darkest intensities lie far above zero",
        0.2,
        refuses=False,
    ),
    "dark": Measure(
        "share of dark voxels",
        "no air around the body is in the picture",
        "most of the picture is air",
        0.4,
        refuses=False,
    ),
    "middle": Measure(
        "median of the voxels that are not dark",
        "most tissue is unusually dark",
        "most tissue is unusually bright",
        0.3,
    ),
    "bright": Measure(
        "90th percentile of the voxels that are not dark",
        "bright tissue is missing",
        "too much of the tissue is as bright as the brightest",
        0.3,
    ),
    "border": Measure(
        "median at the border",
        "the border of the picture is darker than air",
        "the border of the picture is brighter than most tissue",
        0.3,
    ),
    "lowest": Measure(
        "lowest value but for stray voxels, over the intensity range",
        "some voxels are far darker than air",
        "",
        0.2,
        side="low",
    ),
    "highest": Measure(
        "highest value over the intensity range",
        "no voxel is much brighter than tissue",
        "some voxels are far brighter than tissue, as metal or a marker is; do not trust the detail around them",
        0.7,
        ratio=True,
        refuses=False,
    ),
    "levels": Measure(
        "number of different values in a sample",
        "there are only a few grey levels, as in a label map",
        "",
        1.2,
        ratio=True,
        side="low",
    ),
    "saturated": Measure(
        "share of voxels at the highest value",
        "",
        "bright tissue is cut off at one value, as in a windowed picture",
        0.02,
        side="high",
    ),
    "likeness": Measure(
        "correlation of neighbouring slices", "neighbouring slices do not look alike", "", 0.3, side="low"
    ),
    "jump": Measure(
        "largest fall of that correlation between two slices",
        "",
        "a slice does not fit its neighbours",
        0.3,
        side="high",
    ),
    "repeated": Measure(
        "share of slices that repeat their neighbour",
        "",
        "many slices repeat their neighbour: the true slices are fewer",
        0.3,
        side="high",
    ),
    "roughest": Measure(
        "second over first differences along the roughest axis",
        "the scan is blurred along every axis",
        "the finest detail looks like noise, not like tissue",
        0.5,
    ),
    "smoothest": Measure(
        "second over first differences along the smoothest axis",
        "the scan is blurred along one axis",
        "the finest detail looks like noise along every axis",
        0.5,
    ),
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
    tissue_and_air = _without_extremes(volume.data, scale)
    block = (_central(tissue_and_air).astype(np.float64) - scale.low) / scale.width
    tissue = sample[sample > DARK]
    tissue = tissue if tissue.size else sample.ravel()
    sides = np.array(volume.shape) * volume.spacing_mm
    rough = _roughness(block, volume.spacing_mm)
    likeness, jump = _likeness(tissue_and_air)
    least, most = ((float(value) - scale.low) / scale.width for value in (_darkest(volume.data), volume.data.max()))
    return {
        "smallest_mm": float(sides.min()),
        "largest_mm": float(sides.max()),
        "noise": estimate_sigma(block, fine_axes(volume.spacing_mm)),
        "offset": scale.low / scale.width,
        "dark": float(np.mean(sample < DARK)),
        "middle": float(np.median(tissue)),
        "bright": float(np.percentile(tissue, 90)),
        "border": float(np.median(_border(sample))),
        "lowest": least,
        "highest": most,
        "levels": float(distinct(_strided(volume.data)).size),
        "saturated": float(np.mean(sample >= most)),
        "likeness": likeness,
        "jump": jump,
        "repeated": _repeated(volume.data),
        "roughest": max(rough),
        "smoothest": min(rough),
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


def slice_faults(volume: Volume) -> list[str]:
    """Slices inside a scan that are blank or repeat the one before voxel by voxel, one line each kind."""
    axis = slice_axis_of(volume)
    rows = _slices(volume.data, axis)
    varied = np.flatnonzero(np.ptp(rows, axis=1) > 0)
    if not varied.size:
        return []
    inner = np.arange(varied[0], varied[-1] + 1)
    blank = np.setdiff1d(inner, varied)
    same = inner[1:][np.all(rows[inner[1:]] == rows[inner[:-1]], axis=1)]
    return [
        f"along axis {axis} {_numbered(numbers)} {fault}, so detail there is made up"
        for numbers, fault in ((blank, "blank"), (np.setdiff1d(same, blank), "the same as the one before"))
        if numbers.size
    ]


def _numbered(numbers: NDArray[np.int64]) -> str:
    """Such as "slice 7 is" or "slices 7, 8, 9 and 4 more are"; slices are counted from 0."""
    named = ", ".join(str(number) for number in numbers[:MOST_NAMED])
    more = f" and {numbers.size - MOST_NAMED} more" if numbers.size > MOST_NAMED else ""
    return f"slice {named} is" if numbers.size == 1 else f"slices {named}{more} are"


def _darkest(data: NDArray[np.float32]) -> float:
    """The lowest value of a scan but for a share of `STRAY` of its voxels, such as undershoots of a resampling."""
    n_stray = int(STRAY * data.size)
    return float(np.partition(data, n_stray, axis=None)[n_stray])


def _without_extremes(data: NDArray[np.float32], scale: Scale) -> NDArray[np.float32]:
    """The scan with metal and markers as bright as the brightest tissue can be, so that they don't hide the rest."""
    low, high = (scale.low + share * scale.width for share in TISSUE_AND_AIR)
    return np.asarray(np.clip(data, low, high), np.float32)


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


def _slices(data: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Slices along an axis, (n, voxels of each), their voxels thinned as by `_strided`."""
    turned = np.moveaxis(data, axis, 0)
    j, k = (slice(None, None, max(1, n // BLOCK_VOX)) for n in turned.shape[1:])
    return turned[:, j, k].reshape(turned.shape[0], -1)


def _likeness(data: NDArray[np.float32]) -> tuple[float, float]:
    """Correlation of neighbouring slices: its median where it is least, and its largest fall; the worst axis each."""
    medians, falls = [1.0], [0.0]
    for axis in range(3):
        rows = _slices(data, axis).astype(np.float64)
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
