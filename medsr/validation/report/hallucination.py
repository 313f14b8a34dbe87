"""What super-resolution did wrong: lesions, patterns, invented blobs, tissue volumes, part of the prior, stability."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from markupsafe import Markup

from medsr.report.blocks import Cell, Figure, Table, number
from medsr.report.svg import Axis, Dot, Line, Mark, Rule, axis_over, look_of, panel
from medsr.validation.hallucination import HallucinationTests
from medsr.validation.lesions import summarised
from medsr.validation.report.plots import legend


def hallucination_figures(hallucination: Sequence[HallucinationTests]) -> tuple[Figure, ...]:
    """Lesions recovered and blobs invented, by size; nothing where none were run."""
    found = (_lesions(hallucination), _blobs(hallucination)) if hallucination else ()
    return tuple(figure for figure in found if figure is not None)


def hallucination_tables(hallucination: Sequence[HallucinationTests]) -> tuple[Table, ...]:
    """Planted lesions; patterns; part of the prior, patches and stability; tissue volumes."""
    tables = (_lesion_table, _patterns, _steadiness, _tissues)
    return tuple(table(hallucination) for table in tables) if hallucination else ()


def _lesions(hallucination: Sequence[HallucinationTests]) -> Figure | None:
    rows = [
        {
            **{"scan": tests.scan, "task": tests.task, "method": tests.method},
            **{"shape": one.shape, "diameter_mm": one.diameter_mm, "contrast": one.contrast, "lesions": one.n},
            **{"recovered": one.recovered, "least": one.least, "total": one.total, "visible": one.visible},
            **{"auroc": one.auroc, "cubic": one.cubic, "worse_than_cubic": one.worse_than_cubic},
        }
        for tests in hallucination
        for one in tests.lesions
    ]
    if not rows:
        return None
    panels = _by_task(
        hallucination,
        lambda tests: [(one.diameter_mm, one.recovered) for one in tests.lesions],
        ("share of contrast recovered", "{:.2f}", 1.1),
        Rule(1.0, "planted"),
    )
    caption = (
        "Soft balls, discs and rods were planted in the reference before it was degraded. Median share of their "
        "contrast that the result shows, over places, shapes and contrasts: below 1 they fade, above 1 they are "
        "exaggerated. Of 4 to 10 mm, nodules in the lung of CTs are among them."
    )
    return Figure("lesions", "Planted lesions", caption, panels, legend(_methods(hallucination)), rows)


def _lesion_table(hallucination: Sequence[HallucinationTests]) -> Table:
    rows = tuple(
        (
            *(Cell(text) for text in (tests.scan, tests.task, tests.method, one.shape)),
            number(one.diameter_mm, "{:g}"),
            number(one.n, "{:.0f}"),
            number(one.recovered),
            number(one.least),
            number(one.cubic),
            number(one.worse_than_cubic, "{:.0f}"),
        )
        for tests in hallucination
        for one in summarised(tests.lesions)
    )
    heads = ("scan", "task", "method", "shape", "mm", "lesions", "recovered", "worst", "in cubic", "worse than cubic")
    note = (
        "Share of the contrast in the core of planted lesions: median, and that of the worst one. Worse than cubic: "
        "lesions whose contrast is clearly nearer to the truth in cubic interpolation. Discs are thin along the "
        "slices' axis; all of one size have the same volume. Nodules are balls of soft tissue in the lung of a CT, "
        "centred on a slice or midway between two."
    )
    return Table("Planted lesions", heads, rows, note, "data/lesions_by_shape.csv", filtered=len(rows) > 12)


def _blobs(hallucination: Sequence[HallucinationTests]) -> Figure | None:
    rows = [
        {
            **{"scan": tests.scan, "task": tests.task, "method": tests.method, "diameter_mm": one.diameter_mm},
            **{"false_per_litre": one.per_litre, "reference_per_litre": one.reference_per_litre},
        }
        for tests in hallucination
        for one in tests.false_lesions
    ]
    if not rows:
        return None
    panels = _by_task(
        hallucination,
        lambda tests: [(one.diameter_mm, one.per_litre) for one in tests.false_lesions],
        ("false blobs per litre", "{:.0f}", 1.0),
    )
    caption = (
        "Blobs stronger than 99 % of the reference's own answers where the reference has not half as much. Median over "
        "scans; the reference's own number stands in the data."
    )
    return Figure("blobs", "Invented blobs", caption, panels, legend(_methods(hallucination)), rows)


def _by_task(
    hallucination: Sequence[HallucinationTests],
    points_of: Callable[[HallucinationTests], list[tuple[float, float]]],
    scale: tuple[str, str, float],
    *rules: Mark,
) -> tuple[Markup, ...]:
    """A panel for each task: a line for each method over the diameter, the median at each.

    Args:
        hallucination: Tests of all tasks and methods.
        points_of: Function that gives diameters in mm and values.
        scale: Label of the values, their format, and the least value that the axis reaches.
        rules: Marks drawn beneath.
    """
    label, form, reach = scale
    panels = []
    for task in dict.fromkeys(tests.task for tests in hallucination):
        marks = list(rules)
        values = [0.0, reach]
        for method in _methods(hallucination):
            points = _by_size(p for h in hallucination if (h.task, h.method) == (task, method) for p in points_of(h))
            values += [value for _, value in points]
            marks.append(Line(points, look_of(method), method))
            marks += [Dot(point, look_of(method), f"{method}: {form.format(point[1])}") for point in points]
        panels.append(panel(task, Axis("diameter in mm", 1.0, 11.0), axis_over(label, values), marks))
    return tuple(panels)


def _methods(hallucination: Sequence[HallucinationTests]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tests.method for tests in hallucination))


def _steadiness(hallucination: Sequence[HallucinationTests]) -> Table:
    heads = (
        *("scan", "task", "method", "prior: energy", "prior: correlation", "prior: share", "unseen lesion: response"),
        *("patches flagged", "of", "noise gain", "shift change", "flip change"),
    )
    rows = tuple(
        (
            *(Cell(text) for text in (tests.scan, tests.task, tests.method)),
            number(tests.prior.energy),
            number(tests.prior.correlation),
            number(tests.prior.share),
            number(None if tests.null_lesion is None else tests.null_lesion.response, "{:+.4f}"),
            number(tests.flagged, "{:.0f}"),
            number(tests.patches, "{:.0f}"),
            number(tests.stability.noise_gain),
            number(tests.stability.shift_change, "{:.4f}"),
            number(tests.stability.flip_change, "{:.4f}"),
        )
        for tests in hallucination
    )
    note = (
        "Prior: the part that the scan did not measure. Energy below 1 is blurred, about 1 a likely sample, above 1 "
        "too much; energy without correlation is invention. Response to lesions that no scanner sees: 0 is honest. "
        "Flagged: patches that contradict the reference in the measured band."
    )
    return Table(
        "Prior, unseen lesions, stability", heads, rows, note, "data/hallucination.csv", filtered=len(rows) > 12
    )


def _patterns(hallucination: Sequence[HallucinationTests]) -> Table:
    rows = tuple(
        (
            *(Cell(text) for text in (tests.scan, tests.task, tests.method, one.pattern)),
            number(one.size_mm, "{:.3g}"),
            number(one.error),
            number(one.cubic_error),
            Cell("yes" if one.worse_than_cubic else "no"),
            number(one.overshoot),
            number(one.added, "{:+.2f}"),
        )
        for tests in hallucination
        for one in tests.patterns
    )
    heads = (
        *("scan", "task", "method", "pattern", "mm", "error", "cubic's error", "worse than cubic", "overshoot"),
        "truth of what is added",
    )
    note = (
        "Bars, crosses and a letter in the intensities of the scan, which are no anatomy. Errors and overshoot are "
        "over the contrast of the pattern. Truth of what is added: correlation of what the method adds to the IBP "
        "estimate with what is missing there; below 0 it is worse than nothing."
    )
    return Table("Patterns", heads, rows, note, "data/patterns.csv", filtered=len(rows) > 12)


def _tissues(hallucination: Sequence[HallucinationTests]) -> Table:
    rows = tuple(
        (
            *(Cell(text) for text in (tests.scan, tests.task, tests.method, one.tissue)),
            number(one.reference_ml, "{:.1f}"),
            number(one.bias_percent, "{:+.1f}"),
            number(one.dice, "{:.3f}"),
        )
        for tests in hallucination
        for one in tests.tissues
    )
    heads = ("scan", "task", "method", "tissue", "reference ml", "bias %", "Dice")
    note = "A simple segmentation by thresholds of the reference: what a volume measured on the result would be off by."
    return Table("Tissue volumes", heads, rows, note, "data/tissues.csv", filtered=len(rows) > 12)


def _by_size(found: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    pairs = [(size, value) for size, value in found if math.isfinite(value)]
    return tuple((size, median(v for s, v in pairs if s == size)) for size in sorted({size for size, _ in pairs}))
