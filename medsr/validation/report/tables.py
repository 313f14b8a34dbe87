"""The tables of a validation: medians, comparisons, strata, cases, uncertainty, what could not be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from statistics import median

from medsr.metrics.statistics import interval_of_median, per_subject
from medsr.metrics.table import BRAIN, INTERIOR, METRICS, UNCERTAINTY_METRICS, WHOLE, metric_named
from medsr.report.blocks import Cell, Table, interval, number
from medsr.report.text import NOTHING
from medsr.validation.findings import Findings
from medsr.validation.gains import GAINS, measured_in
from medsr.validation.methods import BAND_LIMITED, BASELINES, shown_name
from medsr.validation.report.export import no_interior
from medsr.validation.report.summary import PERCENTS
from medsr.validation.scores import Case, Score
from medsr.validation.subjects import Comparison, Stratum

GAIN = "{:+.2f}"
SSIM, DETAIL, RESIDUAL = (metric_named(name) for name in ("ssim", "fsc50_mm", "residual"))
IN_THE_INTERIOR = "Gains are those of the interior where no other part is named."
MEDIAN_HEADS = (
    *("task", "method", "scans", "subjects", INTERIOR.head, "gain over cubic dB", "gain over ibp dB"),
    *(WHOLE.head, "its gain over ibp dB", SSIM.head, DETAIL.head, RESIDUAL.head, "ceiling dB"),
)
BRAIN_HEADS = (BRAIN.head, "brain, gain over ibp dB")
CASE_HEADS = (
    *("", "scan", "task", "axes", "contrast", "gain over ibp dB", "gain over cubic dB"),
    *(INTERIOR.head, WHOLE.head, SSIM.head, RESIDUAL.head, "coverage 90 %", "ceiling dB", "3D"),
)
Links = Mapping[tuple[str, str], tuple[str, str]]
"""Page and 3D view of each scan and task; "" where there is none."""


def main_method(findings: Findings) -> str:
    """The method that the report is about: the mean, else the last that was run."""
    names = list(dict.fromkeys(s.method for s in findings.scores if s.method != BAND_LIMITED))
    return "mean" if "mean" in names or not names else names[-1]


def medians_table(findings: Findings) -> Table:
    """Per task and method: median over subjects with its interval, beside the ceiling that the reference sets."""
    rows = []
    with_brain = measured_in(BRAIN, findings.scores)
    for task, method in dict.fromkeys((s.task, s.method) for s in findings.scores):
        chosen = [s for s in findings.scores if (s.task, s.method) == (task, method)]
        over = _over_subjects(findings, chosen)
        ceilings = [case.ceiling_db for case in findings.cases if case.task == task]
        brain = (
            over(itemgetter(BRAIN.name), BRAIN.pattern),
            over(lambda s: findings.gain_db(s, "ibp", BRAIN), GAIN),
        )
        rows.append(
            (
                Cell(task),
                Cell(shown_name(method)),
                number(len(chosen), "{:.0f}"),
                number(len({findings.subject_of(s.scan) for s in chosen}), "{:.0f}"),
                over(itemgetter(INTERIOR.name), INTERIOR.pattern),
                over(lambda s: findings.gain_db(s, "cubic"), GAIN),
                over(lambda s: findings.gain_db(s, "ibp"), GAIN),
                over(itemgetter(WHOLE.name), WHOLE.pattern),
                over(lambda s: findings.gain_db(s, "ibp", WHOLE), GAIN),
                *(over(itemgetter(one.name), one.pattern) for one in (SSIM, DETAIL, RESIDUAL)),
                number(median(ceilings) if ceilings else None),
                *(brain if with_brain else ()),
            )
        )
    note = (
        "Median over subjects; in brackets the 95 % bootstrap interval, which needs at least 3 subjects. Ceiling: "
        f"median PSNR that the references' own noise sets. {IN_THE_INTERIOR}"
    )
    if findings.without_interior():
        note = f"{note} {no_interior(findings)}."
    heads = (*MEDIAN_HEADS, *(BRAIN_HEADS if with_brain else ()))
    return Table("Medians over subjects", heads, tuple(rows), note, "data/medians.csv")


def comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    """Paired differences with their test."""
    heads = ("task", "method", "baseline", "subjects", "difference dB", "improved", "p", "p (Holm)")
    rows = tuple(
        (
            Cell(one.task),
            Cell(one.method),
            Cell(one.baseline),
            number(one.test.interval.n, "{:.0f}"),
            interval(one.test.interval, GAIN),
            number(one.test.improved, "{:.0%}"),
            _p(one.test.p),
            _p(one.test.p_holm),
        )
        for one in comparisons
    )
    notes = dict.fromkeys(one.test.note for one in comparisons if one.test.note)
    note = " ".join(
        [
            f"Median paired difference in PSNR of the interior to {' and '.join(BASELINES)}, 95 % bootstrap interval, "
            "Wilcoxon signed rank, two-sided, Holm's correction over all rows.",
            *(f"{text[0].upper()}{text[1:]}." for text in notes),
        ]
    )
    return Table("Paired comparisons", heads, rows, note, "data/comparisons.csv")


def telling(strata: Sequence[Stratum]) -> tuple[Stratum, ...]:
    """Those that split a task's subjects into more than one part."""
    values: dict[tuple[str, str], set[str]] = {}
    for one in strata:
        values.setdefault((one.task, one.by), set()).add(one.value)
    return tuple(one for one in strata if len(values[one.task, one.by]) > 1)


def strata_table(strata: Sequence[Stratum]) -> Table:
    """Gain within each part of the subjects."""
    heads = ("task", "method", "over", "by", "value", "subjects", "gain dB")
    rows = tuple(
        (
            *(Cell(text) for text in (one.task, one.method, one.baseline, one.by, one.value)),
            number(one.gain_db.n, "{:.0f}"),
            interval(one.gain_db, GAIN),
        )
        for one in strata
    )
    return Table(
        "Gain within parts of the subjects", heads, rows, IN_THE_INTERIOR, "data/strata.csv", filtered=len(rows) > 12
    )


def cases_table(findings: Findings, links: Links) -> Table:
    """Every case of the main method, the smallest gain over the baseline first."""
    method = main_method(findings)
    cases = {(case.scan, case.task): case for case in findings.cases}
    trust = {(u.scan, u.task): u for u in findings.uncertainties if u.method == "samples"}
    rows = []
    for score in findings.worst_first(method):
        key = (score.scan, score.task)
        page, view = links.get(key, ("", ""))
        covered = trust[key].calibrated or trust[key].coverage if key in trust else {}
        further = (
            number(covered.get("90"), "{:.3f}"),
            number(cases[key].ceiling_db if key in cases else None),
            Cell("3D" if view else "", None, view),
        )
        rows.append((*_case_cells(findings, score, cases.get(key), page), *further))
    note = f"Method: {method}. Ceiling: PSNR that the reference's own noise sets; it is an estimate. {IN_THE_INTERIOR}"
    return Table("Cases, worst first", CASE_HEADS, tuple(rows), note, "scores.csv", filtered=True)


def scores_table(findings: Findings, scan: str, task: str) -> Table:
    """All scores of all methods on one case, one row a number; parts that no method was measured in are left out."""
    scores = [s for s in findings.scores if (s.scan, s.task) == (scan, task)]
    case = next((c for c in findings.cases if (c.scan, c.task) == (scan, task)), None)
    rows = [
        (Cell(one.head), *(number(s[one.name], one.pattern) for s in scores))
        for one in METRICS
        if one.part is None or measured_in(one, scores)
    ]
    rows += [
        (Cell(f"{one.label}, gain over {name} dB"), *(number(findings.gain_db(s, name, one), GAIN) for s in scores))
        for one in GAINS
        if measured_in(one, scores)
        for name in BASELINES
    ]
    note = "" if case is None else f"Ceiling by the reference's own noise: {case.ceiling_db:.2f} dB (an estimate)."
    return Table("Scores", ("", *(s.method for s in scores)), tuple(rows), note, "../scores.csv")


def uncertainty_table(findings: Findings, scan: str | None = None, task: str | None = None) -> Table:
    """How far the stated uncertainty can be trusted, case by case."""
    measured = [metric.head for metric in UNCERTAINTY_METRICS]
    heads = ("scan", "task", "of", *(f"{p} %" for p in PERCENTS), "90 % calibrated", *measured)
    rows = tuple(
        (
            *(Cell(text) for text in (one.scan, one.task, one.method)),
            *(number(one.coverage.get(p), "{:.3f}") for p in PERCENTS),
            number(one.calibrated.get("90"), "{:.3f}"),
            *(number(getattr(one, metric.name), metric.pattern) for metric in UNCERTAINTY_METRICS),
        )
        for one in findings.uncertainties
        if scan is None or (one.scan, one.task) == (scan, task)
    )
    note = (
        "Coverage as stated, an average over voxels and no guarantee for a subject, a region or a voxel (not "
        "conformal); that of the interior, of edges and of means over blocks stands beside it. CRPS stands beside that "
        "of one deviation everywhere: smaller is better. AUROC 0.5 is blind. White noise is a control, the mean with "
        "noise of the stated variance: samples that score no better hold nothing but noise."
    )
    csv = "data/uncertainty.csv" if scan is None else "../data/uncertainty.csv"
    return Table("Stated uncertainty", heads, rows, note, csv, filtered=scan is None and len(rows) > 12)


def unmeasured_table(findings: Findings) -> Table:
    """Cases that could not be measured, and why."""
    rows = tuple((Cell(one.scan), Cell(one.task), Cell(one.reason)) for one in findings.unmeasured)
    return Table("Not measured", ("scan", "task", "why"), rows)


def fits_table(findings: Findings) -> Table:
    """Real pairs: how the low scan relates to the high one, and what registration moved where any was registered."""
    matched = ("correlation", "slope", "offset", "shift mm", "turn deg", "covered", "interpolated")
    registered = any(one.was_registered for one in findings.fits)
    heads = ("pair", "task", *matched, *(("moved mm", "moved deg", "registration error mm") if registered else ()))
    rows = tuple(
        (
            Cell(one.scan),
            Cell(one.task),
            number(one.correlation, "{:.4f}"),
            number(one.slope, "{:.4g}"),
            number(one.offset, "{:.4g}"),
            number(one.shift_mm),
            number(one.turn_deg),
            number(one.covered, "{:.0%}"),
            Cell(one.interpolated or NOTHING),
            *(map(number, (one.moved_mm, one.moved_deg, one.registration_error_mm)) if registered else ()),
        )
        for one in findings.fits
    )
    note = "The low scan was fitted to the degraded high one by a line before anything was measured; CT was left alone."
    if registered:
        note += (
            " Where registration was asked for, the high scan was moved first; the error is half of what the answers "
            "of even and of odd slices differ by."
        )
    return Table("Real pairs", heads, rows, note, "data/pairs.csv")


def _case_cells(findings: Findings, score: Score, case: Case | None, page: str) -> tuple[Cell, ...]:
    return (
        Cell("", None, page, "thumbnail"),
        Cell(score.scan, None, page),
        Cell(score.task),
        Cell(score.axes),
        Cell((case.contrast or case.modality) if case is not None else NOTHING),
        number(findings.gain_db(score, "ibp"), GAIN),
        number(findings.gain_db(score, "cubic"), GAIN),
        *(number(score[one.name], one.pattern) for one in (INTERIOR, WHOLE, SSIM, RESIDUAL)),
    )


def _over_subjects(findings: Findings, scores: Sequence[Score]) -> Callable[[Callable[[Score], float], str], Cell]:
    subjects = [findings.subject_of(score.scan) for score in scores]

    def cell(value: Callable[[Score], float], pattern: str) -> Cell:
        values = per_subject([value(score) for score in scores], subjects)
        return interval(interval_of_median(list(values.values()), seed=findings.seed), pattern)

    return cell


def _p(value: float | None) -> Cell:
    return Cell("no test") if value is None else number(value, "{:.3g}")
