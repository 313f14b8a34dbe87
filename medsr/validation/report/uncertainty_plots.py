"""Plots of what a sample costs and of how far a stated deviation can be trusted; a figure without numbers is None."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from statistics import median

from medsr.metrics.judged import PARTS_LEVEL
from medsr.metrics.table import metric_named
from medsr.report.blocks import Figure
from medsr.report.svg import Axis, Dot, Line, Mark, Point, Rule, axis_over, look_of, panel
from medsr.validation.findings import Findings, Uncertainty
from medsr.validation.methods import BASELINES, COMPARED
from medsr.validation.report.plots import in_order, legend, median_curve

PSNR, SHARPNESS = metric_named("psnr_db"), metric_named("high_frequency_power_ratio")
KINDS = (("samples", "deviation of the samples"), ("variance", "variance head"))


def blend(findings: Findings) -> Figure | None:
    """Sharpness against error from the mean to a posterior sample: the perception-distortion line."""
    if not findings.blend:
        return None
    panels = [
        panel(task, *_blend_axes(findings, task), list(_blend_marks(findings, task)))
        for task in in_order(point.task for point in findings.blend)
    ]
    caption = (
        "From the mean (blend 0) to a posterior sample (blend 1): sharper pictures cost PSNR. Thin lines are cases, "
        "the thick one the median. A method below and left of the line is dominated; power at high frequencies may be "
        "noise."
    )
    names = legend(COMPARED)
    return Figure("blend", "Sharpness and error", caption, tuple(panels), names, [asdict(p) for p in findings.blend])


def coverage(found: Sequence[Uncertainty]) -> Figure | None:
    """Share of voxels within the stated intervals, as stated and after calibration."""
    if not found:
        return None
    panels, rows = [], []
    for kind, name in KINDS:
        chosen = [one for one in found if one.method == kind]
        if not chosen:
            continue
        marks: list[Mark] = [Line(((0.45, 0.45), (1.0, 1.0)), "rule", "right")]
        for which, look in (("coverage", "before"), ("calibrated", "after")):
            curves = [sorted((float(p) / 100, c) for p, c in getattr(one, which).items()) for one in chosen]
            curves = [curve for curve in curves if curve]
            marks += [Dot(point, look, one.scan) for one, c in zip(chosen, curves, strict=False) for point in c]
            marks.append(Line(median_curve(curves), look, f"median, {look} calibration"))
        values = [c for one in chosen for c in (*one.coverage.values(), *one.calibrated.values())]
        y = axis_over("share of voxels inside", [0.45, 1.0, *values])
        panels.append(panel(name, Axis("stated level", 0.45, 1.0), y, marks))
        rows += list(_coverage_rows(chosen))
    caption = (
        "Intervals that are right on average over voxels lie on the diagonal: below it they are too narrow. Each dot "
        "is a case, the line the median. Which voxels are missed is not shown here; the table tells interior and edges."
    )
    keys = (("before", "as stated"), ("after", "after calibration"))
    return Figure("coverage", "Coverage of the stated intervals", caption, tuple(panels), keys, rows)


def blocks(found: Sequence[Uncertainty]) -> Figure | None:
    """Share of blocks whose mean lies within the samples' interval, beside the control's."""
    known = [one for one in found if not math.isnan(one.coverage90_blocks)]
    methods = in_order(one.method for one in known)
    if not known:
        return None
    panels = []
    for task in in_order(one.task for one in known):
        chosen = [one for one in known if one.task == task]
        marks: list[Mark] = [Rule(PARTS_LEVEL, "stated")]
        marks += [
            Dot((float(methods.index(one.method)), one.coverage90_blocks), look_of(one.method), one.scan)
            for one in chosen
        ]
        y = axis_over("share of blocks inside", [0.8, 1.0, *(one.coverage90_blocks for one in chosen)])
        panels.append(panel(task, Axis("", -0.5, len(methods) - 0.5, methods), y, marks))
    caption = (
        "Each dot is a case: blocks of 4 x 4 x 4 voxels whose true mean lies in the interval of 90 % (dashed) that the "
        "samples state. White noise is the mean with noise of the stated variance, which no test of single voxels "
        "tells from samples."
    )
    rows = [
        {"scan": one.scan, "task": one.task, "of": one.method, "coverage90_blocks": one.coverage90_blocks}
        for one in known
    ]
    return Figure("blocks", "Coverage of means over blocks", caption, tuple(panels), (), rows)


def reliability_curve(found: Sequence[Uncertainty]) -> Figure | None:
    """Actual error against stated deviation in bins of it (Fortin et al. 2014)."""
    panels, rows = [], []
    for kind, name in KINDS:
        chosen = [one for one in found if one.method == kind and one.stated_deviation]
        if not chosen:
            continue
        largest = max(max(*one.stated_deviation, *one.actual_error) for one in chosen) * 1.05 or 1.0
        marks: list[Mark] = [Line(((0.0, 0.0), (largest, largest)), "rule", "right")]
        for one in chosen:
            points = tuple(zip(one.stated_deviation, one.actual_error, strict=True))
            marks.append(Line(points, f"{kind} faint", f"{one.scan}, {one.task}"))
            marks += [Dot(point, kind, f"{one.scan}, {one.task}") for point in points]
            rows += [
                {"scan": one.scan, "task": one.task, "of": kind, "stated_deviation": s, "actual_error": e}
                for s, e in points
            ]
        axes = Axis("stated deviation over R", 0.0, largest), Axis("actual error over R", 0.0, largest)
        panels.append(panel(name, *axes, marks))
    if not panels:
        return None
    caption = (
        "Actual error in ten bins of stated deviation, both root mean square, each line a case (Fortin et al. 2014). "
        "On the diagonal the stated deviation is right; above it the result is less certain than it says."
    )
    return Figure("reliability_curve", "Reliability curve", caption, tuple(panels), (), rows)


def _blend_axes(findings: Findings, task: str) -> tuple[Axis, Axis]:
    points = [p for p in findings.blend if p.task == task]
    others = _baseline_points(findings, task)
    ratios = [p.high_frequency_power_ratio for p in points] + [ratio for _, (ratio, _) in others] + [1.0]
    levels = [p.psnr_db for p in points] + [level for _, (_, level) in others]
    return axis_over(f"{SHARPNESS.label} (1: reference)", ratios), axis_over(PSNR.axis, levels)


def _blend_marks(findings: Findings, task: str) -> Iterator[Mark]:
    points = [p for p in findings.blend if p.task == task]
    yield Rule(1.0, "reference", upright=True)
    for scan in in_order(p.scan for p in points):
        line = sorted((p.blend, p.high_frequency_power_ratio, p.psnr_db) for p in points if p.scan == scan)
        yield Line(tuple((ratio, level) for _, ratio, level in line), "sample faint", scan)
    settings = sorted({p.blend for p in points})
    middle = [
        _middle((p.high_frequency_power_ratio, p.psnr_db) for p in points if p.blend == blend) for blend in settings
    ]
    yield Line(tuple(middle), "sample")
    yield Dot(middle[0], "mean big", f"blend {settings[0]:g}")
    yield Dot(middle[-1], "sample big", f"blend {settings[-1]:g}")
    for method, point in _baseline_points(findings, task):
        yield Dot(point, f"{method} big", method)


def _baseline_points(findings: Findings, task: str) -> list[tuple[str, Point]]:
    scores = [s for s in findings.scores if s.task == task]
    return [
        (method, _middle((s[SHARPNESS.name], s[PSNR.name]) for s in scores if s.method == method))
        for method in BASELINES
        if any(s.method == method for s in scores)
    ]


def _middle(points: Iterable[Point]) -> Point:
    across, up = zip(*points, strict=True)
    return median(across), median(up)


def _coverage_rows(chosen: Sequence[Uncertainty]) -> Iterator[dict[str, object]]:
    for one in chosen:
        for level, value in one.coverage.items():
            after = one.calibrated.get(level, math.nan)
            known = {"scan": one.scan, "task": one.task, "of": one.method, "level": level}
            yield {**known, "stated": value, "calibrated": after}
