"""What a set of subjects says. The unit is the subject, never the voxel, and never the scan."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import gt
from typing import Any

import numpy as np

N_RESAMPLES = 10_000
FEWEST_FOR_INTERVAL = 3  # with fewer a resampled median says nothing
SIGNIFICANT = 0.05
FEWEST_FOR_TEST = 6  # the smallest p of n pairs is 2 / 2^n: with fewer it can't fall below 0.05


@dataclass(frozen=True)
class Interval:
    """A median over subjects.

    Attributes:
        n: Number of subjects.
        median: Median of their values; NaN where there are none.
        low: Lower end of the interval; None with fewer than 3 subjects.
        high: Upper end of the interval; None with fewer than 3 subjects.
        level: Confidence level of the interval.
    """

    n: int
    median: float
    low: float | None
    high: float | None
    level: float = 0.95


@dataclass(frozen=True)
class PairedTest:
    """Differences of two methods on the same subjects.

    Attributes:
        interval: Median difference with its interval.
        improved: Share of subjects that the method improves.
        p: p of the two-sided Wilcoxon signed-rank test; None with fewer than 6 subjects or without any difference.
        p_holm: p after Holm's correction over all tests of a family; None as `p`.
        note: Why there is no p; "" where there is one.
    """

    interval: Interval
    improved: float
    p: float | None
    p_holm: float | None = None
    note: str = ""


def per_subject(values: Sequence[float], subjects: Sequence[str]) -> dict[str, float]:
    """Mean value of each subject over its scans, in order of appearance; values that are not finite don't count."""
    found: dict[str, list[float]] = {}
    for value, subject in zip(values, subjects, strict=True):
        if np.isfinite(value):
            found.setdefault(subject, []).append(value)
    return {subject: float(np.mean(of_one)) for subject, of_one in found.items()}


def interval_of_median(values: Sequence[float], level: float = 0.95, seed: int = 0) -> Interval:
    """Median over subjects with its bootstrap interval: bias corrected and accelerated (Efron 1987), 10 000 resamples.

    Where that is not defined, as for values that are nearly all alike, the percentile interval.

    Args:
        values: One value for each subject.
        level: Confidence level of the interval.
        seed: Random seed for the resampling.
    """
    data = np.asarray(values, dtype=np.float64)
    median = float(np.median(data)) if data.size else float("nan")
    low, high = bootstrap_ends(values, np.median, level, seed)
    return Interval(int(data.size), median, low, high, level)


def bootstrap_ends(
    values: Sequence[float], statistic: Callable[..., Any], level: float = 0.95, seed: int = 0
) -> tuple[float, float] | tuple[None, None]:
    """Ends of the interval of `interval_of_median` for any statistic; None with fewer than 3 subjects.

    Args:
        values: One value for each subject.
        statistic: Function of an array and an axis, such as `numpy.mean`.
        level: Confidence level of the interval.
        seed: Random seed for the resampling.
    """
    from scipy import stats  # seconds to import, and most commands compare no subjects

    data = np.asarray(values, dtype=np.float64)
    if data.size < FEWEST_FOR_INTERVAL:
        return None, None
    if np.ptp(data) == 0:
        return float(data[0]), float(data[0])
    ends = (float("nan"), float("nan"))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a BCa interval that is not defined says so by NaN as well
            found = stats.bootstrap(
                (data,), statistic, n_resamples=N_RESAMPLES, confidence_level=level, method=method, rng=seed
            )
        ends = (float(found.confidence_interval.low), float(found.confidence_interval.high))
        if np.all(np.isfinite(ends)):
            break
    return ends


def share_ends(successes: int, n: int, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
    """Ends of the exact interval of a share of n subjects (Clopper & Pearson 1934); None without subjects."""
    if n == 0:
        return None, None
    from scipy import stats  # as in `bootstrap_ends`

    found = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def paired(
    values: Mapping[str, float],
    baseline: Mapping[str, float],
    improves: Callable[[float, float], bool] = gt,
    *,
    seed: int = 0,
) -> PairedTest:
    """The differences of two methods over the subjects that both have (Wilcoxon 1945, two-sided).

    Args:
        values: Value of the method for each subject.
        baseline: Value of the baseline for each subject.
        improves: Whether a value is better than the baseline's; decides about the improved share alone.
        seed: Random seed for the interval's resampling.
    """
    shared = [subject for subject in values if subject in baseline]
    differences = np.array([values[subject] - baseline[subject] for subject in shared])
    better = [improves(values[subject], baseline[subject]) for subject in shared]
    improved = float(np.mean(better)) if shared else float("nan")
    interval = interval_of_median(differences.tolist(), seed=seed)
    if len(shared) < FEWEST_FOR_TEST:
        smallest = f"; the smallest p of {len(shared)} is {2.0 ** (1 - len(shared)):.2g}" if shared else ""
        return PairedTest(
            interval, improved, None, note=f"no test: at least {FEWEST_FOR_TEST} subjects needed{smallest}"
        )
    if not np.any(differences):
        return PairedTest(interval, improved, None, note="no test: the two methods do not differ")
    from scipy import stats  # as in `bootstrap_ends`

    return PairedTest(interval, improved, float(stats.wilcoxon(differences).pvalue))


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Holm's correction (Holm 1979) over the tests that took place; None stays None."""
    order = sorted((p, number) for number, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, number) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[number] = largest
    return tuple(corrected)
