"""Patterns that are no anatomy: bars, crosses and letters, and what a method makes of them.

A network that has only seen anatomy may answer anything else with anatomy, or sharpen it beyond what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.metrics.arrays import rms
from medsr.metrics.tissue import tissue_levels
from medsr.physics.acquisition import Acquisition
from medsr.physics.ops import Separable
from medsr.validation.lesions import CLEARLY
from medsr.volume import Volume

Array = NDArray[np.float64]
Window = tuple[slice, slice, slice]

STROKE_SAMPLES = 1.5  # thickness of crosses and letters, in coarse voxels: starts drift through all places in a slice
WIDE_SAMPLES, NARROW_SAMPLES = 4.0, 2.5  # periods of the bars
CROSS_STROKES = 5  # length of the arms of a cross, both ways together
BORDER_SHARE = 0.1  # of the field of view, on each side, that is air
GAP_SAMPLES = 2  # coarse voxels around each pattern, so that the border of the block is not measured with it
LEAST_VOX, LEAST_SAMPLES = 10, 6  # fine voxels across a pattern; coarse voxels along the axis of the bars
EXTREME_PERCENT = 99.9
LETTER_E = ("11111", "10000", "10000", "11110", "10000", "10000", "11111")


@dataclass(frozen=True)
class PatternFinding:
    """One pattern in the result of one method, in the voxels of the pattern and its surroundings.

    Attributes:
        pattern: "wide bars", "narrow bars", "crosses" or "letter".
        size_mm: Period of the bars, or thickness of the strokes, along the coarsest degraded axis.
        error: Root mean square error over the contrast of the pattern.
        cubic_error: That of cubic interpolation.
        overshoot: How far the result goes beyond pattern and background, over the contrast; its 99.9th percentile.
        added: Correlation of what the method adds to the IBP estimate with what is missing there; 1 is all true, below
            0 is worse than nothing. NaN where it adds nothing.
    """

    pattern: str
    size_mm: float
    error: float
    cubic_error: float
    overshoot: float
    added: float

    @property
    def worse_than_cubic(self) -> bool:
        """Whether cubic interpolation is clearly nearer to the truth."""
        return self.error > self.cubic_error + CLEARLY


@dataclass(frozen=True)
class Pattern:
    """Where one pattern lies.

    Attributes:
        name: Name of the pattern.
        size_mm: Its size, as in `PatternFinding`.
        window: Its voxels.
    """

    name: str
    size_mm: float
    window: Window


@dataclass(frozen=True)
class Phantom:
    """A block of one tissue in air that holds patterns of another one.

    Attributes:
        volume: The phantom on the grid of the reference.
        patterns: What it holds.
        low: Intensity of the block.
        contrast: Intensity of the patterns over that of the block.
    """

    volume: Volume
    patterns: tuple[Pattern, ...]
    low: float
    contrast: float


def phantom_of(reference: Volume, mask: NDArray[np.bool_], acquisition: Acquisition) -> Phantom | None:
    """A phantom with the intensities and the grid of a scan; None where there is no room for it.

    Args:
        reference: High-resolution scan.
        mask: Voxels of its body, (I, J, K) bool.
        acquisition: Acquisition that will degrade it.

    Raises:
        InputError: as `tissue_levels`.
    """
    along = acquisition.coarsest_axis
    first, second = (axis for axis in range(3) if axis != along)
    block = [slice(round(n * BORDER_SHARE), n - round(n * BORDER_SHARE)) for n in reference.shape]
    gaps = [ceil(GAP_SAMPLES * factor) for factor in acquisition.factors]
    windows = {along: (_within(block[along], gaps[along]),) * 2}
    windows |= {axis: _halves(block[axis], gaps[axis]) for axis in (first, second)}
    room = {axis: min(one.stop - one.start for one in pair) for axis, pair in windows.items()}
    if room[along] < LEAST_SAMPLES * acquisition.factors[along] or min(room[first], room[second]) < LEAST_VOX:
        return None
    low, high = tissue_levels(reference.data, mask, reference.modality)
    data = np.full(reference.shape, reference.data.min(), np.float32)
    data[tuple(block)] = low
    spacing = reference.spacing_mm
    step = float(spacing[along]) * acquisition.factors[along]
    drawn = (
        ("wide bars", WIDE_SAMPLES * step, _bars),
        ("narrow bars", NARROW_SAMPLES * step, _bars),
        ("crosses", STROKE_SAMPLES * step, _crosses),
        ("letter", STROKE_SAMPLES * step, _letter),
    )
    patterns = []
    for number, (name, size_mm, draw) in enumerate(drawn):
        window = [windows[axis][0] for axis in range(3)]
        window[first], window[second] = windows[first][number // 2], windows[second][number % 2]
        a, b = (_centres(window[axis], spacing[axis]) for axis in (along, first))
        plane = draw(a[:, None], b[None, :], size_mm)
        plane = plane if along < first else plane.T
        data[tuple(window)] = np.where(np.expand_dims(plane, second), np.float32(high), np.float32(low))
        patterns.append(Pattern(name, float(size_mm), (window[0], window[1], window[2])))
    return Phantom(reference.with_data(data), tuple(patterns), low, high - low)


def pattern_findings(
    phantom: Phantom, degraded: Volume, op: Separable, x: NDArray[np.float32]
) -> tuple[PatternFinding, ...]:
    """What a method made of each pattern.

    Args:
        phantom: Phantom of `phantom_of`.
        degraded: The phantom after the scanner, (i, j, k).
        op: Operator that the method was told.
        x: Result of the method, (I, J, K) in the scan's unit.
    """
    y = torch.from_numpy(degraded.data.astype(np.float64))
    ibp, cubic = op.ibp(y).numpy(), op.cubic(y).numpy()
    scans = [np.asarray(scan, dtype=np.float64) for scan in (x, phantom.volume.data, ibp, cubic)]
    return tuple(_finding(one, phantom, *(scan[one.window] for scan in scans)) for one in phantom.patterns)


def _finding(pattern: Pattern, phantom: Phantom, x: Array, truth: Array, ibp: Array, cubic: Array) -> PatternFinding:
    beyond = np.maximum(x - (phantom.low + phantom.contrast), phantom.low - x) / phantom.contrast
    return PatternFinding(
        pattern=pattern.name,
        size_mm=pattern.size_mm,
        error=rms(x - truth) / phantom.contrast,
        cubic_error=rms(cubic - truth) / phantom.contrast,
        overshoot=max(0.0, float(np.percentile(beyond, EXTREME_PERCENT))),
        added=_correlation(x - ibp, truth - ibp, 1e-3 * phantom.contrast),
    )


def _correlation(a: Array, b: Array, least: float) -> float:
    if a.std() < least:
        return float("nan")
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _within(one: slice, gap: int) -> slice:
    return slice(one.start + gap, one.stop - gap)


def _halves(one: slice, gap: int) -> tuple[slice, slice]:
    middle = (one.start + one.stop) // 2
    return _within(slice(one.start, middle), gap), _within(slice(middle, one.stop), gap)


def _centres(window: slice, spacing_mm: float) -> Array:
    """Places of voxels in mm from the middle of their window."""
    places = np.arange(window.start, window.stop) + 0.5 - (window.start + window.stop) / 2
    return np.asarray(places * spacing_mm)


def _bars(a: Array, b: Array, period_mm: float) -> NDArray[np.bool_]:
    return np.broadcast_to(np.floor(2 * a / period_mm) % 2 == 0, np.broadcast_shapes(a.shape, b.shape))


def _crosses(a: Array, b: Array, stroke_mm: float) -> NDArray[np.bool_]:
    """Crosses in a row, each a little further from the centre of a slice than the one before."""
    apart = (CROSS_STROKES + 1.5) * stroke_mm
    place = (a + apart / 2) % apart - apart / 2
    reach = CROSS_STROKES * stroke_mm / 2
    upright = (np.abs(b) < stroke_mm / 2) & (np.abs(place) < reach)
    return np.asarray(upright | ((np.abs(place) < stroke_mm / 2) & (np.abs(b) < reach)))


def _letter(a: Array, b: Array, stroke_mm: float) -> NDArray[np.bool_]:
    """The letter E, lying along the axis of the bars."""
    rows = np.array([[cell == "1" for cell in row] for row in LETTER_E])
    i = np.floor(a / stroke_mm + rows.shape[0] / 2).astype(int)
    j = np.floor(b / stroke_mm + rows.shape[1] / 2).astype(int)
    known = (i >= 0) & (i < rows.shape[0]) & (j >= 0) & (j < rows.shape[1])
    return np.asarray(known & rows[i.clip(0, rows.shape[0] - 1), j.clip(0, rows.shape[1] - 1)])
