"""Plots of scores: one function a figure, numbers computed elsewhere; a figure without numbers is None."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TypeVar

import numpy as np
from markupsafe import Markup

from medsr.metrics.judged import Restoration
from medsr.metrics.metric import Metric
from medsr.metrics.statistics import Interval, interval_of_median, per_subject
from medsr.report.blocks import Figure
from medsr.report.svg import Axis, Dot, Line, Mark, Point, Rule, axis_over, look_of, panel
from medsr.validation.findings import Findings, Shells
from medsr.validation.methods import BAND_LIMITED, PLOTTED
from medsr.validation.scores import Score
from medsr.validation.subjects import Stratum

T = TypeVar("T")

ROW_HEIGHT = 22  # of a forest plot
MOST_ROWS = 24  # of one
BESIDE = 0.17  # of the distance of two methods: where the median stands
THRESHOLDS = ((0.5, "0.5"), (0.143, "0.143"))
LEAST_RESIDUAL = 1e-3


def paired(findings: Findings, metric: Metric[Restoration]) -> Figure | None:
    """Each case as a line over the methods, the median over subjects with its interval beside the dots."""
    name = metric.name
    methods = methods_of(findings.scores)
    if not methods:
        return None
    panels, rows = [], []
    for task in in_order(score.task for score in findings.scores):
        chosen = (s for s in findings.scores if s.task == task and s.method in methods)
        scores = [s for s in chosen if not math.isnan(s[name])]
        if not scores:
            continue
        values = [score[name] for score in scores]
        marks = [*_case_lines(scores, methods, name), *_medians(findings, scores, methods, name)]
        x = Axis("", -0.5, len(methods) - 0.5 + BESIDE, methods)
        panels.append(panel(task, x, axis_over(metric.axis, values), marks))
        rows += [{"scan": s.scan, "task": task, "method": s.method, name: s[name]} for s in scores]
    if not panels:
        return None
    caption = (
        "One line a case. The large mark is the median over subjects; the bar its 95 % bootstrap interval, which needs "
        "at least 3 subjects. Compare along a line: cases differ far more than methods."
    )
    return Figure(f"paired_{name}", f"{metric.label} of every case", caption, tuple(panels), legend(methods), rows)


def forest(strata: Sequence[Stratum]) -> Figure | None:
    """Gain of each part of the subjects with its interval."""
    if not strata:
        return None
    panels = []
    for by in in_order(one.by for one in strata):
        of_one = [s for s in strata if s.by == by]
        panels += [_forest_panel(by, of_one[n : n + MOST_ROWS]) for n in range(0, len(of_one), MOST_ROWS)]
    rows = [
        {**{k: getattr(s, k) for k in ("task", "method", "baseline", "by", "value")}, **asdict(s.gain_db)}
        for s in strata
    ]
    first = strata[0]
    caption = (
        f"Median gain of {first.method} over {first.baseline} in PSNR of the interior within each part of the "
        "subjects, its 95 % bootstrap interval and, in brackets, the number of subjects. Few subjects make wide or no "
        "intervals."
    )
    return Figure("strata", "Where the gain comes from", caption, tuple(panels), (), rows)


def shells(found: Sequence[Shells]) -> Figure | None:
    """Correlation with the reference by frequency, median over cases, along each degraded axis."""
    if not found:
        return None
    panels = []
    for task, axis in in_order((one.task, one.axis) for one in found):
        of_one = [one for one in found if (one.task, one.axis) == (task, axis)]
        marks: list[Mark] = [Rule(value, name) for value, name in THRESHOLDS]
        for method in in_order(one.method for one in of_one):
            chosen = [one for one in of_one if one.method == method]
            points = median_curve([list(zip(one.per_mm, one.correlation, strict=True)) for one in chosen])
            marks.append(Line(points, look_of(method), f"{method}: 0.5 at {_cut_off(points)}"))
        highest = max((one.per_mm[-1] for one in of_one if one.per_mm), default=1.0)
        x, y = Axis("frequency in cycles per mm", 0.0, highest), Axis("correlation", -0.1, 1.05)
        panels.append(panel(f"{task}, along {axis}: {_cut_offs(of_one)}", x, y, marks))
    rows = [
        {"scan": s.scan, "task": s.task, "method": s.method, "axis": s.axis, "per_mm": k, "correlation": c}
        for s in found
        for k, c in zip(s.per_mm, s.correlation, strict=True)
    ]
    methods = in_order(one.method for one in found)
    caption = (
        "Fourier shell correlation with the reference, median over cases. Half a wavelength where it falls below 0.5 "
        "is the smallest detail that agrees, written above in mm; errors at low frequencies hardly show here."
    )
    return Figure("shells", "Detail that agrees", caption, tuple(panels), legend(methods), rows)


def residual(findings: Findings) -> Figure | None:
    """Scan minus degraded result in units of the scan's noise, on a scale of powers of ten."""
    methods = methods_of(findings.scores)
    if not methods:
        return None
    panels, rows = [], []
    for task in in_order(score.task for score in findings.scores):
        scores = [s for s in findings.scores if s.task == task and s.method in methods]
        marks: list[Mark] = [Rule(0.0)]
        places = _spread_out([s.method for s in scores], methods)
        heights = [math.log10(max(s["residual"], LEAST_RESIDUAL)) for s in scores]
        marks += [
            Dot((place, height), look_of(s.method), f"{s.scan}: {s['residual']:.3g}")
            for place, height, s in zip(places, heights, scores, strict=True)
        ]
        y = replace(axis_over("residual over noise", [-2.0, 1.0, *heights]), powers=True)
        panels.append(panel(task, Axis("", -0.5, len(methods) - 0.5, methods), y, marks))
        rows += [{"scan": s.scan, "task": task, "method": s.method, "residual": s["residual"]} for s in scores]
    caption = (
        "Near 1 (dashed) a result agrees with the scan up to its noise, far below it fits the noise too, which is "
        "right for a scan without any; above 1.3 it contradicts what was measured. "
        f"Values below {LEAST_RESIDUAL:g} are drawn there."
    )
    return Figure("residual", "Agreement with the scan", caption, tuple(panels), legend(methods), rows)


def legend(methods: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Class and word of each method."""
    return tuple((look_of(method), method) for method in methods)


def median_curve(curves: Sequence[Sequence[Point]]) -> tuple[Point, ...]:
    """Median over curves at the places of the longest one, each read by interpolation within its own reach."""
    if not curves:
        return ()
    places = [x for x, _ in max(curves, key=lambda curve: curve[-1][0])]
    read = np.array(
        [np.interp(places, [x for x, _ in c], [y for _, y in c], left=math.nan, right=math.nan) for c in curves]
    )
    return tuple((x, float(np.nanmedian(read[:, n]))) for n, x in enumerate(places) if np.isfinite(read[:, n]).any())


def in_order(values: Iterable[T]) -> tuple[T, ...]:
    """Different values, in order of appearance."""
    return tuple(dict.fromkeys(values))


def methods_of(scores: Sequence[Score]) -> tuple[str, ...]:
    """What is drawn: cubic, ibp, mean, sample and fused where they were run, else all methods but the ceiling."""
    names = in_order(score.method for score in scores)
    return tuple(name for name in PLOTTED if name in names) or tuple(name for name in names if name != BAND_LIMITED)


def _case_lines(scores: Sequence[Score], methods: Sequence[str], metric: str) -> Iterator[Mark]:
    for scan in in_order(score.scan for score in scores):
        at = {s.method: s[metric] for s in scores if s.scan == scan}
        points = tuple((float(number), at[name]) for number, name in enumerate(methods) if name in at)
        yield Line(points, "case faint", scan)
        for number, name in enumerate(methods):
            if name in at:
                yield Dot((float(number), at[name]), look_of(name), f"{scan}, {name}: {at[name]:.4g}")


def _medians(findings: Findings, scores: Sequence[Score], methods: Sequence[str], metric: str) -> Iterator[Mark]:
    for number, name in enumerate(methods):
        chosen = [s for s in scores if s.method == name]
        values = per_subject([s[metric] for s in chosen], [findings.subject_of(s.scan) for s in chosen])
        yield from _interval_marks(number + BESIDE, interval_of_median(list(values.values())), look_of(name), name)


def _interval_marks(x: float, found: Interval, look: str, name: str) -> Iterator[Mark]:
    if found.low is not None and found.high is not None:
        yield Line(((x, found.low), (x, found.high)), f"{look} interval")
    yield Dot((x, found.median), f"{look} big", f"{name}: median {found.median:.4g} over {found.n} subjects")


def _forest_panel(by: str, strata: Sequence[Stratum]) -> Markup:
    marks: list[Mark] = [Rule(0.0, "", upright=True)]
    values = [0.0]
    for number, one in enumerate(strata):
        gain = one.gain_db
        if gain.low is not None and gain.high is not None:
            marks.append(Line(((gain.low, number), (gain.high, number)), "mean interval"))
            values += [gain.low, gain.high]
        marks.append(Dot((gain.median, number), "mean big", f"{gain.median:+.2f} dB"))
        values.append(gain.median)
    names = tuple(_short(f"{s.task}, {s.value} ({s.gain_db.n})") for s in strata)
    y = Axis("", -0.7, len(strata) - 0.3, names)
    height = ROW_HEIGHT * len(strata) + 80
    return panel(f"by {_short(by)}", axis_over("gain in dB", values), y, marks, height=height, left=150)


def _cut_offs(found: Sequence[Shells]) -> str:
    parts = []
    for method in in_order(one.method for one in found):
        curves = [list(zip(one.per_mm, one.correlation, strict=True)) for one in found if one.method == method]
        if method in ("ibp", "mean"):
            parts.append(f"{method} {_cut_off(median_curve(curves))}")
    return ", ".join(parts) or "median"


def _cut_off(points: Sequence[Point]) -> str:
    """Smallest detail that agrees: half a wavelength where the curve falls below 0.5."""
    last = None
    for frequency, value in points:
        if value < 0.5:
            if last is None:
                break
            crossing = last[0] + (frequency - last[0]) * (last[1] - 0.5) / (last[1] - value)
            return f"{1 / (2 * crossing):.2f} mm"
        last = (frequency, value)
    return "none" if last is None or not last[0] else f"{1 / (2 * last[0]):.2f} mm"


def _spread_out(names: Sequence[str], methods: Sequence[str]) -> list[float]:
    """Places on an axis of methods: dots of one method side by side, in their order."""
    counts = dict.fromkeys(methods, 0)
    places = []
    for name in names:
        total = max(1, names.count(name) - 1)
        places.append(methods.index(name) + 0.5 * (counts[name] / total - 0.5) * (names.count(name) > 1))
        counts[name] += 1
    return places


def _short(text: str, most: int = 26) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
