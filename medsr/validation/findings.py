"""What a validation found, as plain values: scores per scan, task and method, and what they say over subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import GenericAlias
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from medsr.errors import InputError
from medsr.metrics.judged import Restoration
from medsr.metrics.metric import Metric
from medsr.metrics.table import HEADLINE, INTERIOR, NAMES, UNCERTAINTY_METRICS, UNCERTAINTY_NAMES, WHOLE
from medsr.validation.agreement import agreements, summaries
from medsr.validation.claims import SampledStructure, Unclaimed, volume_claims
from medsr.validation.convention import CONVENTION
from medsr.validation.gains import GAINS, RANGE, gain_column, gain_db, known, median_of
from medsr.validation.methods import BASELINES
from medsr.validation.scores import (
    NAN,
    PLACES,
    BlendPoint,
    Case,
    PairFit,
    Score,
    ScoreRow,
    Shells,
    StructureScore,
    Uncertainty,
    Unmeasured,
    Unsegmented,
)
from medsr.validation.subjects import Comparison, Stratum, comparisons, groups_of, strata, subject_of

__all__ = [
    "BlendPoint",
    "Case",
    "Findings",
    "PairFit",
    "Score",
    "Shells",
    "StructureScore",
    "Uncertainty",
    "Unmeasured",
    "Unsegmented",
    "gate_columns",
]


@dataclass(frozen=True)
class Findings:
    """All scores of a validation, with the convention they rest on and the model that was measured.

    Attributes:
        scores: Scores, one for each scan, task and method.
        model: Name, version and hash of the model; empty where none was measured.
        convention: Convention that the numbers rest on.
        cases: Known facts of each scan and task.
        uncertainties: Stated uncertainty of each scan and task against the actual error.
        blend: Line from the mean to a posterior sample.
        shells: Shell correlation along every degraded axis.
        fits: Fits of real pairs.
        unmeasured: Cases that failed.
        structures: Structures of the body in each result against the reference's; empty where they were not asked for.
        unsegmented: Cases whose structures can't be found, and why.
        sampled: Structures in the posterior mean and samples; empty where uncertainty and anatomy were not asked for.
        unclaimed: Cases whose volumes have no interval though both were asked for, and why.
        seed: Random seed for the bootstrap behind the intervals.
    """

    scores: tuple[Score, ...]
    model: dict[str, str]
    convention: str = CONVENTION
    cases: tuple[Case, ...] = ()
    uncertainties: tuple[Uncertainty, ...] = ()
    blend: tuple[BlendPoint, ...] = ()
    shells: tuple[Shells, ...] = ()
    fits: tuple[PairFit, ...] = ()
    unmeasured: tuple[Unmeasured, ...] = ()
    structures: tuple[StructureScore, ...] = ()
    unsegmented: tuple[Unsegmented, ...] = ()
    sampled: tuple[SampledStructure, ...] = ()
    unclaimed: tuple[Unclaimed, ...] = ()
    seed: int = 0

    def __repr__(self) -> str:
        methods = ", ".join(self._methods()) or "none"
        counts = f"cases: {len(self.cases)}; scores: {len(self.scores)}; not measured: {len(self.unmeasured)}"
        return f"Findings({counts}; methods: {methods})"

    @classmethod
    def merged(cls, parts: Sequence[Findings]) -> Findings:
        """The findings of several parts of one validation, in their order.

        Raises:
            InputError: they were made with different models or conventions.
        """
        if not parts:
            return cls((), {})
        if any(part.model != parts[0].model or part.convention != parts[0].convention for part in parts):
            raise InputError("the parts were measured with different models; measure them again with one")
        rows: dict[str, Any] = {
            name: tuple(row for part in parts for row in getattr(part, name)) for name in _row_types()
        }
        return replace(parts[0], **rows)

    @classmethod
    def from_dict(cls, content: Mapping[str, object]) -> Findings:
        """Findings out of what `as_dict` gives, also after JSON that has null for what is not finite.

        Statistics are computed again, so what is left out there is left out here.

        Raises:
            InputError: something is missing or of the wrong kind.
        """
        rows = {name: _checked(content, name, kind) for name, kind in _row_types().items()}
        rows["scores"] = tuple(map(Score.from_row, rows["scores"]))
        return cls(
            model=_checked(content, "model", dict[str, str], None),
            convention=_checked(content, "convention", str, None),
            seed=_checked(content, "seed", int, 0),
            **rows,
        )

    def gain_db(self, score: Score, over: str, metric: Metric[Restoration] = INTERIOR) -> float:
        """PSNR of a score minus that of method `over` on the same scan and task, in the body's interior.

        NaN where that method was not run, or the scan has no interior; `metric` names another PSNR to take.
        """
        return gain_db(self.scores, score, over, metric)

    def without_interior(self) -> tuple[str, ...]:
        """Scans whose body is nowhere deep enough to have an interior: their numbers of it are NaN and don't count."""
        return tuple(dict.fromkeys(s.scan for s in self.scores if math.isnan(s[INTERIOR.name])))

    def subject_of(self, scan: str) -> str:
        """Whose scan it is."""
        return next((case.subject for case in self.cases if case.scan == scan), subject_of(scan))

    def medians(self) -> list[dict[str, object]]:
        """Per task and method: scans, median PSNR and SSIM, median and range of the paired gain over `ibp`.

        The gain is that of the interior, but for that of the whole mask, which is named after it.
        """
        rows: list[dict[str, object]] = []
        for (task, method), chosen in groups_of(self.scores).items():
            gains, whole = ([self.gain_db(score, "ibp", one) for score in chosen] for one in (INTERIOR, WHOLE))
            rows.append(
                {
                    "task": task,
                    "method": method,
                    "scans": len(chosen),
                    **{metric.name: median_of([s[metric.name] for s in chosen]) for metric in HEADLINE},
                    gain_column("ibp", INTERIOR): median_of(gains),
                    RANGE[0]: min(known(gains), default=NAN),
                    RANGE[1]: max(known(gains), default=NAN),
                    gain_column("ibp", WHOLE): median_of(whole),
                }
            )
        return rows

    def comparisons(self, metric: str = INTERIOR.name, baselines: Sequence[str] = BASELINES) -> tuple[Comparison, ...]:
        """Every method against every baseline per task, over subjects, corrected by Holm over all of them.

        Args:
            metric: Name of a metric of `medsr.metrics.table.METRICS`.
            baselines: Names of methods.

        Raises:
            UsageError: no metric has that name.
        """
        return comparisons(self.scores, self.subject_of, metric, baselines, self.seed)

    def strata(
        self, by: Sequence[str] | None = None, method: str = "mean", baseline: str = "ibp"
    ) -> tuple[Stratum, ...]:
        """Gain of a method over a baseline in the interior, by what is known of the scans, where that tells them apart.

        Args:
            by: "modality", "contrast", "axes", "factor" or names of facts; None for all of them.
            method: Method whose gain is taken.
            baseline: Method that it is taken over.
        """
        return strata(self.scores, self.cases, self.subject_of, by, method, baseline, self.seed)

    def worst_first(self, method: str = "mean", over: str = "ibp") -> tuple[Score, ...]:
        """Scores of a method, the least gain over a baseline in the interior first, those without an interior last."""
        chosen = [score for score in self.scores if score.method == method]

        def place(score: Score) -> tuple[bool, float, float]:
            gain = self.gain_db(score, over)
            return (True, 0.0, score[WHOLE.name]) if math.isnan(gain) else (False, gain, score[WHOLE.name])

        return tuple(sorted(chosen, key=place))

    def rows(self) -> list[dict[str, object]]:
        """The table that gates judge: scores with gains, subject and, for the mean, coverage of its intervals."""
        trust = {(u.scan, u.task): u for u in self.uncertainties if u.method == "samples"}
        rows: list[dict[str, object]] = []
        for score in self.scores:
            row: dict[str, object] = {**score.row(), "subject": self.subject_of(score.scan)}
            row |= self._gains_over(score, self._methods())
            one = trust.get((score.scan, score.task))
            if score.method == "mean" and one is not None:
                row |= {f"coverage{level}": value for level, value in (one.calibrated or one.coverage).items()}
                row |= {metric.name: getattr(one, metric.name) for metric in UNCERTAINTY_METRICS}
            rows.append(row)
        return rows

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values, gains and statistics included, for JSON."""
        scores = [{**s.row(), **self._gains_over(s, BASELINES)} for s in self.scores]
        return {
            "convention": self.convention,
            "model": self.model,
            "seed": self.seed,
            "scores": scores,
            "medians": self.medians(),
            "cases": [asdict(case) for case in self.cases],
            "uncertainties": [asdict(one) for one in self.uncertainties],
            "blend": [asdict(one) for one in self.blend],
            "shells": [asdict(one) for one in self.shells],
            "fits": [asdict(one) for one in self.fits],
            "unmeasured": [asdict(one) for one in self.unmeasured],
            "structures": [asdict(one) for one in self.structures],
            "unsegmented": [asdict(one) for one in self.unsegmented],
            "sampled": [asdict(one) for one in self.sampled],
            "unclaimed": [asdict(one) for one in self.unclaimed],
            "claims": [asdict(one) for one in volume_claims(self.sampled, self.subject_of)],
            "anatomy": [asdict(one) for one in summaries(self.structures, self.subject_of, self.seed)],
            "agreements": [asdict(one) for one in agreements(self.structures, self.subject_of, self.seed)],
            "comparisons": [asdict(one) for one in self.comparisons()],
            "strata": [asdict(one) for one in self.strata()],
            "worst_first": [{"scan": s.scan, "task": s.task} for s in self.worst_first()],
        }

    def _methods(self) -> list[str]:
        return list(dict.fromkeys(score.method for score in self.scores))

    def _gains_over(self, score: Score, methods: Sequence[str]) -> dict[str, float]:
        return {gain_column(name, one): self.gain_db(score, name, one) for name in methods for one in GAINS}


def gate_columns(methods: Sequence[str]) -> tuple[str, ...]:
    """Columns of `Findings.rows` where these methods are run, those of the stated uncertainty included."""
    gains = [gain_column(name, metric) for name in methods for metric in GAINS]
    return (*PLACES, "subject", *NAMES, *gains, *UNCERTAINTY_NAMES)


def _row_types() -> dict[str, Any]:
    """Every field that holds rows, with its type."""
    hints = get_type_hints(Findings) | {"scores": GenericAlias(tuple, (ScoreRow, ...))}
    return {one.name: hints[one.name] for one in fields(Findings) if one.name not in ("model", "convention", "seed")}


def _checked(content: Mapping[str, object], name: str, kind: Any, default: object = ()) -> Any:
    try:
        return TypeAdapter(kind).validate_python(_with_nan(content.get(name, default)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (name, *first["loc"])))
        if first["type"] == "missing":
            raise InputError(f"{place}: is missing; these findings are not of this version: measure again") from error
        raise InputError(f"these are not the findings of a validation ({place}: {first['msg']})") from error


def _with_nan(value: object) -> object:
    """JSON has no NaN: null stands for it in rows, none of whose numbers may be missing."""
    if isinstance(value, Mapping):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nan(item) for item in value]
    return NAN if value is None else value
