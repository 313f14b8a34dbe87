"""Findings as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from medsr.io import files
from medsr.metrics.judged import Restoration
from medsr.metrics.metric import Metric
from medsr.metrics.parts import DEPTH_MM
from medsr.metrics.table import BRAIN, INTERIOR, WHOLE, metric_named
from medsr.report.text import aligned, digits
from medsr.validation.calibration import CalibrationReport
from medsr.validation.findings import Findings, Score
from medsr.validation.gains import RANGE, gain_column, measured_in
from medsr.validation.methods import BASELINES, shown_name
from medsr.validation.readers import Agreements
from medsr.validation.report.summary import comparisons_of, uncertainties_of

BESIDE = tuple(map(metric_named, ("ssim", "nrmse", "residual", "high_frequency_power_ratio", "seconds")))
HEADINGS = (
    *("method", INTERIOR.head, *(f"over {name}" for name in BASELINES), WHOLE.head),
    *(metric.head for metric in BESIDE),
)
BRAIN_HEADINGS = (BRAIN.head, "brain, over ibp")


def table_of(findings: Findings, scan: str, task: str) -> str:
    """The methods of one scan and task as an aligned text table."""
    rows = [s for s in findings.scores if (s.scan, s.task) == (scan, task)]
    if not measured_in(BRAIN, rows):
        return aligned([HEADINGS, *(_cells(findings, score) for score in rows)])
    with_brain = ((*_cells(findings, score), *_brain_cells(findings, score)) for score in rows)
    return aligned([(*HEADINGS, *BRAIN_HEADINGS), *with_brain])


def text_of(findings: Findings) -> str:
    """Every table, the medians where there are several scans, what has no interior, and the convention."""
    parts: list[str] = []
    for scan, task in dict.fromkeys((s.scan, s.task) for s in findings.scores):
        axes = next(s.axes for s in findings.scores if (s.scan, s.task) == (scan, task))
        ceiling = next(
            (f"; no method can pass {c.ceiling_db:.1f} dB" for c in findings.cases if (c.scan, c.task) == (scan, task)),
            "",
        )
        parts.append(f"{scan}, {task} (degraded axes: {axes}{ceiling})\n{table_of(findings, scan, task)}")
    if len({s.scan for s in findings.scores}) > 1:
        parts.append(f"Medians over scans\n{medians_of(findings)}")
        if findings.comparisons():
            parts.append(f"Paired differences over subjects\n{comparisons_of(findings)}")
    if findings.without_interior():
        parts.append(no_interior(findings))
    if findings.uncertainties:
        parts.append(f"Stated uncertainty\n{uncertainties_of(findings.uncertainties)}")
    return "\n\n".join([*parts, findings.convention]) + "\n"


def medians_of(findings: Findings) -> str:
    """Median PSNR of the interior and its gain over ibp with its range, those of the whole mask, and SSIM."""
    gains = ("over ibp", "least", "most")
    headings = ("task", "method", "scans", INTERIOR.head, *gains, WHOLE.head, "over ibp", metric_named("ssim").head)
    rows = [
        (
            str(row["task"]),
            str(row["method"]),
            str(row["scans"]),
            digits(row[INTERIOR.name], "{:.2f}"),
            *(digits(row[name], "{:+.2f}") for name in (gain_column("ibp", INTERIOR), *RANGE)),
            digits(row[WHOLE.name], "{:.2f}"),
            digits(row[gain_column("ibp", WHOLE)], "{:+.2f}"),
            digits(row["ssim"], "{:.4f}"),
        )
        for row in findings.medians()
    ]
    return aligned([headings, *rows])


def markdown_of(findings: Findings) -> str:
    """PSNR of every method in the interior, the model's gain there and in the whole mask, per scan and task.

    A Markdown table; cells of a scan that has no interior hold a dash.
    """
    methods = list(dict.fromkeys(score.method for score in findings.scores))
    gains = [("ibp", INTERIOR), ("tv", INTERIOR), ("ibp", WHOLE), ("tv", WHOLE)]
    heads = [f"over {name}{'' if one is INTERIOR else ', whole mask'}" for name, one in gains]
    lines = [
        f"| scan | task (axes) | {' | '.join([*methods, *(f'mean {head}' for head in heads)])} | SSIM ibp, mean |",
        f"|---|---|{'---|' * (len(methods) + len(heads))}---|",
    ]
    for scan, task in dict.fromkeys((s.scan, s.task) for s in findings.scores):
        found = {s.method: s for s in findings.scores if (s.scan, s.task) == (scan, task)}
        levels = [digits(found[m][INTERIOR.name], "{:.2f}") if m in found else "" for m in methods]
        over = [_gain(findings, found, name, one) for name, one in gains]
        similarity = ", ".join(f"{found[m]['ssim']:.4f}" for m in ("ibp", "mean") if m in found)
        axes = next(iter(found.values())).axes
        lines.append(f"| {scan} | {task} ({axes}) | {' | '.join([*levels, *over, similarity])} |")
    return "\n".join(lines) + "\n"


def no_interior(findings: Findings) -> str:
    """Which scans have no interior, and what that means for the numbers."""
    scans = ", ".join(findings.without_interior())
    return f"Scans without an interior (nowhere deeper than {DEPTH_MM:g} mm), which medians of it leave out: {scans}"


def _gain(findings: Findings, found: dict[str, Score], over: str, metric: Metric[Restoration]) -> str:
    return digits(findings.gain_db(found["mean"], over, metric), "{:+.2f}") if {"mean", over} <= set(found) else ""


def write_json(findings: Findings, path: Path, further: Mapping[str, object] | None = None) -> None:
    """Everything as JSON, and what else belongs to it.

    Args:
        findings: Scores and statistics.
        path: File to write.
        further: Further keys with plain values, such as verdicts of gates.

    Raises:
        OutputError: the file can't be written.
    """
    _write({**findings.as_dict(), **(further or {})}, path)


def write_plain(report: CalibrationReport | Agreements, path: Path) -> None:
    """A calibration, or what came of a reading, as JSON.

    Raises:
        OutputError: the file can't be written.
    """
    _write(asdict(report), path)


def write_csv(findings: Findings, path: Path) -> None:
    """One row per score as CSV.

    Raises:
        OutputError: the file can't be written.
    """
    rows = findings.as_dict()["scores"]
    assert isinstance(rows, list)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["scan"])
    writer.writeheader()
    writer.writerows(rows)
    with files.atomic(path) as file:
        file.write(text.getvalue().encode())


def _write(content: dict[str, object], path: Path) -> None:
    with files.atomic(path) as file:
        file.write((json.dumps(finite(content), indent=1) + "\n").encode())


def _cells(findings: Findings, score: Score) -> tuple[str, ...]:
    return (
        shown_name(score.method),
        digits(score[INTERIOR.name], INTERIOR.pattern),
        *(digits(findings.gain_db(score, name), "{:+.2f}") for name in BASELINES),
        *(digits(score[metric.name], metric.pattern) for metric in (WHOLE, *BESIDE)),
    )


def _brain_cells(findings: Findings, score: Score) -> tuple[str, ...]:
    return digits(score[BRAIN.name], BRAIN.pattern), digits(findings.gain_db(score, "ibp", BRAIN), "{:+.2f}")


def finite(value: object) -> object:
    """NaN and infinity, which JSON lacks, as null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
