"""The acceptance sheet as a page of the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.io import files
from medsr.report.blocks import Cell, Table, number
from medsr.report.pages import rendered
from medsr.report.text import NOTHING
from medsr.validation.acceptance import Acceptance, SheetRow
from medsr.validation.criteria import MEASURES

ACCEPTANCE_PAGE = "acceptance.html"
CRITERIA = "acceptance.toml"
LOOKS = {"pass": "good", "fail": "bad", "not measured": "soft"}
NOTE = (
    "The unit is the subject: scans of one subject are averaged first. In brackets the 95 % interval: of a share the "
    "exact one (Clopper and Pearson), else by bootstrap. p: Wilcoxon signed rank, two-sided; not corrected for the "
    "number of lines, because a result is accepted only if every line passes. A line passes by its result; the "
    "interval says how surely. What was not measured is not passed."
)


def write_acceptance(acceptance: Acceptance, folder: Path) -> None:
    """Write the page of a sheet, and its criteria beside it; nothing where the sheet has no lines.

    Raises:
        OutputError: a file can't be written.
    """
    if not acceptance.rows:
        return
    page = rendered(
        "acceptance.html.j2",
        summary=acceptance.summary,
        look="good" if all(row.outcome == "pass" for row in acceptance.rows) else "bad",
        sheet=acceptance_table(acceptance.rows),
        criteria=CRITERIA,
    )
    for name, content in ((ACCEPTANCE_PAGE, page), (CRITERIA, acceptance.criteria.encode())):
        with files.atomic(folder / name) as file:
            file.write(content)


def acceptance_table(rows: Sequence[SheetRow]) -> Table:
    """One row for each criterion and task."""
    heads = ("outcome", "criterion", "task", "result", "n", "p", "limit", "why", "source of the limit")
    cells = tuple(
        (
            Cell(row.outcome, look=LOOKS[row.outcome]),
            Cell(row.text),
            Cell(row.task),
            Cell(_result(row)),
            number(row.n, "{:.0f}"),
            number(row.p, "{:.3g}"),
            Cell(row.limit),
            Cell(row.note or NOTHING),
            Cell(row.source),
        )
        for row in rows
    )
    return Table("Acceptance sheet", heads, cells, NOTE, "data/acceptance.csv")


def _result(row: SheetRow) -> str:
    """The statistic in words, with its interval."""
    if row.outcome == "not measured":
        return NOTHING
    measure = MEASURES[row.metric]
    gains = bool(row.against) and row.statistic in ("mean", "median")
    pattern = "{:.0%}" if row.statistic == "share" else "{:.3g}" if row.statistic == "ratio" else measure.pattern
    if gains:
        pattern = pattern.replace("{:", "{:+")
    unit = f" {measure.unit}" if measure.unit and row.statistic in ("mean", "median") else ""
    what = {
        "share": f"better than {row.against} in",
        "ratio": f"{row.method} over {row.against}",
        "mean": "mean gain" if gains else "mean",
        "median": "median gain" if gains else "median",
    }[row.statistic]
    ends = "" if row.low is None or row.high is None else f" [{pattern.format(row.low)}, {pattern.format(row.high)}]"
    return f"{what} {pattern.format(row.value)}{ends}{unit}"
