"""How far a scan is blurred along its axes, estimated from its voxels.

Borders between tissues are steps, and the line spectrum of steps falls as the inverse square of the frequency. So the
power of third over second differences along an axis tells the width of the profile that the steps were seen through,
with no free constant but what anatomy itself is softer than a step. Across thick slices the plane of the slices holds
the answer instead: coarsened by the right profile, it looks as the scan does across its slices (the idea of ESPRESO,
Han et al. 2021, arXiv:2104.00100).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from medsr.physics.levels import distinct
from medsr.physics.noise_level import central
from medsr.physics.ops.matrices import Matrix, profile_matrix
from medsr.physics.profiles import FWHM_PER_SIGMA, gaussian

WIDTHS = np.arange(0.2, 2.45, 0.05)  # FWHM in samples
SECOND_NOISE, THIRD_NOISE = 6.0, 20.0  # power that differences of that order make of white noise of unit variance
MOST_NOISE = 0.5  # share of noise in the power of third differences; above it nothing can be said
ANATOMY_FWHM = 0.72  # samples: what tissue borders of 34 training scans are softer than steps, median
LEAST_SAMPLES = 8  # of an axis


def step_fwhm(data: NDArray[np.float32], axis: int, noise: float) -> float | None:
    """FWHM, in samples, of the Gaussian through which steps look as this scan does along an axis.

    Args:
        data: Scan (I, J, K).
        axis: Axis.
        noise: Standard deviation of the white noise in the scan.

    Returns:
        0.2 to 2.4; None where the axis is too short, or noise hides the answer.
    """
    found = _sharpness(central(data), axis, noise)
    return None if found is None else float(np.interp(-found, -_sharpness_of_steps(), WIDTHS))


def upper_band(data: NDArray[np.float32], axis: int) -> float:
    """Power of a scan's differences along an axis near the Nyquist frequency, over that below half of it.

    Bands from 0.6 to 1 and from 0.25 to 0.5 of the Nyquist frequency, seen through a Hann window; 0 of a scan that was
    zero-filled by a factor of 2 or more, 0.2 to 1 of one that was not. What rounding to whole stored values adds does
    not count.

    Args:
        data: Scan (I, J, K).
        axis: Axis.
    """
    block = central(data)
    lines = np.diff(block, axis=axis)
    window, frequencies = np.hanning(lines.shape[axis]), np.fft.rfftfreq(lines.shape[axis])
    rounding = rounding_variance(block) * np.sum(window**2)
    near, half, quarter = (round(share * (frequencies.size - 1)) for share in (0.6, 0.5, 0.25))

    def mean_power(band: NDArray[np.floating]) -> float:
        # few frequencies are asked for: their sums are quicker than a Fourier transform, above all of prime length
        waves = np.exp(2j * np.pi * np.outer(band, np.arange(window.size))) * window
        power = sum(
            np.mean(np.tensordot(part, lines, (1, axis)) ** 2, axis=(1, 2)) for part in (waves.real, waves.imag)
        )
        return float(np.mean(np.maximum(power - rounding * 4 * np.sin(np.pi * band) ** 2, 0.0)))

    below = mean_power(frequencies[quarter : half + 1])
    return mean_power(frequencies[near:]) / below if below > 0 else 1.0


def rounding_variance(data: NDArray[np.floating]) -> float:
    """Variance of the error of values that were rounded to multiples of a step: its square over 12 (Bennett 1948)."""
    steps = np.diff(distinct(data.astype(np.float32)).astype(np.float64))  # scans are float32
    return float(steps.min()) ** 2 / 12 if steps.size else 0.0


def own_fwhm(step_fwhm: float) -> float:
    """The part of such a width that is the scanner's and not anatomy's: the two add up as variances."""
    return float(np.sqrt(max(step_fwhm**2 - ANATOMY_FWHM**2, 0.0)))


def slice_fwhm(
    data: NDArray[np.float32], axis: int, spacing_mm: Sequence[float], in_plane: Sequence[int], noise: float
) -> tuple[float, float] | None:
    """FWHM, in samples, of the Gaussian profile across thick slices, from a comparison with each axis of their plane.

    Anatomy that is softer across the slices than along an axis of their plane looks like a wider profile, and the other
    way round: on 15 training scans with slices across each axis the comparisons are off by 0.17 samples (standard
    deviation), and nine in ten of the smaller ones of two by -0.33 to 0.27.

    Args:
        data: Scan (I, J, K).
        axis: Axis across the slices.
        spacing_mm: Spacing per axis.
        in_plane: Finer axes to compare with.
        noise: Standard deviation of the white noise in the scan.

    Returns:
        The smallest and the largest found, 0.2 to 2.4; None where the scan is too small, or noise hides the answer.
    """
    found = [_alike(central(data), axis, spacing_mm, other, noise) for other in in_plane]
    known = [width for width in found if width is not None]
    return (min(known), max(known)) if known else None


def _alike(
    block: NDArray[np.float64], axis: int, spacing_mm: Sequence[float], other: int, noise: float
) -> float | None:
    """The width at which the block, coarsened along `other`, is as sharp there as along `axis`."""
    n_fine = block.shape[other]
    n_coarse = round(n_fine * spacing_mm[other] / spacing_mm[axis])
    if n_coarse < LEAST_SAMPLES:
        return None

    @cache
    def difference(number: int) -> float:
        """What `axis` is sharper by, rising with the width of that number; not a number where noise hides it."""
        matrix = profile_matrix(n_fine, n_coarse, gaussian, WIDTHS[number] * n_fine / n_coarse)
        coarsened = _along(matrix, block, other)
        left = noise * float(np.sqrt(np.mean(np.sum(matrix**2, axis=1))))
        there, here = _sharpness(coarsened, other, left), _sharpness(coarsened, axis, left)
        return np.nan if there is None or here is None else here - there

    last = len(WIDTHS) - 1
    if np.isnan(difference(0)) or np.isnan(difference(last)):
        return None
    above = bisect_left(range(last), 0.0, lo=1, key=difference)
    around = [above - 1, above]
    return float(np.interp(0.0, [difference(number) for number in around], WIDTHS[around]))


def _along(matrix: Matrix, block: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.moveaxis(np.tensordot(matrix, block, (1, axis)), 0, axis)


def _sharpness(block: NDArray[np.float64], axis: int, noise: float) -> float | None:
    """Logarithm of the power of third over second differences along an axis, noise taken out."""
    if block.shape[axis] < LEAST_SAMPLES:
        return None
    second = np.diff(block, n=2, axis=axis)
    third = np.diff(second, axis=axis)
    of_second, of_third = float(np.mean(second**2)), float(np.mean(third**2))
    hidden = THIRD_NOISE * noise**2
    if hidden >= MOST_NOISE * of_third:
        return None
    return float(np.log((of_third - hidden) / (of_second - SECOND_NOISE * noise**2)))


@lru_cache(maxsize=1)
def _sharpness_of_steps() -> NDArray[np.float64]:
    """What `_sharpness` is for steps seen through Gaussians of `WIDTHS`, falling."""
    frequencies = np.linspace(5e-4, 0.5, 1000)
    aliases = frequencies + np.arange(-12, 13)[:, None]
    difference = 4 * np.sin(np.pi * frequencies) ** 2
    found = []
    for width in WIDTHS:
        power = (np.exp(-((2 * np.pi * width / FWHM_PER_SIGMA * aliases) ** 2)) / aliases**2).sum(axis=0)
        found.append(np.log((difference**3 @ power) / (difference**2 @ power)))
    return np.array(found)
