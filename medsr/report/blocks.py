"""What a page is made of: tables whose cells sort, and figures that can be read again as CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from medsr.metrics.statistics import Interval
from medsr.report.text import NOTHING


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it shows.
        value: Number that it sorts by; None where it is not a number.
        link: Address that it leads to; "" for none.
        look: Class of the style sheet; "" for none.
    """

    text: str
    value: float | None = None
    link: str = ""
    look: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: Caption.
        heads: Heads of the columns.
        rows: Cells, as many in each row as there are heads.
        note: Text below the table.
        csv: Name of the file with its numbers; "" for none.
        filtered: Whether the page offers a field to filter its rows.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    csv: str = ""
    filtered: bool = False

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, with gaps at most."""
        cells = [row[column] for row in self.rows]
        return any(cell.value is not None for cell in cells) and all(
            cell.value is not None or cell.text == NOTHING for cell in cells
        )


@dataclass(frozen=True)
class Figure:
    """A figure of one or more plots over the same numbers.

    Attributes:
        name: Name of the file with its numbers, without the suffix.
        title: Text above the figure.
        caption: How to read it.
        panels: Plots from `svg.panel`.
        legend: Classes of the style sheet and what they stand for.
        rows: Numbers of the figure.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Markup, ...]
    legend: tuple[tuple[str, str], ...]
    rows: Sequence[Mapping[str, object]]


def number(value: float | None, pattern: str = "{:.2f}") -> Cell:
    """A number; a dash where it is not known or not finite."""
    if value is None or not math.isfinite(value):
        return Cell(NOTHING)
    return Cell(_written(value, pattern), float(value))


def interval(found: Interval, pattern: str = "{:.2f}") -> Cell:
    """A median and, where there are subjects enough, its interval; sorts by the median."""
    if not math.isfinite(found.median):
        return Cell(NOTHING)
    text = _written(found.median, pattern)
    if found.low is not None and found.high is not None:
        text += f" [{_written(found.low, pattern)}, {_written(found.high, pattern)}]"
    return Cell(text, found.median)


def _written(value: float, pattern: str) -> str:
    """A number, without a sign where what is left of it is zero."""
    text = pattern.format(value)
    return text if any(sign in "123456789" for sign in text) else text.lstrip("+-")
