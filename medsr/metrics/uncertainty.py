"""How far a stated uncertainty can be trusted: coverage, spread against skill, CRPS, and whether it finds the errors.

Everything here takes the voxels of a mask as flat arrays: errors and standard deviations (n,), draws (M, n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVELS = (0.5, 0.8, 0.9, 0.95)
N_BINS = 10
LARGE_ERROR_SHARE = 0.1  # the largest tenth of the errors is what the spread should point at

Values = NDArray[Any]


@dataclass(frozen=True)
class SpreadSkill:
    """Root mean square spread and error in equally large bins of voxels, the least spread first."""

    spread: tuple[float, ...]
    error: tuple[float, ...]


def normal_width(level: float) -> float:
    """Half width, in standard deviations, of the central interval that holds `level` of a normal distribution."""
    return float(stats.norm.ppf((1 + level) / 2))


def coverage(error: Values, deviation: Values, width: float) -> float:
    """Share of voxels whose error is at most `width` standard deviations, 0 to 1."""
    return float(np.mean(np.abs(error) <= width * deviation))


def spread_skill(error: Values, deviation: Values, n_bins: int = N_BINS) -> SpreadSkill:
    """Spread and error by bins of spread; on the diagonal where the spread is right (Fortin et al. 2014).

    Args:
        error: (n,) result minus truth.
        deviation: (n,) stated standard deviations, same unit.
        n_bins: of equal size.
    """
    order = np.argsort(deviation, kind="stable")
    bins = [part for part in np.array_split(order, n_bins) if part.size]
    return SpreadSkill(
        tuple(_rms(deviation[part]) for part in bins),
        tuple(_rms(error[part]) for part in bins),
    )


def crps_of_samples(draws: Values, truth: Values) -> float:
    """Mean fair continuous ranked probability score, in the scan's unit (Ferro 2014, eq. 4); at least 2 draws.

    mean |draw - truth| - sum over pairs |draw_i - draw_j| / (2 M (M - 1)): its expectation does not depend on M.

    Args:
        draws: (M, n).
        truth: (n,).
    """
    m = len(draws)
    ordered = np.sort(draws.astype(np.float64), axis=0)
    weights = 2.0 * np.arange(1, m + 1) - m - 1
    return float(np.mean(np.abs(ordered - truth)) - np.mean(weights @ ordered) / (m * (m - 1)))


def crps_of_normal(error: Values, deviation: Values) -> float:
    """Mean CRPS of normal distributions, in the scan's unit (Gneiting & Raftery 2007, eq. 21).

    Args:
        error: (n,) mean minus truth.
        deviation: (n,) standard deviations, > 0.
    """
    z = error / deviation
    score = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    return float(np.mean(deviation * score))


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
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    return float((ranks[:n].sum() / n - (n + 1) / 2) / m)


def _rms(values: Values) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
