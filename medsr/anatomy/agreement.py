"""What a measurement on results says beside the same one on references, over subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medsr.metrics.statistics import Interval, interval_of_median

FEWEST_FOR_LIMITS = 3  # with two, a deviation says nothing
LIMIT = 1.96


@dataclass(frozen=True)
class BlandAltman:
    """Differences of paired measurements (Bland & Altman 1999, Statistical Methods in Medical Research 8:135).

    Attributes:
        n: Number of subjects.
        bias: Mean difference; NaN without subjects.
        low: Lower limit of agreement, bias minus 1.96 standard deviations; None with fewer than 3 subjects.
        high: Upper limit of agreement; None as `low`.
    """

    n: int
    bias: float
    low: float | None
    high: float | None


def bland_altman(differences: Sequence[float]) -> BlandAltman:
    """Bias and limits of agreement.

    Args:
        differences: Measurement on the result minus that on the reference, one for each subject, finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    bias = float(values.mean()) if values.size else float("nan")
    if values.size < FEWEST_FOR_LIMITS:
        return BlandAltman(int(values.size), bias, None, None)
    reach = LIMIT * float(values.std(ddof=1))
    return BlandAltman(int(values.size), bias, bias - reach, bias + reach)


def error_ratio(after: Mapping[str, float], before: Mapping[str, float], seed: int = 0) -> Interval:
    """Size of the error after over that before, median over subjects with its bootstrap interval; below 1 is a gain.

    Args:
        after: Error of each subject after enhancement.
        before: Error of each subject before it; subjects with none have no ratio and are left out.
        seed: Random seed for the interval's resampling.
    """
    ratios = [abs(after[subject] / before[subject]) for subject in after if before.get(subject, 0.0)]
    return interval_of_median([ratio for ratio in ratios if math.isfinite(ratio)], seed=seed)
