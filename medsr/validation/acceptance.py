"""The acceptance sheet: what a study found of each criterion, over subjects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from medsr.metrics.gates import Failure, Verdict
from medsr.metrics.statistics import PairedTest, bootstrap_ends, paired, per_subject, share_ends
from medsr.validation.agreement import median_error
from medsr.validation.criteria import LESION_CONTRAST, MEASURES, VOLUME_ERROR, Criterion, Sheet
from medsr.validation.findings import Findings
from medsr.validation.gains import median_of
from medsr.validation.hallucination import HallucinationTests
from medsr.validation.scores import NAN, Score, StructureScore, Unmeasured

Outcome = Literal["pass", "fail", "not measured"]
ByPlace = dict[tuple[str, str], dict[str, float]]
"""One number for each subject, by task and method."""


@dataclass(frozen=True)
class SheetRow:
    """One criterion under one task.

    Attributes:
        text: What is asked, in words.
        task: Name of the task; "" where nothing was measured under any.
        method: Method that is judged.
        against: Method that it is compared with; "" for none.
        metric: Name of the number.
        statistic: "share", "mean", "median" or "ratio" over subjects.
        value: Value of the statistic; NaN where it was not measured.
        n: Number of subjects behind it.
        low: Lower end of its 95 % interval; None with fewer than 3 subjects.
        high: Upper end of its 95 % interval; None as `low`.
        p: p of the two-sided Wilcoxon signed-rank test; None where none was asked for, or none is possible.
        limit: Limit as it was asked for, such as ">= 0.9".
        source: Where the limit is from.
        outcome: "pass", "fail" or "not measured", which is no pass.
        note: Why it fails or was not measured, and whom the number leaves out.
    """

    text: str
    task: str
    method: str
    against: str
    metric: str
    statistic: str
    value: float
    n: int
    low: float | None
    high: float | None
    p: float | None
    limit: str
    source: str
    outcome: Outcome
    note: str


@dataclass(frozen=True)
class Acceptance:
    """An acceptance sheet.

    Attributes:
        rows: Its lines; empty where there is no study to judge.
        criteria: Text of the file of criteria, to be copied and changed.
    """

    rows: tuple[SheetRow, ...] = ()
    criteria: str = ""

    @property
    def summary(self) -> str:
        """How many lines ended how, such as "3 passed, 1 failed, 2 not measured"."""
        words: dict[Outcome, str] = {"pass": "passed", "fail": "failed", "not measured": "not measured"}
        counts = {word: sum(row.outcome == outcome for row in self.rows) for outcome, word in words.items()}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def acceptance_of(sheet: Sheet, findings: Findings, hallucination: Sequence[HallucinationTests]) -> Acceptance:
    """The sheet of a study."""
    return Acceptance(sheet_rows(sheet.criteria, findings, hallucination), sheet.text)


def sheet_rows(
    criteria: Sequence[Criterion], findings: Findings, hallucination: Sequence[HallucinationTests] = ()
) -> tuple[SheetRow, ...]:
    """Every criterion under every task that it is about, in the order of the criteria.

    Args:
        criteria: Criteria of a sheet.
        findings: Scores and structures of a study.
        hallucination: Hallucination tests of the same study; empty where they were not run.
    """
    tasks = tuple(dict.fromkeys(score.task for score in findings.scores)) or ("",)
    known = {name: _values(name, findings, hallucination) for one in criteria for name in (one.metric, *one.kept)}
    cases: list[Score | Unmeasured] = [*findings.scores, *findings.unmeasured]  # what failed must not vanish
    subjects = {task: {findings.subject_of(one.scan) for one in cases if one.task == task} for task in tasks}
    return tuple(
        _row(one, task, known, len(subjects.get(task, ())), findings.seed)
        for one in criteria
        for task in ((one.task,) if one.task else tasks)
    )


def sheet_verdicts(rows: Sequence[SheetRow]) -> tuple[Verdict, ...]:
    """The rows as verdicts of gates: what was not measured is not passed."""
    return tuple(
        Verdict(
            f"{row.text} ({row.task})" if row.task else row.text,
            passed=row.outcome == "pass",
            checked=row.n,
            failures=() if row.outcome == "pass" else (_failure(row),),
        )
        for row in rows
    )


def _values(name: str, findings: Findings, hallucination: Sequence[HallucinationTests]) -> ByPlace:
    """One metric of every subject, by task and method; what is not finite is left out."""
    places: dict[tuple[str, str], dict[str, float]] = {}
    for task, method, scan, value in _of_scans(name, findings, hallucination):
        places.setdefault((task, method), {})[scan] = value
    return {
        place: per_subject(list(scans.values()), list(map(findings.subject_of, scans)))
        for place, scans in places.items()
    }


def _of_scans(
    name: str, findings: Findings, hallucination: Sequence[HallucinationTests]
) -> Iterator[tuple[str, str, str, float]]:
    """Task, method, scan and value of one metric."""
    if name == VOLUME_ERROR:
        cases: dict[tuple[str, str, str], list[StructureScore]] = {}
        for row in findings.structures:
            cases.setdefault((row.task, row.method, row.scan), []).append(row)
        yield from ((*case, median_error(rows)) for case, rows in cases.items())
    elif name == LESION_CONTRAST:
        for one in hallucination:
            yield one.task, one.method, one.scan, median_of([lesion.recovered for lesion in one.lesions])
    else:
        yield from ((score.task, score.method, score.scan, score[name]) for score in findings.scores)


def _row(one: Criterion, task: str, known: Mapping[str, ByPlace], n_subjects: int, seed: int) -> SheetRow:
    ours, theirs = _shared(known[one.metric], one, task)
    found = _estimate(one, list(ours.values()), list(theirs.values()), seed)
    limit = f"{one.comparison} {one.threshold:g}" + ("" if one.p_below is None else f", p < {one.p_below:g}")
    asked = (one.text, task, one.method, one.against, one.metric, one.statistic)
    absent = [name for name in one.kept if not _shared(known[name], one, task)[0]]
    if not found.n or absent:
        why = _how(one, one.metric if not found.n else absent[0])
        return SheetRow(*asked, NAN, 0, None, None, None, limit, one.source, "not measured", why)
    test = None if one.p_below is None else paired(ours, theirs)
    failings = [
        *_unshown(one, found.n, test),
        *([] if one.keeps(found.value) else ["the limit is not kept"]),
        *(text for name in one.kept if (text := _worse(name, *_shared(known[name], one, task)))),
    ]
    without = [f"{n_subjects - found.n} of {n_subjects} subjects have no such number"] if found.n < n_subjects else []
    return SheetRow(
        *(*asked, found.value, found.n, found.low, found.high, None if test is None else test.p, limit, one.source),
        *("fail" if failings else "pass", "; ".join([*failings, *without])),
    )


@dataclass(frozen=True)
class _Estimate:
    value: float
    n: int
    low: float | None
    high: float | None


def _estimate(one: Criterion, ours: Sequence[float], theirs: Sequence[float], seed: int) -> _Estimate:
    """Value of the statistic over the subjects and its interval; NaN where there are none."""
    gain = MEASURES[one.metric].gain
    if one.statistic == "ratio":
        values = [abs(a / b) for a, b in zip(ours, theirs, strict=True) if b]
    else:
        values = [gain(a, b) for a, b in zip(ours, theirs, strict=True)] if one.against else list(ours)
    if not values:
        return _Estimate(NAN, 0, None, None)
    if one.statistic == "share":
        better = sum(value > 0 for value in values)
        return _Estimate(better / len(values), len(values), *share_ends(better, len(values)))
    statistic = np.mean if one.statistic == "mean" else np.median
    return _Estimate(float(statistic(values)), len(values), *bootstrap_ends(values, statistic, seed=seed))


def _shared(known: ByPlace, one: Criterion, task: str) -> tuple[dict[str, float], dict[str, float]]:
    """Values of the method and of the one it is compared with, over the subjects that both have, in one order."""
    ours = known.get((task, one.method), {})
    theirs = known.get((task, one.against), {}) if one.against else ours
    return {s: ours[s] for s in ours if s in theirs}, {s: theirs[s] for s in ours if s in theirs}


def _unshown(one: Criterion, n: int, test: PairedTest | None) -> Iterator[str]:
    """Why so few subjects show nothing, or why the test does not."""
    if n < one.fewest:
        yield f"not shown with n = {n}: at least {one.fewest} subjects needed"
    elif test is not None and test.p is None:
        yield f"not shown with n = {n}: {test.note}"
    elif test is not None and test.p is not None and one.p_below is not None and not test.p < one.p_below:
        yield f"p is not below {one.p_below:g}"


def _worse(name: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    """What has become worse, by the median of its paired differences; "" where it has not."""
    measure = MEASURES[name]
    if median(measure.gain(ours[subject], theirs[subject]) for subject in ours) >= 0:
        return ""
    levels = [measure.pattern.format(median(values.values())) for values in (ours, theirs)]
    return f"{measure.label} is worse: {levels[0]} against {levels[1]}"


def _how(one: Criterion, metric: str) -> str:
    """What is missing, and what would measure it."""
    measure = MEASURES[metric]
    methods = " and ".join(name for name in (one.method, one.against) if name)
    return f"no subject has the {measure.label} of {methods}" + (f"; {measure.asked_by}" if measure.asked_by else "")


def _failure(row: SheetRow) -> Failure:
    value = row.outcome if row.outcome == "not measured" else f"{row.value:.4g}"
    return Failure(f"{row.statistic} over subjects", row.task, row.method, f"{value} ({row.note})")
