"""A run as files for machines: run.json, cases.csv, JUnit XML. They name cases by ids, never files of the input."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medsr.engine.outcome import MEANING, Row, Tally
from medsr.io import files
from medsr.record import NOTICE, Record
from medsr.report.junit import Ending, JUnitCase, write_junit

CHECKS = ("psnr_interior_db", "psnr_db", "ssim", "residual", "drift", "uncertainty_rms")
STAGES = ("read", "enhance", "write")
COLUMNS = (
    "case",
    "state",
    "kind",
    "stage",
    "reason",
    "attempts",
    "signal",
    *CHECKS,
    "envelope",
    *(f"{stage}_s" for stage in STAGES),
    "voxels",
    "peak_memory_bytes",
    "output",
    "input_sha256",
    "host",
    "finished",
)


def write_run(path: Path, tally: Tally, model: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Write run.json: counts, model, settings, versions.

    Args:
        path: File to write.
        tally: Count of the run.
        model: Name, version and hash of the weights.
        settings: Keys of the recipe, without paths.

    Raises:
        OutputError: the file can't be written.
    """
    content = {
        "schema": 1,
        "tally": tally.as_dict(),
        "kinds": {kind: MEANING[kind] for kind in MEANING if kind in tally.kinds},
        "model": dict(model),
        "settings": dict(settings),
        "versions": Record.versions_here(),
        "notice": NOTICE,
    }
    with files.atomic(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def write_cases(path: Path, rows: Iterable[Row]) -> None:
    """Write cases.csv, one line a case.

    Raises:
        OutputError: the file can't be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow(_cells(row))
    with files.atomic(path) as file:
        file.write(text.getvalue().encode())


def _cells(row: Row) -> dict[str, object]:
    cells: dict[str, object] = {"case": row.case, "state": row.state, "output": row.shown}
    outcome = row.outcome
    if outcome is None:
        return cells
    cells |= {name: getattr(outcome, name) for name in COLUMNS if hasattr(outcome, name)}
    cells |= {name: outcome.checks.get(name, "") for name in CHECKS}
    cells |= {f"{stage}_s": outcome.seconds.get(stage, "") for stage in STAGES}
    return cells | {"envelope": outcome.facts.get("envelope", "")}


def write_junit_of_run(path: Path, rows: Iterable[Row], seconds: float) -> None:
    """Write the run as JUnit XML: a gate that a case breaks is a failure, any other failed case an error.

    Args:
        path: File to write.
        rows: Every case; taken one at a time, since there may be many.
        seconds: Time of the run.

    Raises:
        OutputError: the file can't be written.
    """
    write_junit(path, "medsr batch", "medsr.batch", map(_junit_case, rows), seconds)


def _junit_case(row: Row) -> JUnitCase:
    outcome = row.outcome
    took = 0.0 if outcome is None else sum(outcome.seconds.values())
    if outcome is None or outcome.state not in ("done", "failed"):
        return JUnitCase(row.case, "skipped", seconds=took)
    if outcome.state == "done":
        return JUnitCase(row.case, seconds=took)
    ending: Ending = "failure" if outcome.kind == "limit" else "error"
    return JUnitCase(row.case, ending, outcome.kind, outcome.reason, seconds=took)
