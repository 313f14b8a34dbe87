"""Gains in PSNR over a baseline: in which parts they are taken, what their columns are called, their median."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

from medsr.metrics.judged import Restoration
from medsr.metrics.metric import Metric
from medsr.metrics.table import BRAIN, INTERIOR, WHOLE
from medsr.validation.scores import NAN, Score

GAINS = (INTERIOR, WHOLE, BRAIN)
"""Numbers that gains are taken in."""

RANGE = ("least_gain_interior_db", "most_gain_interior_db")
"""Columns of the medians."""


def gain_column(over: str, metric: Metric[Restoration]) -> str:
    """Column of the gain over a method in one of `GAINS`."""
    return f"gain_{'' if metric.part is None else f'{metric.part}_'}over_{over}_db"


def gain_db(scores: Sequence[Score], score: Score, over: str, metric: Metric[Restoration] = INTERIOR) -> float:
    """PSNR of a score minus that of method `over` on the same scan and task; NaN where one of them is not known.

    Args:
        scores: Scores of all cases.
        score: One of them.
        over: Name of the method that the gain is taken over.
        metric: One of `GAINS`.
    """
    same = (s for s in scores if (s.scan, s.task, s.method) == (score.scan, score.task, over))
    other = next(same, None)
    return NAN if other is None else score[metric.name] - other[metric.name]


def measured_in(metric: Metric[Restoration], scores: Iterable[Score]) -> bool:
    """Whether a metric has a number in any of the scores: a part that no scan has takes no room in a table."""
    return bool(known(score[metric.name] for score in scores))


def known(values: Iterable[float]) -> list[float]:
    """Values without NaN, which stands for what was not measured."""
    return [value for value in values if not math.isnan(value)]


def median_of(values: Iterable[float]) -> float:
    """Median of what was measured; NaN where nothing was."""
    found = known(values)
    return float(median(found)) if found else NAN
