"""Text tables, numbers in them, and the place of a table in a page."""

from __future__ import annotations

from collections.abc import Sequence

from medsr.errors import InputError

NOTHING = "–"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(w) if column == 0 else cell.rjust(w)
            for column, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def digits(value: object, pattern: str) -> str:
    """A number; a dash where it was not measured, which NaN says."""
    return NOTHING if value != value else pattern.format(value)


def written_between(page: str, begin: str, end: str, content: str) -> str:
    """The page with other content between two lines.

    Args:
        page: Text with both lines.
        begin: The line before the content.
        end: The line after it.
        content: Content that ends with a line break.

    Raises:
        InputError: The two lines are not there.
    """
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise InputError(f"the page has no place for the table; expected the lines {begin} and {end}")
    return f"{before}{begin}\n{content}{end}{after}"
