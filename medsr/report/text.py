"""Text tables, and numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

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
