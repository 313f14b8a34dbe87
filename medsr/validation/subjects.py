"""What scores say over subjects: whose a scan is, methods in pairs, and gains within parts of the subjects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from medsr.metrics.statistics import Interval, PairedTest, holm, interval_of_median, paired, per_subject
from medsr.metrics.table import INTERIOR, metric_named
from medsr.validation.gains import gain_db
from medsr.validation.methods import BAND_LIMITED
from medsr.validation.scores import Case, Score

STRATA = ("modality", "contrast", "axes", "factor")

SubjectOf = Callable[[str], str]
"""Whose scan it is, by its name."""

_SUBJECT = re.compile(r"^sub-([A-Za-z0-9]+)(?:_|$)|^([A-Za-z0-9]+)_(?:T1w|T2w|PDw|FLAIR|T2starw|CT)$")


@dataclass(frozen=True)
class Comparison:
    """One method against one baseline under one task, over subjects."""

    task: str
    method: str
    baseline: str
    metric: str
    test: PairedTest


@dataclass(frozen=True)
class Stratum:
    """Gain over a baseline within one part of the subjects, such as contrast "T1w"."""

    task: str
    method: str
    baseline: str
    by: str
    value: str
    gain_db: Interval


def subject_of(scan: str) -> str:
    """Whose scan it is, from a name such as "sub-01_T1w" or "01_T1w"; any other name is a subject of its own."""
    match = _SUBJECT.match(scan)
    return scan if match is None else next(label for label in match.groups() if label)


def groups_of(scores: Sequence[Score]) -> dict[tuple[str, str], list[Score]]:
    """Scores by task and method, in the order in which tasks, and then methods, first appear."""
    tasks, methods = (dict.fromkeys(one) for one in ((s.task for s in scores), (s.method for s in scores)))
    groups = {key: [s for s in scores if (s.task, s.method) == key] for key in ((t, m) for t in tasks for m in methods)}
    return {key: chosen for key, chosen in groups.items() if chosen}


def comparisons(
    scores: Sequence[Score], subject_of: SubjectOf, metric: str, baselines: Sequence[str], seed: int
) -> tuple[Comparison, ...]:
    """Every method against every baseline per task, over subjects, corrected by Holm over all of them.

    Args:
        scores: Scores of all cases.
        subject_of: Function that says whose a scan is; scans of one subject count once.
        metric: Name of a metric of `medsr.metrics.table.METRICS`.
        baselines: Names of methods.
        seed: Random seed for the intervals.

    Raises:
        UsageError: no metric has that name.
    """
    improves = metric_named(metric).improves
    values = {
        key: per_subject([s[metric] for s in chosen], [subject_of(s.scan) for s in chosen])
        for key, chosen in groups_of(scores).items()
    }
    found = [
        Comparison(task, method, baseline, metric, paired(ours, others, improves, seed=seed))
        for (task, method), ours in values.items()
        if method not in (*baselines, BAND_LIMITED)
        for baseline in baselines
        if (others := values.get((task, baseline)))
    ]
    corrected = holm([one.test.p for one in found])
    pairs = zip(found, corrected, strict=True)
    return tuple(replace(one, test=replace(one.test, p_holm=p)) for one, p in pairs)


def strata(
    scores: Sequence[Score],
    cases: Sequence[Case],
    subject_of: SubjectOf,
    by: Sequence[str] | None,
    method: str,
    baseline: str,
    seed: int,
) -> tuple[Stratum, ...]:
    """Gain of a method over a baseline in the interior, by what is known of the scans, where that tells them apart.

    Args:
        scores: Scores of all cases.
        cases: What is known of them.
        subject_of: Function that says whose a scan is; scans of one subject count once.
        by: Names in `STRATA` or names of facts; None for all of them.
        method: Method whose gain is taken.
        baseline: Method that it is taken over.
        seed: Random seed for the intervals.
    """
    if by is None:
        by = tuple(dict.fromkeys([*STRATA, *(name for case in cases for name in case.facts)]))
    groups = groups_of(scores)
    found: list[Stratum] = []
    for task in dict.fromkeys(case.task for case in cases):
        known = {case.scan: case for case in cases if case.task == task}
        rows = [s for s in groups.get((task, method), ()) if s.scan in known]
        for key in by:
            labels = {scan: _label(case, key) for scan, case in known.items()}
            for value in sorted(set(labels.values())):
                chosen = [s for s in rows if labels[s.scan] == value]
                gains = per_subject(
                    [gain_db(scores, s, baseline, INTERIOR) for s in chosen], [subject_of(s.scan) for s in chosen]
                )
                if gains:
                    interval = interval_of_median(list(gains.values()), seed=seed)
                    found.append(Stratum(task, method, baseline, key, value, interval))
    return tuple(found)


def _label(case: Case, key: str) -> str:
    value = getattr(case, key) if key in STRATA else case.facts.get(key, "")
    return f"{value:.3g}" if isinstance(value, float) else str(value or "not stated")
