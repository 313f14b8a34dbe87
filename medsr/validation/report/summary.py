"""Statistics, uncertainty, calibration and hallucination tests as aligned text."""

from __future__ import annotations

from collections.abc import Sequence

from medsr.metrics.judged import StatedUncertainty
from medsr.metrics.metric import Metric
from medsr.metrics.statistics import Interval
from medsr.metrics.table import INTERIOR, UNCERTAINTY_METRICS, metric_named
from medsr.report.text import aligned, digits
from medsr.validation.calibration import CalibrationReport
from medsr.validation.findings import Findings, Uncertainty
from medsr.validation.hallucination import HallucinationTests
from medsr.validation.lesions import summarised

PERCENTS = ("50", "80", "90", "95")


def comparisons_of(findings: Findings, metric: str = INTERIOR.name) -> str:
    """Median paired difference with its interval, share of subjects improved, and Holm's p."""
    rows = [
        ("task", "method", "baseline", "subjects", f"difference of {metric_named(metric).head}", "improved", "p (Holm)")
    ]
    rows += [
        (
            one.task,
            one.method,
            one.baseline,
            str(one.test.interval.n),
            interval_text(one.test.interval),
            f"{one.test.improved:.0%}",
            f"{one.test.p_holm:.3g}" if one.test.p_holm is not None else "no test",
        )
        for one in findings.comparisons(metric)
    ]
    notes = dict.fromkeys(one.test.note for one in findings.comparisons(metric) if one.test.note)
    return "\n".join([aligned(rows), *notes])


def interval_text(interval: Interval) -> str:
    """Median and, where there is one, its interval."""
    if interval.low is None or interval.high is None:
        return f"{interval.median:+.2f} (too few for an interval)"
    return f"{interval.median:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"


def uncertainties_of(uncertainties: Sequence[Uncertainty]) -> str:
    """Coverage as stated and after calibration, and every other number of each stated uncertainty and its control."""
    measured = [metric.head for metric in UNCERTAINTY_METRICS]
    rows = [("scan", "task", "of", *(f"{p} %" for p in PERCENTS), "calibrated 90 %", *measured)]
    rows += [
        (
            one.scan,
            one.task,
            one.method,
            *(f"{one.coverage[p]:.3f}" for p in PERCENTS),
            f"{one.calibrated['90']:.3f}" if one.calibrated else "-",
            *(_stated(one, metric) for metric in UNCERTAINTY_METRICS),
        )
        for one in uncertainties
    ]
    return aligned(rows)


def _stated(one: Uncertainty, metric: Metric[StatedUncertainty]) -> str:
    return digits(getattr(one, metric.name), metric.pattern)


def calibration_of(report: CalibrationReport) -> str:
    """Factors, and coverage on every subject that its factors were not taken from."""
    calibration = report.calibration
    heads = [f"{level:.0%}" for level in calibration.levels]
    factors = [("factors: of", "group", "subjects", *heads, *(f"held out {head}" for head in heads))]
    for kind, groups in calibration.factors.items():
        for group, values in groups.items():
            covered = calibration.held_out[kind][group]
            shown = (*(f"{v:.2f}" for v in values), *(f"{c:.3f}" for c in covered))
            factors.append((kind, group, str(calibration.subjects[group]), *shown))
    subjects = [("held out: of", "group", "subject", *(f"{h} before" for h in heads), *(f"{h} after" for h in heads))]
    subjects += [
        (row.kind, row.group, row.subject, *(f"{value:.3f}" for value in (*row.before, *row.after)))
        for row in report.held_out
    ]
    return f"{aligned(factors)}\n\n{aligned(subjects)}"


def hallucination_text(hallucination: Sequence[HallucinationTests]) -> str:
    """One block per scan, task and method."""
    return "\n\n".join(_tests_text(tests) for tests in hallucination)


def _tests_text(tests: HallucinationTests) -> str:
    heads = ("planted lesions", "n", "recovered", "least", "in cubic", "worse than cubic")
    rows = [
        (
            f"{one.shape}, {one.diameter_mm:g} mm",
            str(one.n),
            *(f"{value:.2f}" for value in (one.recovered, one.least, one.cubic)),
            str(one.worse_than_cubic),
        )
        for one in summarised(tests.lesions)
    ]
    patterns = ", ".join(
        f"{one.pattern} of {one.size_mm:.3g} mm {one.error:.2f} and {one.overshoot:.2f}"
        f"{' (worse than cubic)' if one.worse_than_cubic else ''}"
        for one in tests.patterns
    )
    false = ", ".join(
        f"{f.diameter_mm:g} mm {f.per_litre:.0f} ({f.reference_per_litre:.0f})" for f in tests.false_lesions
    )
    tissues = ", ".join(f"{t.tissue} {t.bias_percent:+.1f} % (Dice {t.dice:.3f})" for t in tests.tissues)
    steady = tests.stability
    shift, error = (digits(value, "{:.4f}") for value in (steady.shift_change, steady.shift_error))
    hidden = tests.null_lesion
    lines = [
        f"{tests.scan}, {tests.task}, {tests.method}",
        aligned([heads, *rows]) if rows else "planted lesions: no room for them",
        f"patterns, error and overshoot over their contrast: {patterns or 'no room for them'}",
        f"false blobs per litre (the reference's own): {false}",
        f"unmeasured part: energy {tests.prior.energy:.3f} of the reference's, "
        f"correlation {tests.prior.correlation:.3f}, median share {tests.prior.share:.3f}",
        f"tissue volumes: {tissues}",
        f"patches that contradict the reference: {tests.flagged} of {tests.patches}",
        f"noise gain {steady.noise_gain:.2f}; change under a quarter-slice shift {shift} of R "
        f"(error {error}), under flips {steady.flip_change:.4f} of R",
    ]
    if hidden is not None:
        lines.append(f"invisible lesions: measured share {hidden.measured_share:.3f}, response {hidden.response:+.4f}")
    return "\n".join(lines)
