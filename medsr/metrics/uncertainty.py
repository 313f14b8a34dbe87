"""How far a stated uncertainty can be trusted: coverage, reliability curve, CRPS, and whether it finds the errors.

Everything here takes the voxels of a mask as flat arrays: errors and standard deviations (n,), samples (M, n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from medsr.metrics.arrays import rms

LEVELS = (0.5, 0.8, 0.9, 0.95)
N_BINS = 10
LARGE_ERROR_SHARE = 0.1  # the largest tenth of the errors is what the deviation should point at
LEAST_DEVIATION = 1e-6  # of R; a deviation of exactly 0 would make any error infinitely surprising

Values = NDArray[Any]


@dataclass(frozen=True)
class ReliabilityCurve:
    """Stated deviation and actual error in equally large bins of voxels, the smallest stated deviation first.

    Attributes:
        stated_deviation: Root mean square stated deviation of each bin.
        actual_error: Root mean square error of the same bin; equal to the stated deviation where that is right.
    """

    stated_deviation: tuple[float, ...]
    actual_error: tuple[float, ...]


def normal_width(level: float) -> float:
    """Half width, in standard deviations, of the central interval that holds `level` of a normal distribution."""
    return float(ndtri((1 + level) / 2))


def coverage(error: Values, deviation: Values, width: float) -> float:
    """Share of voxels whose error is at most `width` standard deviations, 0 to 1."""
    return float(np.mean(np.abs(error) <= width * deviation))


def reliability_curve(error: Values, deviation: Values, n_bins: int = N_BINS) -> ReliabilityCurve:
    """Actual error by bins of stated deviation; on the diagonal where the deviation is right (Fortin et al. 2014).

    Args:
        error: Result minus truth, (n,).
        deviation: Stated standard deviations, (n,), same unit.
        n_bins: Number of bins of equal size.
    """
    order = np.argsort(deviation, kind="stable")
    bins = [part for part in np.array_split(order, n_bins) if part.size]
    return ReliabilityCurve(
        tuple(rms(deviation[part]) for part in bins),
        tuple(rms(error[part]) for part in bins),
    )


def crps_of_samples(samples: Values, truth: Values, spread: float = 1.0) -> float:
    """Mean fair continuous ranked probability score, in the scan's unit (Ferro 2014, eq. 4); at least 2 samples.

    mean |sample - truth| - sum over pairs |sample_i - sample_j| / (2 M (M - 1)): its expectation does not depend on M.

    Args:
        samples: Posterior samples, (M, n).
        truth: True values, (n,).
        spread: Root mean square distance of two of the samples over that of two independent ones, which the score is
            fair for: above 1 where samples were made to balance each other.
    """
    m = len(samples)
    ordered = np.sort(samples.astype(np.float64), axis=0)
    weights = 2.0 * np.arange(1, m + 1) - m - 1
    return float(np.mean(np.abs(ordered - truth)) - np.mean(weights @ ordered) / (m * (m - 1)) / spread)


def crps_of_normal(error: Values, deviation: Values) -> float:
    """Mean CRPS of normal distributions, in the scan's unit (Gneiting & Raftery 2007, eq. 21).

    Args:
        error: Mean minus truth, (n,).
        deviation: Standard deviations, (n,), > 0.
    """
    z = error / deviation
    density = np.exp(-(z**2) / 2.0) / np.sqrt(2 * np.pi)
    score = z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi)
    return float(np.mean(deviation * score))


def crps_of_constant(error: Values) -> float:
    """Mean CRPS of normal distributions that all have the root mean square error as their deviation."""
    return crps_of_normal(error, np.full(error.shape, max(rms(error), LEAST_DEVIATION)))


def auroc(error: Values, deviation: Values, share: float = LARGE_ERROR_SHARE) -> float:
    """How well the deviation points at the largest `share` of the errors: area under the ROC curve, 0.5 is blind.

    The chance that a voxel with a large error has a larger deviation than one with a small error. NaN where all errors
    are alike.
    """
    size = np.abs(error)
    large = size > np.quantile(size, 1 - share)
    n_large = int(large.sum())
    if n_large in (0, len(size)):
        return float("nan")
    return pair_auroc(deviation[large], deviation[~large])


def pair_auroc(positive: Values, negative: Values) -> float:
    """Chance that a positive value is larger than a negative one, ties counted half (Mann & Whitney 1947)."""
    n, m = len(positive), len(negative)
    _, place, counts = np.unique(np.concatenate([positive, negative]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # equal values share the mean of their ranks
    return float((ranks[:n].sum() / n - (n + 1) / 2) / m)
