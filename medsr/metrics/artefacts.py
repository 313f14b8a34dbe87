"""What a wrong operator leaves behind: a displaced result, and a comb in step with the slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.registration import phase_cross_correlation

from medsr.metrics.arrays import Mask, Scan
from medsr.metrics.windows import windowed

UPSAMPLING = 100  # shifts are found to 1/100 voxel
SIDE_BINS = (3, 4, 5)  # beyond the main lobe of the Hann window, whose spectrum ends two bins from its peak
ROUNDING = 1e-12  # of the mean power: what a scan without any power there still holds
LEAST_COMB = 0.01  # of a reference to compare with; twelve real ones have 0.27 or more, one that mirrors itself 0


def shift_mm(x: Scan, reference: Scan, spacing_mm: Sequence[float], mask: Mask | None = None) -> tuple[float, ...]:
    """How far the result lies from the reference along each axis, in mm, to 1/100 voxel (Guizar-Sicairos et al. 2008).

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K).
        spacing_mm: Voxel spacing along the three axes.
        mask: Mask whose bounding box is looked at, (I, J, K) bool; None for the whole scan.
    """
    back, _, _ = phase_cross_correlation(
        windowed(reference, mask), windowed(x, mask), upsample_factor=UPSAMPLING, normalization=None
    )
    return tuple(-float(s) * float(h) for s, h in zip(back, spacing_mm, strict=True))


def slice_comb(x: Scan, axis: int, n_coarse: int, mask: Mask | None = None) -> float:
    """Power at the frequency of the slices over that of its neighbours along one axis, about 1 where there is no comb.

    The mean power spectrum along the axis at n_coarse / n cycles per voxel, over the geometric mean of the power 3, 4
    and 5 bins to either side (below alone, where that is the highest frequency). Needs no reference; anatomy with a
    period of its own can raise it, so compare with the reference's.

    Args:
        x: Scan, (I, J, K), any unit.
        axis: Axis that was degraded.
        n_coarse: Voxels of the coarse grid along it.
        mask: Mask whose bounding box is looked at, (I, J, K) bool; None for the whole scan.

    Returns:
        The ratio; NaN where the scan is too thin to have neighbours.
    """
    n_fine = x.shape[axis]
    lines = np.moveaxis(windowed(x, mask), axis, -1)
    n = lines.shape[-1]
    slices = n_coarse / n_fine
    offsets = np.array([0.0, *(sign * b / n for b in SIDE_BINS for sign in (-1, 1))])
    frequencies = slices + offsets
    frequencies = frequencies[(frequencies > 0) & (frequencies <= 0.5 + 1e-9)]
    if len(frequencies) < 2:
        return float("nan")
    waves = np.exp(-2j * np.pi * np.outer(np.arange(n), frequencies))
    power = (np.abs(lines @ waves) ** 2).reshape(-1, len(frequencies)).mean(axis=0)
    power += ROUNDING * float(power.mean()) + np.finfo(np.float64).tiny
    return float(power[0] / np.exp(np.mean(np.log(power[1:]))))


def comb_ratio(x: Scan, reference: Scan, axis: int, n_coarse: int, mask: Mask | None = None) -> float:
    """The comb of a result over that of its reference; 1 where they are equal.

    A reference may have a hole at the frequency of the slices (one that mirrors itself has no power at the highest
    frequency). What its comb lacks to `LEAST_COMB` is added to both, since over nearly nothing every result is a comb.

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K).
        axis: Axis that was degraded.
        n_coarse: Voxels of the coarse grid along it.
        mask: Mask whose bounding box is looked at, (I, J, K) bool; None for the whole scan.
    """
    found, expected = slice_comb(x, axis, n_coarse, mask), slice_comb(reference, axis, n_coarse, mask)
    lacking = max(0.0, LEAST_COMB - expected)
    return (found + lacking) / (expected + lacking)
