"""A run as files for machines: run.json, cases.csv, JUnit XML. They name cases by ids, never files of the input."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from medsr.batch.outcome import MEANING, Row, Tally
from medsr.io import files
from medsr.record import NOTICE, Record

CHECKS = ("psnr_db", "ssim", "residual", "drift", "uncertainty_rms")
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
        path: of the file.
        tally: the count.
        model: name, version and hash of the weights.
        settings: of the recipe, without paths.

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


def write_junit(path: Path, rows: Iterable[Row], tally: Tally) -> None:
    """Write the run as JUnit XML: a test case for each case, a failed limit as failure, any other as error.

    Args:
        path: of the file.
        rows: of every case; taken one at a time, since there may be many.
        tally: their count.

    Raises:
        OutputError: the file can't be written.
    """
    failures = tally.kinds.get("limit", 0)
    head = (
        f'<testsuite name="medsr batch" tests="{tally.planned}" failures="{failures}" '
        f'errors="{tally.failed - failures}" skipped="{tally.left}" time="{tally.seconds:.3f}">'
    )
    with files.atomic(path) as file:
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n'.encode())
        for row in rows:
            file.write(ElementTree.tostring(_test_case(row)) + b"\n")
        file.write(b"</testsuite>\n")


def _test_case(row: Row) -> ElementTree.Element:
    outcome = row.outcome
    took = 0.0 if outcome is None else sum(outcome.seconds.values())
    test = ElementTree.Element("testcase", classname="medsr.batch.batch", name=row.case, time=f"{took:.3f}")
    if outcome is None or outcome.state not in ("done", "failed"):
        ElementTree.SubElement(test, "skipped")
    elif outcome.state == "failed":
        word = "failure" if outcome.kind == "limit" else "error"
        ElementTree.SubElement(test, word, type=outcome.kind, message=_printable(outcome.reason))
    return test


def _printable(text: str) -> str:
    """XML has no way to write control characters."""
    return "".join(sign for sign in text if sign.isprintable())
