"""Axes along which a scan was interpolated to more voxels, recognised by what an interpolator can make.

Linear interpolation and cubic splines with a knot at every sample make few of the signals that a line of voxels can
hold. A line that was interpolated lies among those, whatever its content: of its power above the samples' Nyquist
frequency less than 0.2 is left outside of the splines, most of it by rounding. On all axes of 34 training scans at
least 0.43 was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from medsr.physics.blur import rounding_variance

MOST_PER_SAMPLE = 6
LEAST_SAMPLES = 8  # of an axis; fewer say little
LINES = 50  # of an axis that are looked at, those that vary the most of `LINES` squared
OUTSIDE = 0.25  # of the power above the samples' Nyquist frequency may lie outside of the splines
ALIKE = 0.02  # of that power: fewer samples that leave no more than this in addition explain an axis as well
LEAST_POWER = 1e-7  # of the variance above that frequency; with less there is nothing to tell by
ENDS = 2  # samples at either end that don't count: what lies beyond the last one is filled in many ways
STRAIGHT = 0.02  # of the larger bends: what runs straight but for rounding bends less
ASTRAY = 0.1  # samples
TINY = 1e-9

Array = NDArray[np.float64]


def _linear(x: Array) -> Array:
    return np.maximum(1 - x, 0)


def _cubic(x: Array) -> Array:
    return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, np.maximum(2 - x, 0) ** 3 / 6)


SPLINES: dict[int, Callable[[Array], Array]] = {1: _linear, 3: _cubic}  # B-splines at a distance in samples, by degree


@dataclass(frozen=True)
class Interpolation:
    """How the voxels of an axis lie among the samples that they were interpolated from.

    Attributes:
        degree: Degree of the splines: 1 (linear) or 3.
        first: Place of the first voxel, in samples, which lie at whole numbers.
        step: Distance of voxels, in samples.
    """

    degree: int
    first: float
    step: float

    def power_outside(self, lines: Array) -> float:
        """Mean square of what the splines leave of lines (n, ...), but for their ends."""
        voxels = self.first + self.step * np.arange(len(lines), dtype=np.float64)
        left = lines - np.tensordot(self._fit(len(lines), voxels), lines, 1)
        return float(np.mean(self.without_ends(left) ** 2))

    def without_ends(self, lines: Array) -> Array:
        """Lines (n, ...) without the ends that don't count."""
        ends = round(ENDS / self.step)
        return lines[ends:-ends]

    def places(self, n: int) -> Array:
        """Places, in voxels, of the samples whose extent holds the centre of one of n voxels."""
        last = self.first + self.step * (n - 1)
        return (np.arange(np.ceil(self.first - 0.5 + TINY), np.floor(last + 0.5 - TINY) + 1) - self.first) / self.step

    def samples(self, lines: NDArray[np.floating]) -> NDArray[np.floating]:
        """The samples (m, ...) at `places` that lines (n, ...) were interpolated from, by least squares."""
        n = len(lines)
        fit = self._fit(n, self.first + self.step * self.places(n))
        return np.tensordot(fit.astype(lines.dtype), lines, 1)  # a scan in double precision would need twice the memory

    def _fit(self, n: int, at: Array) -> Array:
        """The matrix (k, n) from n voxels to the splines nearest to them, at places (k,) in samples."""
        voxels = self.first + self.step * np.arange(n)
        beyond = (self.degree - 1) // 2  # of the samples around the voxels: knots whose splines reach in
        knots = np.arange(np.floor(voxels[0] + TINY) - beyond, np.ceil(voxels[-1] - TINY) + beyond + 1)
        splines, wanted = (SPLINES[self.degree](np.abs(places[:, None] - knots)) for places in (voxels, at))
        fit: Array = wanted @ np.linalg.solve(splines.T @ splines, splines.T)
        return fit


def moved(samples: NDArray[np.floating], places: Array) -> NDArray[np.floating]:
    """Samples (m, ...) at other places (k,), in samples, as their waves go on; mirrored at both ends."""
    m = len(samples)
    waves = np.cos(np.pi * np.outer(places + 0.5, np.arange(m)) / m) / m
    waves[:, 0] /= 2
    return np.tensordot(waves.astype(samples.dtype), dct(samples, axis=0), 1)


def interpolation_of(data: NDArray[np.float32], axis: int) -> Interpolation | None:
    """How a scan was interpolated along an axis; None where it was not, or in another way than these.

    By splines, linear or cubic, and a whole factor of 2 to 6: samples may share their corners with the voxels, lie on
    every n-th voxel, or end on the first and the last one. Linearly by any factor that leaves most voxels between
    two samples without a bend. What rounding to whole stored values adds does not count.

    Args:
        data: Scan (I, J, K).
        axis: Axis.
    """
    lines = _lively(data, axis)
    rounding, variance = rounding_variance(lines), float(np.var(lines))

    def power(way: Interpolation) -> float:
        return way.power_outside(lines) - (1 - way.step) * rounding

    fitting: list[tuple[float, Interpolation]] = []
    for ways in _ways(lines, rounding):
        above = _power_above(ways[0].without_ends(lines), ways[0].step) - (1 - ways[0].step) * rounding
        if above > max(rounding, LEAST_POWER * variance):
            found = min(ways, key=power)
            fitting.append((power(found) / above, found))
    most = min(OUTSIDE, min((share for share, _ in fitting), default=0.0) + ALIKE)
    return next((found for share, found in fitting if share < most), None)


def _ways(lines: Array, rounding: float) -> Iterator[tuple[Interpolation, ...]]:
    """Ways in which lines (n, m) may have been interpolated, those with the fewest samples first.

    Splines through the samples pass through every second voxel between them as well, so more samples would do too.
    """
    n = len(lines)
    if n < 2 * LEAST_SAMPLES:
        return
    ways = [tuple(_ways_by(per_sample, n)) for per_sample in range(min(MOST_PER_SAMPLE, n // LEAST_SAMPLES), 1, -1)]
    bends = _places_of_bends(lines, rounding)
    if len(bends) >= LEAST_SAMPLES:
        ways += _ways_through(bends)
    yield from sorted(ways, key=lambda one: round(1 / one[0].step), reverse=True)


def _ways_by(per_sample: int, n: int) -> Iterator[Interpolation]:
    """Every way in which n voxels may have been interpolated, so many per sample; a scan may be cut at any voxel."""
    halves = 2 * per_sample  # of a voxel, in a sample
    places = {(2 * number + start) % halves for number in range(per_sample) for start in (0, 1 - per_sample)}
    for degree in SPLINES:
        for place in sorted(places):
            yield Interpolation(degree, place / halves, 1 / per_sample)
        if n % per_sample == 0:
            yield Interpolation(degree, 0.0, (n // per_sample - 1) / (n - 1))


def _places_of_bends(lines: Array, rounding: float) -> Array:
    """Places, in voxels, at which lines (n, m) bend while their neighbours run straight.

    A bend between two voxels shows in the second difference at both, by its distance from the other one.
    """
    bent = np.sqrt(np.mean(np.diff(lines, n=2, axis=0) ** 2, axis=1))
    found = np.flatnonzero(bent > 3 * np.sqrt(6 * rounding) + STRAIGHT * np.percentile(bent, 90))
    groups = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1)
    return np.array([1 + float(bent[g] @ g / bent[g].sum()) for g in groups if 0 < len(g) <= 2])


def _ways_through(bends: Array) -> Iterator[tuple[Interpolation]]:
    """Linear interpolation with samples at evenly spaced places of bends, some of which may be missing or astray."""
    steps = np.diff(bends)
    usual = np.sort(steps)[len(steps) // 2]
    single = steps[np.abs(steps - usual) < 0.3 * usual]  # none is missing in between
    numbers = np.concatenate([[0], np.cumsum(np.round(steps / single.mean()))])
    near = np.full(len(bends), True)
    for _ in range(2):  # the second time without what lies astray
        distance, start = np.polyfit(numbers[near], bends[near], 1)
        near = np.abs(bends - start - distance * numbers) < ASTRAY * distance
        if near.sum() < LEAST_SAMPLES:
            return
    if distance >= 2:
        yield (Interpolation(1, float(-start / distance % 1), float(1 / distance)),)


def _lively(data: NDArray[np.float32], axis: int) -> Array:
    """Lines (n, m) along an axis: those that vary the most of some that lie evenly in the scan."""
    across = [n for other, n in enumerate(data.shape) if other != axis]
    a, b = (np.linspace(0, n - 1, min(n, LINES), dtype=int) for n in across)
    lines = np.moveaxis(data, axis, 0)[:, a[:, None], b].reshape(data.shape[axis], -1)
    return np.asarray(lines[:, np.argsort(lines.std(0, dtype=np.float64))[-LINES:]], np.float64)


def _power_above(lines: Array, share: float) -> float:
    """Mean square of lines (n, m) above a share of their Nyquist frequency, seen through a Hann window."""
    n = len(lines)
    window = np.hanning(n)[:, None]
    power = np.abs(np.fft.rfft((lines - lines.mean(0)) * window, axis=0)) ** 2
    power[1 : (n + 1) // 2] *= 2  # of negative frequencies
    return float(np.sum(power[2 * np.fft.rfftfreq(n) > share]) / (n * np.sum(window**2) * lines.shape[1]))
