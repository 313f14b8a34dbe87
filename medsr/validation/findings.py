"""What a validation found, as plain values: scores per scan, task and method, and what they say over subjects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import median
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from medsr.errors import InputError
from medsr.metrics.statistics import Interval, PairedTest, holm, interval_of_median, paired, per_subject
from medsr.validation.scores import NAN, BlendPoint, Case, PairFit, Score, Shells, Uncertainty, Unmeasured

__all__ = [
    "CONVENTION",
    "PAIR_CONVENTION",
    "BlendPoint",
    "Case",
    "Comparison",
    "Findings",
    "PairFit",
    "Score",
    "Shells",
    "Stratum",
    "Uncertainty",
    "Unmeasured",
    "subject_of",
]

BASELINES = ("cubic", "ibp")
STRATA = ("modality", "contrast", "axes", "factor")
LESS_IS_BETTER = frozenset(
    {"nrmse", "mae", "hfen", "fsc50_mm", "fsc14_mm", "error_inside", "error_outside", "shift_mm", "seconds"}
)

CONVENTION = (
    "Reference in RAS order, degraded by the named task over its own field of view. Mask: MR above 5 % of the 99th "
    "percentile, CT above -500 HU; largest component, holes filled, dilated by 2 voxels. Data range R: MR 99.9th minus "
    "0.1th percentile inside the mask, CT 2000 HU. PSNR = 10 log10(R^2 / mean squared error in the mask). SSIM: 3D "
    "Gaussian window, sigma 1.5, 11 wide, K1 0.01, K2 0.03, population covariance, mean over the mask. No intensity "
    "fit, no border crop. Residual: root mean square of scan minus degraded result over the scan's noise. Numbers of "
    "other publications compare only as gains over cubic under the same degradation."
)
PAIR_CONVENTION = (
    "Real pairs: not degraded, but brought to one unit: before any method works, the low scan becomes slope times it "
    "plus offset, by least squares of it over the degraded high scan on the low scan's grid (CT in HU is left alone); "
    "one coarse voxel at the faces of the shared part is left out. What the two scans differ in, their registration "
    "and noise included, counts as an error of every method."
)


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


@dataclass(frozen=True)
class Findings:
    """All scores of a validation, with the convention they rest on and the model that was measured.

    Attributes:
        scores: one per scan, task and method.
        model: name, version and hash; empty where none was measured.
        convention: what the numbers mean.
        cases: what is known of each scan and task.
        uncertainties: how far the stated uncertainty can be trusted.
        blend: the line from the mean to a draw.
        shells: shell correlation along every degraded axis.
        fits: of real pairs.
        unmeasured: cases that failed.
        seed: of the bootstrap behind the intervals.
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
    seed: int = 0

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
        try:
            found: dict[str, Any] = {
                name: TypeAdapter(kind).validate_python(_with_nan(content.get(name, ())))
                for name, kind in _row_types().items()
            }
            model = TypeAdapter(dict[str, str]).validate_python(content.get("model"))
            convention = TypeAdapter(str).validate_python(content.get("convention"))
            seed = TypeAdapter(int).validate_python(content.get("seed", 0))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(f"these are no findings of a validation ({place}: {first['msg']})") from error
        return cls(model=model, convention=convention, seed=seed, **found)

    def gain_db(self, score: Score, over: str) -> float:
        """PSNR of a score minus that of method `over` on the same scan and task; NaN where that was not run."""
        same = (s for s in self.scores if (s.scan, s.task, s.method) == (score.scan, score.task, over))
        other = next(same, None)
        return NAN if other is None else score.psnr_db - other.psnr_db

    def subject_of(self, scan: str) -> str:
        """Whose scan it is."""
        return next((case.subject for case in self.cases if case.scan == scan), subject_of(scan))

    def medians(self) -> list[dict[str, object]]:
        """Per task and method: scans, median PSNR and SSIM, median and range of the paired gain over `ibp`."""
        rows: list[dict[str, object]] = []
        for task, method in self._groups():
            chosen = [s for s in self.scores if (s.task, s.method) == (task, method)]
            gains = [self.gain_db(score, "ibp") for score in chosen]
            rows.append(
                {
                    "task": task,
                    "method": method,
                    "scans": len(chosen),
                    "psnr_db": median(s.psnr_db for s in chosen),
                    "ssim": median(s.ssim for s in chosen),
                    "gain_over_ibp_db": median(gains),
                    "least_gain_db": min(gains),
                    "most_gain_db": max(gains),
                }
            )
        return rows

    def comparisons(self, metric: str = "psnr_db", baselines: Sequence[str] = BASELINES) -> tuple[Comparison, ...]:
        """Every method against every baseline per task, over subjects, corrected by Holm over all of them.

        Args:
            metric: a number of `Score`.
            baselines: names of methods.
        """
        found: list[Comparison] = []
        better = metric not in LESS_IS_BETTER
        for task, method in self._groups():
            values = self._by_subject(task, method, metric)
            for baseline in baselines:
                others = self._by_subject(task, baseline, metric)
                if others and method not in (*baselines, "oracle"):
                    test = paired(values, others, more_is_better=better, seed=self.seed)
                    found.append(Comparison(task, method, baseline, metric, test))
        corrected = holm([one.test.p for one in found])
        pairs = zip(found, corrected, strict=True)
        return tuple(replace(one, test=replace(one.test, p_holm=p)) for one, p in pairs)

    def strata(
        self, by: Sequence[str] | None = None, method: str = "mean", baseline: str = "ibp"
    ) -> tuple[Stratum, ...]:
        """Gain of a method over a baseline by what is known of the scans, where that tells them apart.

        Args:
            by: "modality", "contrast", "axes", "factor" or names of facts; None for all of them.
            method: whose gain.
            baseline: over what.
        """
        found: list[Stratum] = []
        if by is None:
            by = tuple(dict.fromkeys([*STRATA, *(name for case in self.cases for name in case.facts)]))
        for task in dict.fromkeys(case.task for case in self.cases):
            cases = {case.scan: case for case in self.cases if case.task == task}
            for key in by:
                labels = {scan: _label(case, key) for scan, case in cases.items()}
                for value in sorted(set(labels.values())):
                    gains = self._gains(task, method, baseline, [s for s, label in labels.items() if label == value])
                    if gains:
                        interval = interval_of_median(list(gains.values()), seed=self.seed)
                        found.append(Stratum(task, method, baseline, key, value, interval))
        return tuple(found)

    def worst_first(self, method: str = "mean", over: str = "ibp") -> tuple[Score, ...]:
        """Scores of a method, the least gain over a baseline first."""
        chosen = [score for score in self.scores if score.method == method]
        return tuple(sorted(chosen, key=lambda score: (self.gain_db(score, over), score.psnr_db)))

    def rows(self) -> list[dict[str, object]]:
        """The table that gates judge: scores with gains, subject and, for the mean, coverage of its intervals."""
        trust = {(u.scan, u.task): u for u in self.uncertainties if u.method == "samples"}
        rows: list[dict[str, object]] = []
        for score in self.scores:
            row: dict[str, object] = {**asdict(score), "subject": self.subject_of(score.scan)}
            row |= {f"gain_over_{name}_db": self.gain_db(score, name) for name in self._methods()}
            one = trust.get((score.scan, score.task))
            if score.method == "mean" and one is not None:
                row |= {f"coverage{level}": value for level, value in (one.calibrated or one.coverage).items()}
                row |= {"auroc": one.auroc, "crps": one.crps}
            rows.append(row)
        return rows

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values, gains and statistics included, for JSON."""
        scores = [
            {**asdict(s), "gain_over_cubic_db": self.gain_db(s, "cubic"), "gain_over_ibp_db": self.gain_db(s, "ibp")}
            for s in self.scores
        ]
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
            "comparisons": [asdict(one) for one in self.comparisons()],
            "strata": [asdict(one) for one in self.strata()],
            "worst_first": [{"scan": s.scan, "task": s.task} for s in self.worst_first()],
        }

    def _groups(self) -> list[tuple[str, str]]:
        tasks = dict.fromkeys(score.task for score in self.scores)
        found = {(score.task, score.method) for score in self.scores}
        return [(task, method) for task in tasks for method in self._methods() if (task, method) in found]

    def _methods(self) -> list[str]:
        return list(dict.fromkeys(score.method for score in self.scores))

    def _by_subject(self, task: str, method: str, metric: str) -> dict[str, float]:
        chosen = [s for s in self.scores if (s.task, s.method) == (task, method)]
        values = [float(getattr(s, metric)) for s in chosen]
        return per_subject(values, [self.subject_of(s.scan) for s in chosen])

    def _gains(self, task: str, method: str, over: str, scans: Sequence[str]) -> dict[str, float]:
        chosen = [s for s in self.scores if (s.task, s.method) == (task, method) and s.scan in scans]
        return per_subject([self.gain_db(s, over) for s in chosen], [self.subject_of(s.scan) for s in chosen])


_SUBJECT = re.compile(r"^sub-([A-Za-z0-9]+)(?:_|$)|^([A-Za-z0-9]+)_(?:T1w|T2w|PDw|FLAIR|T2starw|CT)$")


def subject_of(scan: str) -> str:
    """Whose scan it is, from a name such as "sub-01_T1w" or "01_T1w"; any other name is a subject of its own."""
    match = _SUBJECT.match(scan)
    return scan if match is None else next(label for label in match.groups() if label)


def _label(case: Case, key: str) -> str:
    value = getattr(case, key) if key in STRATA else case.facts.get(key, "")
    return f"{value:.3g}" if isinstance(value, float) else str(value or "not stated")


def _row_types() -> dict[str, Any]:
    """Every field that holds rows, with its type."""
    hints = get_type_hints(Findings)
    return {one.name: hints[one.name] for one in fields(Findings) if one.name not in ("model", "convention", "seed")}


def _with_nan(value: object) -> object:
    """JSON has no NaN: null stands for it in rows, none of whose numbers may be missing."""
    if isinstance(value, Mapping):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nan(item) for item in value]
    return NAN if value is None else value
