"""The structures of the body in tables: all together, each by itself, and the cases that have none."""

from __future__ import annotations

from medsr.metrics.statistics import Interval
from medsr.report.blocks import Cell, Table, interval, number
from medsr.report.text import NOTHING, aligned
from medsr.validation.agreement import BEFORE, agreements, summaries
from medsr.validation.claims import volume_claims
from medsr.validation.findings import Findings

MANY_ROWS = 12
PERCENT, SIGNED, OVERLAP, MM = "{:.1f}", "{:+.1f}", "{:.3f}", "{:.2f}"


def anatomy_tables(findings: Findings) -> tuple[Table, ...]:
    """All structures together, each by itself, claims of volumes, and what could not be segmented or claimed.

    Nothing where nothing was asked for.
    """
    tables = (_together(findings), _each(findings), _claims(findings), _missing(findings), _unclaimed(findings))
    return tuple(table for table in tables if table.rows)


def anatomy_text(findings: Findings) -> str:
    """The same tables as aligned text."""
    return "\n\n".join(
        "\n".join(
            [table.title, aligned([table.heads, *([cell.text for cell in row] for row in table.rows)]), table.note]
        )
        for table in anatomy_tables(findings)
    )


def _together(findings: Findings) -> Table:
    heads = (
        "task",
        "of",
        "method",
        "subjects",
        "Dice",
        "volume error %",
        "surface mm",
        "surface 95 % mm",
        "error ratio",
    )
    rows = tuple(
        (
            *(Cell(text) for text in (one.task, one.part, one.method)),
            number(one.dice.n, "{:.0f}"),
            interval(one.dice, OVERLAP),
            interval(one.volume_error_percent, PERCENT),
            interval(one.surface_mm, MM),
            interval(one.surface95_mm, MM),
            _ratio(one.method, one.error_ratio),
        )
        for one in summaries(findings.structures, findings.subject_of, findings.seed)
    )
    note = (
        "The same instrument on the reference and on each result. Of each subject the mean over the structures, of the "
        "volume error the median of its size; then the median over subjects. Error ratio: volume error over that of "
        f"{BEFORE}, below 1 is a gain. The instrument errs about references too."
    )
    return Table("Structures of the body", heads, rows, note, "data/anatomy.csv")


def _each(findings: Findings) -> Table:
    heads = (
        *("task", "of", "structure", "method", "subjects", "reference ml", "Dice", "volume error %", "surface mm"),
        *("surface 95 % mm", "bias ml", "limits of agreement ml", "error ratio"),
    )
    found = agreements(findings.structures, findings.subject_of, findings.seed)
    order = {key: n for n, key in enumerate(dict.fromkeys((one.task, one.part, one.structure) for one in found))}
    rows = tuple(
        (
            *(Cell(text) for text in (one.task, one.part, one.structure, one.method)),
            number(one.volume_ml.n, "{:.0f}"),
            number(one.reference_ml, PERCENT),
            number(one.dice, OVERLAP),
            number(one.volume_error_percent, SIGNED),
            number(one.surface_mm, MM),
            number(one.surface95_mm, MM),
            number(one.volume_ml.bias, "{:+.2f}"),
            _limits(one.volume_ml.low, one.volume_ml.high),
            _ratio(one.method, one.error_ratio),
        )
        for one in sorted(found, key=lambda one: order[one.task, one.part, one.structure])
    )
    note = (
        "Medians over subjects. Bias and limits of agreement: mean of result minus reference, and 1.96 standard "
        "deviations to either side, which need 3 subjects."
    )
    return Table("Each structure", heads, rows, note, "data/structures.csv", filtered=len(rows) > MANY_ROWS)


def _missing(findings: Findings) -> Table:
    rows = tuple((Cell(one.scan), Cell(one.task), Cell(one.reason)) for one in findings.unsegmented)
    return Table("Not segmented", ("scan", "task", "why"), rows, "", "data/unsegmented.csv")


def _claims(findings: Findings) -> Table:
    rows = tuple(
        (
            *(Cell(text) for text in (one.scan, one.task, one.part, one.structure, one.said)),
            number(one.reference_ml),
            Cell(NOTHING if one.inside is None else "yes" if one.inside else "no"),
        )
        for one in volume_claims(findings.sampled, findings.subject_of)
    )
    note = (
        "Volume in the mean, and an interval from the spread of posterior samples, calibrated on all other subjects "
        "(split conformal). The level holds for one structure of a new subject that comes from where these do, on "
        "average over such subjects; not for a given subject, for all structures at once, or on another scanner. "
        "Subjects that calibrate each other can't check it: with one scan each, the share of them that lies inside is "
        "fixed by their number. Read how wide the intervals are."
    )
    heads = ("scan", "task", "of", "structure", "claim", "reference ml", "reference inside")
    return Table("Volumes with intervals", heads, rows, note, "data/claims.csv", filtered=len(rows) > MANY_ROWS)


def _unclaimed(findings: Findings) -> Table:
    rows = tuple((Cell(one.scan), Cell(one.task), Cell(one.reason)) for one in findings.unclaimed)
    return Table("Volumes without intervals", ("scan", "task", "why"), rows, "", "data/unclaimed.csv")


def _ratio(method: str, found: Interval) -> Cell:
    return Cell(NOTHING) if method == BEFORE else interval(found)


def _limits(low: float | None, high: float | None) -> Cell:
    return Cell(NOTHING) if low is None or high is None else Cell(f"{low:+.2f} to {high:+.2f}")
