"""Limits that a result must keep, such as `psnr>=30`, and the verdict on a table of measured rows.

A gate names a column of the rows. It holds for every row of its method (the mean, unless another is named) or, after
the word "median", for the median over subjects:

    psnr>=30    gain_over_ibp@thick5>=0.1    sample.ssim>0.8    median psnr>=32    coverage90 in [0.87,0.93]
    envelope==inside

Rows are plain dictionaries with "scan", "task", "method" and "subject" where they have one. A batch judges each case by
itself: a table of one row, made of its record and, where it has a reference, of what was measured against that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from medsr.errors import InputError, UsageError
from medsr.metrics.metric import suffix
from medsr.metrics.statistics import per_subject
from medsr.metrics.table import HEADLINE, METRICS
from medsr.record import Record

Scope = Literal["every", "median"]
Row = Mapping[str, object]

DEFAULT_METHOD = "mean"
EXAMPLES = "psnr>=30, median ssim>0.9, coverage90 in [0.87,0.93] or envelope==inside"
SUFFIXES = tuple(dict.fromkeys(suffix(metric.unit) for metric in METRICS if metric.unit))
"""Endings of columns, their units, that a gate may leave away."""

MAX_BYTES = 1 << 16
BY_REFERENCE = tuple(metric.name for metric in HEADLINE)
BY_RECORD = ("residual", "drift", "uncertainty_rms", "envelope", "calibrated")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_GATE = re.compile(
    r"(?:(?P<scope>median|every)\s+)?(?:(?P<method>[a-z]\w*)\.)?(?P<metric>[a-z]\w*)(?:@(?P<task>[\w-]+))?\s*"
    rf"(?:(?P<sign>>=|<=|>|<)\s*(?P<limit>{_NUMBER})"
    rf"|in\s*\[\s*(?P<low>{_NUMBER})\s*,\s*(?P<high>{_NUMBER})\s*\]"
    r"|==\s*(?P<word>[a-z]\w*))"
)
_COMMA = re.compile(r",(?![^\[]*\])")


@dataclass(frozen=True)
class Gate:
    """One limit.

    Attributes:
        text: Text as it was written.
        metric: Column of the rows, with or without its unit.
        low: Least value allowed.
        high: Largest value allowed.
        strict: Whether the limits themselves are refused.
        word: Text that the column must hold instead.
        method: Method of the rows that are looked at.
        task: Task of the rows that are looked at; None for all.
        scope: "every" row, or the "median" over subjects.
    """

    text: str
    metric: str
    low: float = -math.inf
    high: float = math.inf
    strict: bool = False
    word: str | None = None
    method: str = DEFAULT_METHOD
    task: str | None = None
    scope: Scope = "every"

    def allows(self, value: object) -> bool:
        """Whether a value passes; what was not measured does not."""
        if self.word is not None:
            return value == self.word
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return False
        return self.low < value < self.high if self.strict else self.low <= value <= self.high


@dataclass(frozen=True)
class Failure:
    """A row that a gate refuses; `scan` names the statistic where one over subjects fails, such as "median"."""

    scan: str
    task: str
    method: str
    value: float | str | None


@dataclass(frozen=True)
class Verdict:
    """What became of one gate.

    Attributes:
        gate: Gate as it was written.
        passed: Whether every value that was looked at lies within.
        checked: Number of values that were looked at; a gate that found none fails.
        failures: Rows that fail, in the order of the table.
    """

    gate: str
    passed: bool
    checked: int
    failures: tuple[Failure, ...] = field(default=())

    def __str__(self) -> str:
        if self.passed:
            return f"passed: {self.gate} ({self.checked} checked)"
        rows = "; ".join(f"{f.scan} {f.task} {f.method}: {_shown(f.value)}".replace("  ", " ") for f in self.failures)
        return f"FAILED: {self.gate} ({rows or 'nothing was measured'})"


def parse_gates(text: str) -> tuple[Gate, ...]:
    """Gates separated by commas or line ends; "#" starts a comment.

    Raises:
        UsageError: a part that is not a gate, or an empty range.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    parts = [part.strip() for line in lines for part in _COMMA.split(line)]
    return tuple(_parsed(part) for part in parts if part)


def read_gates(sources: Sequence[str]) -> tuple[Gate, ...]:
    """Gates as given on a command line: each source is a text of gates, or a file that holds one.

    Raises:
        InputError: a gate file that can't be read.
        UsageError: a part that is not a gate.
    """
    return tuple(gate for source in sources for gate in parse_gates(_text_of(source)))


def case_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """Gates that can judge one case of a batch by itself.

    Args:
        texts: Texts with one or several gates each.

    Raises:
        UsageError: a part that is not a gate, or one that looks at more than one case, or at what no case measures.
    """
    gates = tuple(gate for text in texts for gate in parse_gates(text))
    for gate in gates:
        if gate.scope == "median":
            raise UsageError(f"gate {gate.text!r}: a batch judges every case by itself; leave the median away")
        if gate.task is not None or gate.method != DEFAULT_METHOD:
            raise UsageError(f"gate {gate.text!r}: a batch knows neither tasks nor methods; name a measure alone")
    check_gates(gates, (*BY_REFERENCE, *BY_RECORD))
    return gates


def check_gates(gates: Sequence[Gate], columns: Iterable[str]) -> None:
    """Nothing where every gate is on one of these columns.

    Args:
        gates: Gates of `parse_gates`.
        columns: Columns that will be measured.

    Raises:
        UsageError: a gate on another column.
    """
    known = dict.fromkeys(columns)
    for gate in gates:
        _column(gate, known)


def judge(gates: Sequence[Gate], rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """The verdict of each gate on a table.

    Args:
        gates: Gates of `parse_gates`.
        rows: Rows of the table; those without a "method" count for every method.

    Raises:
        UsageError: a gate on a column that no row has.
    """
    return tuple(_verdict(gate, rows) for gate in gates)


def row_of(record: Record) -> dict[str, float | str | None]:
    """What a run record says of one result, for gates without a reference: `BY_RECORD`; drift either way is one."""
    return {
        "residual": record.residual,
        "drift": None if record.drift is None else abs(record.drift),
        "uncertainty_rms": record.uncertainty_rms,
        "envelope": record.envelope,
        "calibrated": "yes" if record.uncertainty.get("calibrated") else "no",
    }


def _verdict(gate: Gate, rows: Sequence[Row]) -> Verdict:
    column = _column(gate, dict.fromkeys(key for row in rows for key in row))
    chosen = [
        row
        for row in rows
        if row.get("method", gate.method) == gate.method and gate.task in (None, row.get("task")) and column in row
    ]
    if gate.scope == "median" and chosen:
        chosen = [_median_row(gate, column, chosen)]
    failures = tuple(
        Failure(str(row.get("scan", "")), str(row.get("task", "")), str(row.get("method", "")), _plain(row[column]))
        for row in chosen
        if not gate.allows(row[column])
    )
    return Verdict(gate.text, bool(chosen) and not failures, len(chosen), failures)


def _column(gate: Gate, known: Mapping[str, None]) -> str:
    for name in (gate.metric, *(gate.metric + ending for ending in SUFFIXES)):
        if name in known:
            return name
    raise UsageError(f"gate {gate.text!r}: nothing is called {gate.metric!r}; measured are {', '.join(known)}")


def _median_row(gate: Gate, column: str, rows: Sequence[Row]) -> Row:
    values = [_number(row[column]) for row in rows]
    if not all(math.isfinite(value) for value in values):  # a failed measurement must not vanish in a median
        return {"scan": "median", "task": gate.task or "", "method": gate.method, column: math.nan}
    subjects = [str(row.get("subject", row.get("scan", number))) for number, row in enumerate(rows)]
    value = median(per_subject(values, subjects).values())
    return {"scan": "median", "task": gate.task or "", "method": gate.method, column: value}


def _parsed(part: str) -> Gate:
    match = _GATE.fullmatch(part)
    if match is None:
        raise UsageError(f"gate {part!r} is not understood; expected something like {EXAMPLES}")
    found = match.groupdict()
    low, high, strict = -math.inf, math.inf, False
    if found["low"] is not None:
        low, high = float(found["low"]), float(found["high"])
    elif found["sign"] is not None:
        strict = found["sign"] in (">", "<")
        low, high = (float(found["limit"]), high) if ">" in found["sign"] else (low, float(found["limit"]))
    if low > high:
        raise UsageError(f"gate {part!r} allows nothing; write the smaller limit first")
    scope: Scope = "median" if found["scope"] == "median" else "every"
    if scope == "median" and found["word"] is not None:
        raise UsageError(f"gate {part!r}: words have no median; leave it away")
    method = found["method"] or DEFAULT_METHOD
    return Gate(part, found["metric"], low, high, strict, found["word"], method, found["task"], scope)


def _text_of(source: str) -> str:
    if _GATE.match(source) or not source.strip():
        return source
    path = Path(source)
    try:
        if not path.is_file():
            return source
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{source} is too large for a gate file; expected one gate a line")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: can't be read; expected a text file with one gate a line") from error


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _plain(value: object) -> float | str | None:
    return value if isinstance(value, int | float | str) else None


def _shown(value: float | str | None) -> str:
    if value is None or value != value:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)
