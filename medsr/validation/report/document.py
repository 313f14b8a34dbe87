"""A validation as files for machines: JSON and its schema, CSV of every table and figure, JUnit XML of the gates."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, make_dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from medsr.io import files
from medsr.metrics.gates import Verdict
from medsr.metrics.table import HEADLINE, INTERIOR, WHOLE
from medsr.record import NOTICE
from medsr.report.blocks import Cell, Figure, Table
from medsr.report.junit import JUnitCase, write_junit
from medsr.validation.acceptance import SheetRow
from medsr.validation.agreement import Agreement, AnatomySummary
from medsr.validation.claims import SampledStructure, Unclaimed, VolumeClaim
from medsr.validation.findings import Findings
from medsr.validation.gains import GAINS, RANGE, gain_column
from medsr.validation.hallucination import HallucinationTests
from medsr.validation.methods import BASELINES
from medsr.validation.report.export import finite
from medsr.validation.scores import (
    BlendPoint,
    Case,
    PairFit,
    ScoreRow,
    Shells,
    StructureScore,
    Uncertainty,
    Unmeasured,
    Unsegmented,
)
from medsr.validation.subjects import Comparison, Stratum

SCHEMA = 3  # 1 had no parts of the mask, 2 not the brain
DIALECT = "https://json-schema.org/draft/2020-12/schema"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


GainRow = make_dataclass(
    "ScoreRow", [(gain_column(name, one), float) for name in BASELINES for one in GAINS], bases=(ScoreRow,)
)
"""A score with its gains."""

MedianRow = make_dataclass(
    "MedianRow",
    [
        *(("task", str), ("method", str), ("scans", int)),
        *((metric.name, float) for metric in HEADLINE),
        *((name, float) for name in (gain_column("ibp", INTERIOR), *RANGE)),
        (gain_column("ibp", WHOLE), float),
    ],
)
"""Medians of one method under one task."""


@dataclass(frozen=True)
class Place:
    """A scan under a task."""

    scan: str
    task: str


@dataclass(frozen=True)
class Document:
    """The layout of validation.json; null stands for numbers that are not finite."""

    schema: int
    notice: str
    convention: str
    model: dict[str, str]
    seed: int
    scores: tuple[GainRow, ...]  # type: ignore[valid-type]  # columns come from the table of metrics
    medians: tuple[MedianRow, ...]  # type: ignore[valid-type]
    cases: tuple[Case, ...]
    uncertainties: tuple[Uncertainty, ...]
    blend: tuple[BlendPoint, ...]
    shells: tuple[Shells, ...]
    fits: tuple[PairFit, ...]
    unmeasured: tuple[Unmeasured, ...]
    structures: tuple[StructureScore, ...]
    unsegmented: tuple[Unsegmented, ...]
    sampled: tuple[SampledStructure, ...]
    unclaimed: tuple[Unclaimed, ...]
    claims: tuple[VolumeClaim, ...]
    anatomy: tuple[AnatomySummary, ...]
    agreements: tuple[Agreement, ...]
    comparisons: tuple[Comparison, ...]
    strata: tuple[Stratum, ...]
    worst_first: tuple[Place, ...]
    hallucination: tuple[HallucinationTests, ...]
    verdicts: tuple[Verdict, ...]
    acceptance: tuple[SheetRow, ...]
    record: dict[str, Any]


def write_document(
    path: Path,
    findings: Findings,
    hallucination: Sequence[HallucinationTests],
    verdicts: Sequence[Verdict],
    acceptance: Sequence[SheetRow],
    record: Mapping[str, object],
) -> None:
    """Write validation.json, as `Document` lays it out.

    Raises:
        OutputError: the file can't be written.
    """
    content = {
        "schema": SCHEMA,
        "notice": NOTICE,
        **findings.as_dict(),
        "hallucination": [tests.as_dict() for tests in hallucination],
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "acceptance": [asdict(row) for row in acceptance],
        "record": dict(record),
    }
    _write(path, json.dumps(finite(content), indent=1) + "\n")


def write_schema(path: Path) -> None:
    """Write the JSON schema of validation.json.

    Raises:
        OutputError: the file can't be written.
    """
    _write(path, json.dumps(schema(), indent=1) + "\n")


def schema() -> dict[str, Any]:
    """The JSON schema of `Document`."""
    found = TypeAdapter(Document).json_schema(schema_generator=_Nullable, mode="serialization")
    return {"$schema": DIALECT, "title": "medsr validation", **{k: v for k, v in found.items() if k != "title"}}


def write_table(path: Path, table: Table) -> None:
    """Write the cells of a table as CSV: numbers in full, and words.

    Raises:
        OutputError: the file can't be written.
    """
    heads = [head or "." for head in table.heads]
    write_rows(path, [dict(zip(heads, (_plain(cell) for cell in row), strict=True)) for row in table.rows], heads)


def write_figure(path: Path, figure: Figure) -> None:
    """Write the numbers of a figure as CSV.

    Raises:
        OutputError: the file can't be written.
    """
    write_rows(path, figure.rows, list(figure.rows[0]) if figure.rows else ["scan"])


def write_rows(path: Path, rows: Sequence[Mapping[str, object]], heads: Sequence[str]) -> None:
    """Write rows as CSV that a spreadsheet shows and never runs.

    Raises:
        OutputError: the file can't be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=heads)
    writer.writeheader()
    writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    _write(path, text.getvalue())


def write_gates(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write JUnit XML with a test case for each gate; its failing rows are the failure's text.

    Raises:
        OutputError: the file can't be written.
    """
    write_junit(path, "medsr validate", "medsr.metrics.gates", map(_gate, verdicts))


class _Nullable(GenerateJsonSchema):
    """JSON has no NaN and no infinity."""

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"type": ["number", "null"]}


def _plain(cell: Cell) -> object:
    return cell.text if cell.value is None else cell.value


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _gate(verdict: Verdict) -> JUnitCase:
    if verdict.passed:
        return JUnitCase(verdict.gate)
    counted = f"{len(verdict.failures)} of {verdict.checked} values fail" if verdict.checked else "nothing was measured"
    return JUnitCase(verdict.gate, "failure", "gate", counted, str(verdict))


def _write(path: Path, text: str) -> None:
    with files.atomic(path) as file:
        file.write(text.encode("utf-8", "replace"))
