"""Criteria of an acceptance sheet as data: a TOML file that a lab may copy, change and pass as a gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal

from medsr.errors import UsageError
from medsr.io.recipes import FORBID_UNKNOWN, parsed, read_toml
from medsr.metrics.metric import Better
from medsr.metrics.statistics import FEWEST_FOR_TEST
from medsr.metrics.table import METRICS
from medsr.validation.methods import check_methods

Statistic = Literal["share", "mean", "median", "ratio"]
Comparison = Literal[">=", ">", "<=", "<"]

VOLUME_ERROR, LESION_CONTRAST = "volume_error_percent", "lesion_contrast"
SUFFIX = ".toml"
PACKAGED = "acceptance.toml"
MOST_CRITERIA = 100
MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Measure:
    """A number that a criterion may be about.

    Attributes:
        label: Name in tables.
        better: "higher", "lower", or the value that it should be near.
        pattern: Pattern for `str.format`.
        unit: Unit; "" for none.
        asked_by: Option that measures it, and of what; "" where it always is measured.
    """

    label: str
    better: Better
    pattern: str = "{:.3g}"
    unit: str = ""
    asked_by: str = ""

    def gain(self, value: float, baseline: float) -> float:
        """How much better a value is than a baseline's, positive where it is better."""
        if isinstance(self.better, float):
            return abs(baseline - self.better) - abs(value - self.better)
        return value - baseline if self.better == "higher" else baseline - value


MEASURES: Mapping[str, Measure] = {
    **{one.name: Measure(one.label, one.better, one.pattern, one.unit) for one in METRICS},
    VOLUME_ERROR: Measure(
        "volume error of structures", "lower", "{:.2f}", "%", "--anatomy measures it, where a scan can be segmented"
    ),
    LESION_CONTRAST: Measure(
        "contrast of planted lesions", 1.0, "{:.3f}", "", "--hallucination measures it, on references and not on pairs"
    ),
}
"""Every metric; the median size of the volume error over structures; the median share of planted contrast."""


@dataclass(frozen=True)
class Criterion:
    """One line of an acceptance sheet; its unit is the subject.

    Attributes:
        text: What is asked, in words.
        metric: Name out of `medsr.validation.criteria.MEASURES`.
        statistic: "share" of subjects that improve on `against`, "mean" or "median" gain over `against` (of the value
            itself without one), or "ratio", the median of the value over that of `against`.
        comparison: ">=", ">", "<=" or "<".
        threshold: Limit of the statistic, in the metric's unit; a share is 0 to 1.
        source: Where the limit is from, for whoever reads the sheet.
        method: Method that is judged.
        against: Method that it is compared with; "" for none.
        p_below: Limit for p of the two-sided Wilcoxon signed-rank test of the differences; None asks for no test.
        kept: Metrics whose median over subjects must not be worse than that of `against`, or the criterion fails.
        task: Task that it is about; "" for each task by itself.
        fewest: Fewest subjects that show anything; with fewer the criterion fails.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    text: str
    metric: str
    statistic: Statistic
    comparison: Comparison
    threshold: float
    source: str
    method: str = "mean"
    against: str = ""
    p_below: float | None = None
    kept: tuple[str, ...] = ()
    task: str = ""
    fewest: int = FEWEST_FOR_TEST

    def __post_init__(self) -> None:
        if not self.text.strip() or not self.source.strip():
            raise UsageError("a criterion needs a text, and a source of its limit")
        for name in (self.metric, *self.kept):
            if name not in MEASURES:
                raise UsageError(f"{self.text}: no metric is called {name!r}; choose from {', '.join(MEASURES)}")
        check_methods(name for name in (self.method, self.against) if name)
        if not self.against and (self.statistic in ("share", "ratio") or self.kept or self.p_below is not None):
            raise UsageError(f"{self.text}: compares nothing; name a method with against")
        if not self.threshold == self.threshold or self.fewest < 1:
            raise UsageError(f"{self.text}: expected a number as threshold, and fewest of at least 1")
        if self.p_below is not None and not 0 < self.p_below < 1:
            raise UsageError(f"{self.text}: p_below is {self.p_below:g}; expected a number between 0 and 1")

    def keeps(self, value: float) -> bool:
        """Whether a value of the statistic lies within the limit."""
        limit = self.threshold
        held = {">=": value >= limit, ">": value > limit, "<=": value <= limit, "<": value < limit}
        return held[self.comparison]


@dataclass(frozen=True)
class Sheet:
    """The criteria of an acceptance sheet.

    Attributes:
        criteria: Criteria in the order of the file.
        text: The file itself, for whoever wants to copy and change it.
        asked: Whether it was given as a gate, so that a criterion that is not met breaks the study.
    """

    criteria: tuple[Criterion, ...]
    text: str
    asked: bool = False


@dataclass(frozen=True)
class _File:
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    criteria: tuple[Criterion, ...]


def is_sheet(source: str) -> bool:
    """Whether a source of gates names a file of criteria: its name ends in ".toml"."""
    return source.lower().endswith(SUFFIX)


def read_sheet(sources: tuple[str, ...]) -> Sheet:
    """The criteria among the sources of gates; those that ship with the package where there are none.

    Args:
        sources: Gates, files of gates, and at most one file of criteria.

    Raises:
        UsageError: two files of criteria, or one that can't be read, holds an unknown key or a value that makes no
            sense.
    """
    named = list(dict.fromkeys(source for source in sources if is_sheet(source)))
    if len(named) > 1:
        raise UsageError(f"two files of criteria, {named[0]} and {named[1]}; put them into one")
    if not named:
        with resources.as_file(resources.files("medsr.validation") / PACKAGED) as path:
            return _read(path, asked=False)
    return _read(Path(named[0]), asked=True)


def _read(path: Path, *, asked: bool) -> Sheet:
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path}: is too large for criteria; expected one table [[criteria]] for each")
    content = read_toml(path, "criteria")
    criteria = parsed(_File, content, str(path)).criteria
    if not 0 < len(criteria) <= MOST_CRITERIA:
        raise UsageError(f"{path}: holds {len(criteria)} criteria; expected 1 to {MOST_CRITERIA}")
    return Sheet(criteria, path.read_text(encoding="utf-8"), asked)
