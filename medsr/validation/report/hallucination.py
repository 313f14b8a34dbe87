"""What super-resolution did wrong: planted lesions, invented blobs, tissue volumes, part of the prior, stability."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from markupsafe import Markup

from medsr.report.blocks import Cell, Figure, Table, number
from medsr.report.svg import Axis, Dot, Line, Mark, Rule, axis_over, look_of, panel
from medsr.validation.hallucination import Harm
from medsr.validation.report.plots import legend


def harm_figures(harms: Sequence[Harm]) -> tuple[Figure, ...]:
    """Lesions recovered and blobs invented, by size; nothing where no harm was looked for."""
    found = (_lesions(harms), _blobs(harms)) if harms else ()
    return tuple(figure for figure in found if figure is not None)


def harm_tables(harms: Sequence[Harm]) -> tuple[Table, ...]:
    """Part of the prior, patches, stability; and tissue volumes."""
    return (_steadiness(harms), _tissues(harms)) if harms else ()


def _lesions(harms: Sequence[Harm]) -> Figure | None:
    rows = [
        {
            **{"scan": harm.scan, "task": harm.task, "method": harm.method},
            **{"diameter_mm": one.diameter_mm, "contrast": one.contrast, "lesions": one.n, "recovered": one.recovered},
            **{"least": one.least, "total": one.total, "visible": one.visible, "auroc": one.auroc},
        }
        for harm in harms
        for one in harm.lesions
    ]
    if not rows:
        return None
    panels = _by_task(
        harms,
        lambda harm: [(one.diameter_mm, one.recovered) for one in harm.lesions],
        ("share of contrast recovered", "{:.2f}", 1.1),
        Rule(1.0, "planted"),
    )
    caption = (
        "Soft balls were planted in the reference before it was degraded. Median share of their contrast that the "
        "result shows, over places and contrasts: below 1 they fade, above 1 they are exaggerated."
    )
    return Figure("lesions", "Planted lesions", caption, panels, legend(_methods(harms)), rows)


def _blobs(harms: Sequence[Harm]) -> Figure | None:
    rows = [
        {
            **{"scan": harm.scan, "task": harm.task, "method": harm.method, "diameter_mm": one.diameter_mm},
            **{"false_per_litre": one.per_litre, "reference_per_litre": one.reference_per_litre},
        }
        for harm in harms
        for one in harm.false_lesions
    ]
    if not rows:
        return None
    panels = _by_task(
        harms,
        lambda harm: [(one.diameter_mm, one.per_litre) for one in harm.false_lesions],
        ("false blobs per litre", "{:.0f}", 1.0),
    )
    caption = (
        "Blobs stronger than 99 % of the reference's own answers where the reference has not half as much. Median over "
        "scans; the reference's own number stands in the data."
    )
    return Figure("blobs", "Invented blobs", caption, panels, legend(_methods(harms)), rows)


def _by_task(
    harms: Sequence[Harm],
    points_of: Callable[[Harm], list[tuple[float, float]]],
    scale: tuple[str, str, float],
    *rules: Mark,
) -> tuple[Markup, ...]:
    """A panel for each task: a line for each method over the diameter, the median at each.

    Args:
        harms: of all tasks and methods.
        points_of: diameter in mm and value.
        scale: of the values: label, format, and what it reaches to at least.
        rules: drawn beneath.
    """
    label, form, reach = scale
    panels = []
    for task in dict.fromkeys(harm.task for harm in harms):
        marks = list(rules)
        values = [0.0, reach]
        for method in _methods(harms):
            points = _by_size(p for h in harms if (h.task, h.method) == (task, method) for p in points_of(h))
            values += [value for _, value in points]
            marks.append(Line(points, look_of(method), method))
            marks += [Dot(point, look_of(method), f"{method}: {form.format(point[1])}") for point in points]
        panels.append(panel(task, Axis("diameter in mm", 1.0, 9.0), axis_over(label, values), marks))
    return tuple(panels)


def _methods(harms: Sequence[Harm]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(harm.method for harm in harms))


def _steadiness(harms: Sequence[Harm]) -> Table:
    heads = (
        *("scan", "task", "method", "prior: energy", "prior: correlation", "prior: share", "unseen lesion: response"),
        *("patches flagged", "of", "noise gain", "shift change", "flip change"),
    )
    rows = tuple(
        (
            *(Cell(text) for text in (harm.scan, harm.task, harm.method)),
            number(harm.prior.energy),
            number(harm.prior.correlation),
            number(harm.prior.share),
            number(None if harm.null_lesion is None else harm.null_lesion.response, "{:+.4f}"),
            number(harm.flagged, "{:.0f}"),
            number(harm.patches, "{:.0f}"),
            number(harm.stability.noise_gain),
            number(harm.stability.shift_change, "{:.4f}"),
            number(harm.stability.flip_change, "{:.4f}"),
        )
        for harm in harms
    )
    note = (
        "Prior: the part that the scan did not measure. Energy below 1 is blurred, about 1 a likely draw, above 1 too "
        "much; energy without correlation is invention. Response to lesions that no scanner sees: 0 is honest. "
        "Flagged: patches that contradict the reference in the measured band."
    )
    return Table("Prior, unseen lesions, stability", heads, rows, note, "data/harm.csv", filtered=len(rows) > 12)


def _tissues(harms: Sequence[Harm]) -> Table:
    rows = tuple(
        (
            *(Cell(text) for text in (harm.scan, harm.task, harm.method, one.tissue)),
            number(one.reference_ml, "{:.1f}"),
            number(one.bias_percent, "{:+.1f}"),
            number(one.dice, "{:.3f}"),
        )
        for harm in harms
        for one in harm.tissues
    )
    heads = ("scan", "task", "method", "tissue", "reference ml", "bias %", "Dice")
    note = "A simple segmentation by thresholds of the reference: what a volume measured on the result would be off by."
    return Table("Tissue volumes", heads, rows, note, "data/tissues.csv", filtered=len(rows) > 12)


def _by_size(found: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    pairs = [(size, value) for size, value in found if math.isfinite(value)]
    return tuple((size, median(v for s, v in pairs if s == size)) for size in sorted({size for size, _ in pairs}))
