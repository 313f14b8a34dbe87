"""How much fine detail a scan holds: the power above half the Nyquist frequency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medsr.metrics.arrays import Mask, Scan
from medsr.metrics.windows import hann, windowed

HALF_NYQUIST = 0.25  # cycles per voxel


def high_frequency_power(x: Scan, axes: Sequence[int], mask: Mask | None = None) -> NDArray[np.float64]:
    """Power above half the Nyquist frequency along each of `axes`, (len(axes),), in the scan's unit squared.

    The scan is cut to the mask's bounding box, its mean under the window is removed, and it is multiplied by a Hann
    window along all three axes, so that the centre of the object counts most. For each axis the power spectrum along
    that axis alone is summed over frequencies |k| > 1/4 cycle per voxel and over all lines, and divided by the window's
    energy: white noise of variance v has v times the share of frequencies above 1/4, about v / 2.

    Args:
        x: Scan, (I, J, K), any unit.
        axes: Axes looked at, as a rule those that were degraded.
        mask: Mask whose bounding box is the window, (I, J, K) bool; None for the whole scan.
    """
    data = windowed(x, mask)
    energy = float((hann(data.shape) ** 2).sum())
    return np.array([_power_above(data, axis % 3) for axis in axes]) / energy


def high_frequency_power_ratio(x: Scan, reference: Scan, axes: Sequence[int], mask: Mask | None = None) -> float:
    """The result's high-frequency power over the reference's: one ratio per axis, averaged over the axes.

    1 where a result is as sharp as the truth, below 1 where it is blurred, above 1 where it is too sharp or noisy.

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K), same unit.
        axes: Degraded axes.
        mask: Mask whose bounding box is the window, (I, J, K) bool; None for the whole scan.
    """
    return float(np.mean(high_frequency_power(x, axes, mask) / high_frequency_power(reference, axes, mask)))


def _power_above(data: NDArray[np.float64], axis: int) -> float:
    n = data.shape[axis]
    power = np.abs(fft.rfft(data, axis=axis)) ** 2
    frequency = np.arange(power.shape[axis]) / n
    twice = np.where((frequency == 0) | (frequency == 0.5), 1.0, 2.0)  # a real signal's spectrum holds each wave twice
    weights = np.where(frequency > HALF_NYQUIST, twice, 0.0) / n
    return float(np.tensordot(weights, power, axes=(0, axis)).sum())
