"""What a validation found, as plain values: scores per scan, task and method, and what they say over subjects.

Every class here turns into JSON by `dataclasses.asdict`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from medsr.statistics import Interval, PairedTest, holm, interval_of_median, paired, per_subject

NAN = float("nan")
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


@dataclass(frozen=True)
class Score:
    """One method on one scan under one task; docs/metrics.md says what each number is and what it can't see.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        axes: which axes were degraded, such as "R A S" or "S".
        method: name of the method; "oracle" is a ceiling, no method.
        psnr_db: see `CONVENTION`.
        ssim: see `CONVENTION`.
        nrmse: root mean squared error in the mask over R.
        mae: mean absolute error in the mask, in the scan's unit (HU for CT).
        drift: difference of the means in the mask, in the scan's unit.
        residual: scan minus degraded result, in units of the scan's noise.
        upper_band: power above half the Nyquist frequency of the degraded axes, over the reference's.
        seconds: of the method alone.
        ms_ssim: SSIM over several scales.
        hfen: error of the Laplacian of a Gaussian over the reference's; 0 is perfect.
        gradient_similarity: of gradient magnitudes; 1 is perfect.
        fsc50_mm: smallest detail that agrees, where the shell correlation falls below 0.5; the worst degraded axis.
        fsc14_mm: the same at 0.143.
        error_inside: NRMSE inside the measured band.
        error_outside: NRMSE beyond it; the squares of both add up to that of `nrmse`.
        shift_mm: how far the result lies from the reference.
        comb: power at the frequency of the slices over its neighbours', over the reference's; the worst degraded axis.
    """

    scan: str
    task: str
    axes: str
    method: str
    psnr_db: float
    ssim: float
    nrmse: float
    mae: float
    drift: float
    residual: float
    upper_band: float
    seconds: float
    ms_ssim: float = NAN
    hfen: float = NAN
    gradient_similarity: float = NAN
    fsc50_mm: float = NAN
    fsc14_mm: float = NAN
    error_inside: float = NAN
    error_outside: float = NAN
    shift_mm: float = NAN
    comb: float = NAN


@dataclass(frozen=True)
class Uncertainty:
    """How far one stated uncertainty can be trusted on one scan under one task.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        method: "draws" (spread of draws around the mean) or "variance" (the network's variance head).
        coverage: by percent ("50", "80", "90", "95"): share of voxels in the mask within that interval of a normal
            distribution with the stated deviation.
        calibrated: the same after scaling by the factors of the weights; empty where they hold none.
        crps: mean continuous ranked probability score over R, of the draws themselves or of the normal distribution.
        crps_constant: of a normal distribution with one deviation everywhere, the root mean square error.
        auroc: how well the deviation points at the largest tenth of the errors; 0.5 is blind.
        deviation: root mean square stated deviation over R.
        error: root mean square error of the mean over R.
        spread: by bins of stated deviation: its root mean square over R.
        skill: the root mean square error over R in the same bins; equal to `spread` where that is right.
        n_draws: draws behind it; 0 for the variance head.
    """

    scan: str
    task: str
    method: str
    coverage: dict[str, float]
    calibrated: dict[str, float]
    crps: float
    crps_constant: float
    auroc: float
    deviation: float
    error: float
    spread: tuple[float, ...]
    skill: tuple[float, ...]
    n_draws: int


@dataclass(frozen=True)
class Case:
    """What is known of one scan under one task.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        subject: whose scan it is; scans of one subject count once.
        modality: "MR" or "CT".
        contrast: such as "T1w"; "" where nothing says it.
        axes: which axes were degraded.
        factor: largest fine voxels per coarse voxel.
        spacing_mm: of the reference.
        range: R of the convention, in the scan's unit.
        reference_noise: standard deviation of the reference's noise, in its unit; an upper bound.
        ceiling_db: PSNR that no method can pass, because the reference's own noise can't be predicted.
        facts: what a manifest says of the scan, such as scanner and anatomy.
    """

    scan: str
    task: str
    subject: str
    modality: str
    contrast: str
    axes: str
    factor: float
    spacing_mm: tuple[float, float, float]
    range: float
    reference_noise: float
    ceiling_db: float
    facts: dict[str, str] = field(default_factory=dict)


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
    """All scores of a validation, with the convention they rest on and the model that was measured."""

    scores: tuple[Score, ...]
    model: dict[str, str]
    convention: str = CONVENTION
    cases: tuple[Case, ...] = ()
    uncertainties: tuple[Uncertainty, ...] = ()

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
                    test = paired(values, others, more_is_better=better)
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
                        interval = interval_of_median(list(gains.values()))
                        found.append(Stratum(task, method, baseline, key, value, interval))
        return tuple(found)

    def worst_first(self, method: str = "mean", over: str = "ibp") -> tuple[Score, ...]:
        """Scores of a method, the least gain over a baseline first."""
        chosen = [score for score in self.scores if score.method == method]
        return tuple(sorted(chosen, key=lambda score: (self.gain_db(score, over), score.psnr_db)))

    def rows(self) -> list[dict[str, object]]:
        """The table that gates judge: scores with gains, subject and, for the mean, coverage of its intervals."""
        trust = {(u.scan, u.task): u for u in self.uncertainties if u.method == "draws"}
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
            "scores": scores,
            "medians": self.medians(),
            "cases": [asdict(case) for case in self.cases],
            "uncertainties": [asdict(one) for one in self.uncertainties],
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
