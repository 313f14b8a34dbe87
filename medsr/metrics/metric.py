"""What a metric is: a number in words, its function, which way is better; and an error in a mask and in its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from medsr.metrics.arrays import Mask
from medsr.metrics.judged import Restoration, StatedUncertainty
from medsr.metrics.parts import DEPTH_MM, PARTS, Part

WHERE: dict[Part, str] = {
    "interior": f"deeper than {DEPTH_MM:g} mm below the body's surface",
    "surface": "in the mask without the interior",
    "edges": "at the strongest tenth of the reference's edges",
    "brain": "in the brain of a T1w head, where the anatomy was asked for and finds a whole one",
}

Better = Literal["higher", "lower"] | float
"""Which way a metric improves, or the value that it should be near."""

Judged = TypeVar("Judged", bound=Restoration | StatedUncertainty)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A number of a report in words.

    Attributes:
        label: Name in tables, plots and the glossary.
        what: What the number is; for the glossary.
        beware: What it can't see or can be mistaken for; for the glossary.
    """

    label: str
    what: str
    beware: str


@dataclass(frozen=True, kw_only=True)
class Metric(Term, Generic[Judged]):
    """A number that is measured.

    Attributes:
        name: Key of validation.json, column of CSV files and name in gates; ends in its unit where it has one.
        measure: Function that measures it.
        better: "higher", "lower", or the value that it should be near.
        unit: Unit, such as "dB"; "" for none or that of the scan.
        digits: Format specification for tables, such as ".2f".
        part: Part of the mask that it looks at; None for all of it.
    """

    name: str
    measure: Callable[[Judged], float]
    better: Better
    unit: str = ""
    digits: str = ".4f"
    part: Part | None = None

    def __post_init__(self) -> None:
        if self.unit and not self.name.endswith(suffix(self.unit)):
            raise ValueError(f"metric {self.name!r}: expected a name that ends in {suffix(self.unit)!r}, its unit")

    @property
    def head(self) -> str:
        """Head of a column."""
        return f"{self.label} {self.unit}".rstrip()

    @property
    def axis(self) -> str:
        """Label of an axis."""
        return f"{self.label} in {self.unit}" if self.unit else self.label

    @property
    def pattern(self) -> str:
        """Pattern for `str.format`."""
        return f"{{:{self.digits}}}"

    def improves(self, value: float, baseline: float) -> bool:
        """Whether a value is better than a baseline's."""
        if isinstance(self.better, float):
            return abs(value - self.better) < abs(baseline - self.better)
        return value > baseline if self.better == "higher" else value < baseline


def suffix(unit: str) -> str:
    """Ending of the names of metrics in a unit, such as "_db"."""
    return f"_{unit.lower()}"


def in_parts(
    name: str,
    measure: Callable[[Restoration, Mask], float],
    *,
    label: str,
    what: str,
    beware: str,
    better: Better,
    unit: str = "",
    digits: str = ".4f",
) -> tuple[Metric[Restoration], ...]:
    """One error in each part and in the whole mask; NaN in a part that is not known or has no voxels.

    Args:
        name: Name of the number in the whole mask, without its unit.
        measure: Function that measures it in some voxels, at least one.
        label: Name of the number in the whole mask, in tables, plots and the glossary.
        what: What the number is in the whole mask; for the glossary.
        beware: What it can't see or can be mistaken for; for the glossary.
        better: "higher", "lower", or the value that it should be near.
        unit: Unit, such as "dB"; "" for none or that of the scan.
        digits: Format specification for tables, such as ".2f".
    """
    end = suffix(unit) if unit else ""

    def within(part: Part) -> Callable[[Restoration], float]:
        def measured(r: Restoration) -> float:
            where = r.parts.get(part)
            return float("nan") if where is None or not where.any() else measure(r, where)

        return measured

    parts = tuple(
        Metric(
            name=f"{name}_{part}{end}",
            label=f"{label} {part}",
            what=f"{label} {WHERE[part]}",
            beware=beware,
            measure=within(part),
            better=better,
            unit=unit,
            digits=digits,
            part=part,
        )
        for part in PARTS
    )
    whole: Metric[Restoration] = Metric(
        name=f"{name}{end}",
        label=label,
        what=what,
        beware=beware,
        measure=lambda r: measure(r, r.mask),
        better=better,
        unit=unit,
        digits=digits,
    )
    return (*parts, whole)
