"""What the structures of many results say over subjects: each structure by itself, and all of one part together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean, median

from medsr.anatomy.agreement import BlandAltman, bland_altman, error_ratio
from medsr.metrics.statistics import Interval, interval_of_median, per_subject
from medsr.validation.scores import NAN, StructureScore
from medsr.validation.subjects import SubjectOf

BEFORE = "cubic"
"""Method whose error counts as that before enhancement."""

Key = tuple[str, str, str]
"""Task, part and method."""


@dataclass(frozen=True)
class AnatomySummary:
    """All structures of one part in the results of one method, over subjects.

    Attributes:
        task: Name of the task.
        part: "head" or "body".
        method: Name of the method.
        dice: Mean Dice coefficient over the structures.
        volume_error_percent: Median size of the volume error over the structures.
        surface_mm: Mean over the structures of the mean distance of the surfaces.
        surface95_mm: The same of its 95th percentile.
        error_ratio: `volume_error_percent` over that of cubic interpolation; below 1 is a gain.
    """

    task: str
    part: str
    method: str
    dice: Interval
    volume_error_percent: Interval
    surface_mm: Interval
    surface95_mm: Interval
    error_ratio: Interval


@dataclass(frozen=True)
class Agreement:
    """One structure in the results of one method: medians over subjects, and how far volumes agree.

    Attributes:
        task: Name of the task.
        part: "head" or "body".
        method: Name of the method.
        structure: Name of the structure.
        reference_ml: Volume in the reference.
        dice: Dice coefficient.
        volume_error_percent: Volume error with its sign.
        surface_mm: Mean distance of the surfaces.
        surface95_mm: 95th percentile of it.
        volume_ml: Bias of the volume and limits of agreement, in ml.
        error_ratio: Size of the volume error over that of cubic interpolation; below 1 is a gain.
    """

    task: str
    part: str
    method: str
    structure: str
    reference_ml: float
    dice: float
    volume_error_percent: float
    surface_mm: float
    surface95_mm: float
    volume_ml: BlandAltman
    error_ratio: Interval


def summaries(rows: Sequence[StructureScore], subject_of: SubjectOf, seed: int = 0) -> tuple[AnatomySummary, ...]:
    """All structures together, per task, part and method.

    Args:
        rows: Structures of all cases.
        subject_of: Function that says whose a scan is; scans of one subject count once.
        seed: Random seed for the intervals.
    """
    groups = _groups(rows)
    errors = {key: _of_scans(chosen, subject_of, median_error) for key, chosen in groups.items()}

    def mean(chosen: Sequence[StructureScore], name: str) -> Interval:
        return _interval(
            _of_scans(chosen, subject_of, lambda one: _known(fmean, list(map(attrgetter(name), one)))), seed
        )

    return tuple(
        AnatomySummary(
            *(task, part, method),
            dice=mean(chosen, "dice"),
            volume_error_percent=_interval(errors[task, part, method], seed),
            surface_mm=mean(chosen, "surface_mm"),
            surface95_mm=mean(chosen, "surface95_mm"),
            error_ratio=error_ratio(errors[task, part, method], errors.get((task, part, BEFORE), {}), seed),
        )
        for (task, part, method), chosen in groups.items()
    )


def agreements(rows: Sequence[StructureScore], subject_of: SubjectOf, seed: int = 0) -> tuple[Agreement, ...]:
    """Each structure by itself, over the subjects that have it; arguments as in `summaries`."""
    cells: dict[tuple[str, str, str, str], list[StructureScore]] = {}
    for row in (row for row in rows if row.volume_ml or row.reference_ml):
        cells.setdefault((row.task, row.part, row.method, row.structure), []).append(row)

    def middle(chosen: Sequence[StructureScore], name: str) -> float:
        return _known(median, list(_by_subject(chosen, subject_of, attrgetter(name)).values()))

    def off_ml(task: str, part: str, method: str, structure: str) -> dict[str, float]:
        return _by_subject(cells.get((task, part, method, structure), []), subject_of, _off_ml)

    return tuple(
        Agreement(
            *(task, part, method, structure),
            reference_ml=middle(chosen, "reference_ml"),
            dice=middle(chosen, "dice"),
            volume_error_percent=middle(chosen, "volume_error_percent"),
            surface_mm=middle(chosen, "surface_mm"),
            surface95_mm=middle(chosen, "surface95_mm"),
            volume_ml=bland_altman(list(off_ml(task, part, method, structure).values())),
            error_ratio=error_ratio(off_ml(task, part, method, structure), off_ml(task, part, BEFORE, structure), seed),
        )
        for (task, part, method, structure), chosen in cells.items()
    )


def median_error(rows: Sequence[StructureScore]) -> float:
    """Median size of the volume error over the structures of one scan, in percent; NaN where none has one."""
    return _known(median, [abs(row.volume_error_percent) for row in rows])


def _groups(rows: Sequence[StructureScore]) -> dict[Key, list[StructureScore]]:
    groups: dict[Key, list[StructureScore]] = {}
    for row in rows:
        groups.setdefault((row.task, row.part, row.method), []).append(row)
    return groups


def _of_scans(
    rows: Sequence[StructureScore], subject_of: SubjectOf, value: Callable[[Sequence[StructureScore]], float]
) -> dict[str, float]:
    """One number of all structures of a scan, by subject."""
    scans = dict.fromkeys(row.scan for row in rows)
    return per_subject(
        [value([row for row in rows if row.scan == scan]) for scan in scans], list(map(subject_of, scans))
    )


def _by_subject(
    rows: Sequence[StructureScore], subject_of: SubjectOf, value: Callable[[StructureScore], float]
) -> dict[str, float]:
    return per_subject([value(row) for row in rows], [subject_of(row.scan) for row in rows])


def _interval(by_subject: dict[str, float], seed: int) -> Interval:
    return interval_of_median(list(by_subject.values()), seed=seed)


def _off_ml(row: StructureScore) -> float:
    return row.volume_ml - row.reference_ml


def _known(statistic: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    """A statistic of what is a number; NaN where nothing is."""
    known = [value for value in values if value == value]
    return statistic(known) if known else NAN
