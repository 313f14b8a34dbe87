"""The report of a validation: a folder whose index.html opens by itself, without a server, a network or a script."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medsr.errors import OutputError
from medsr.io import files
from medsr.metrics.gates import Verdict
from medsr.report.blocks import Table
from medsr.report.pages import rendered
from medsr.validation.acceptance import Acceptance
from medsr.validation.findings import Findings
from medsr.validation.hallucination import HallucinationTests
from medsr.validation.reading import ReadingKey
from medsr.validation.report import document
from medsr.validation.report.acceptance import ACCEPTANCE_PAGE, acceptance_table, write_acceptance
from medsr.validation.report.anatomy import anatomy_tables
from medsr.validation.report.case_facts import case_facts, unit_of
from medsr.validation.report.curtains import Curtain, curtain, full_colour, plane_for, thumbnail
from medsr.validation.report.export import finite, write_csv
from medsr.validation.report.figures import figures_of
from medsr.validation.report.glossary import GLOSSARY
from medsr.validation.report.hallucination import hallucination_figures, hallucination_tables
from medsr.validation.report.reading_page import READING_PAGE, write_reading
from medsr.validation.report.tables import (
    cases_table,
    comparisons_table,
    fits_table,
    main_method,
    medians_table,
    scores_table,
    strata_table,
    telling,
    uncertainty_table,
    unmeasured_table,
)
from medsr.validation.report.viewer_page import viewer_page
from medsr.validation.view_files import read_views
from medsr.validation.views import CaseViews

Key = tuple[str, str]
"""Scan and task."""

CASES = "cases"
DATA = "data"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class StudyReport:
    """What a report is made of.

    Attributes:
        findings: Scores and statistics.
        hallucination: Hallucination tests of each scan, task and method; may be empty.
        verdicts: Verdicts of the gates; may be empty.
        views: Files of `medsr.validation.view_files`, by scan and task; cases without one are shown without pictures.
        record: Whole run record: recipe, model, versions, seeds.
        acceptance: Acceptance sheet; one without lines has no page.
        reading: Two methods for the page of a blinded reading; empty for none.
    """

    findings: Findings
    hallucination: tuple[HallucinationTests, ...]
    verdicts: tuple[Verdict, ...]
    views: Mapping[Key, Path]
    record: dict[str, object]
    acceptance: Acceptance = field(default_factory=Acceptance)
    reading: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A case whose pictures stand in the overview."""

    word: str
    scan: str
    task: str
    page: str
    gain: str
    curtain: Curtain
    full: float
    unit: str


def write_report(report: StudyReport, folder: Path) -> Path:
    """Write the whole report, index.html last.

    Args:
        report: Content of the report.
        folder: Folder, made where it is missing; files of the same names are replaced.

    Returns:
        Path of index.html.

    Raises:
        InputError: a file of views is damaged.
        OutputError: a file can't be written.
    """
    for name in ("", CASES, DATA):
        _make(folder / name)
    pictures, thumbnails = _write_cases(report, folder)
    write_acceptance(report.acceptance, folder)
    reading = write_reading(report.findings, report.views, report.reading, folder)
    page = _index(report, folder, pictures, thumbnails, reading)
    index = folder / "index.html"
    _write(index, page)
    return index


def case_stem(scan: str, task: str) -> str:
    """Name of a case's files, without a suffix: whatever is not a plain word becomes a hash."""
    return f"{_word(scan)}_{_word(task)}"


def _write_cases(report: StudyReport, folder: Path) -> tuple[list[Picture], dict[str, str]]:
    """Every case's pages; pictures of some for the overview, thumbnails of all by the address of their page."""
    keys = _worst_first(report.findings)
    chosen = dict(_chosen([key for key in keys if key in report.views]))
    pictures: list[Picture] = []
    thumbnails: dict[str, str] = {}
    for number, key in enumerate(keys):
        stem = case_stem(*key)
        views = read_views(report.views[key]) if key in report.views else None
        neighbours = [f"{case_stem(*k)}.html" if k else "" for k in _neighbours(keys, number)]
        _write(folder / CASES / f"{stem}.html", _case_page(report, key, views, neighbours))
        if views is None:
            continue
        page = f"{CASES}/{stem}.html"
        _write(folder / CASES / f"{stem}_3d.html", viewer_page(views, f"{stem}.html", unit_of(report.findings, key)))
        thumbnails[page] = thumbnail(views)
        if key in chosen:
            pictures.append(_picture(report.findings, key, chosen[key], page, views))
    return pictures, thumbnails


def _case_page(report: StudyReport, key: Key, views: CaseViews | None, neighbours: Sequence[str]) -> bytes:
    findings = report.findings
    return rendered(
        "case.html.j2",
        scan=key[0],
        task=key[1],
        previous=neighbours[0],
        following=neighbours[1],
        view="" if views is None else f"{case_stem(*key)}_3d.html",
        facts=case_facts(findings, key),
        curtains=[] if views is None else [curtain(views, plane) for plane in views.planes],
        full=0.0 if views is None else full_colour(views),
        window=(0.0, 0.0) if views is None else views.window,
        located_by="" if views is None else views.located_by,
        unit=unit_of(findings, key),
        scores=scores_table(findings, *key),
        uncertainty=uncertainty_table(findings, *key),
        record=_pretty(report.record),
    )


def _index(
    report: StudyReport,
    folder: Path,
    pictures: Sequence[Picture],
    thumbnails: Mapping[str, str],
    reading: ReadingKey | None,
) -> bytes:
    findings = report.findings
    strata = telling(findings.strata(method=main_method(findings)))
    figures, hallucination_plots = figures_of(findings, strata), hallucination_figures(report.hallucination)
    tables = {
        "medians": medians_table(findings),
        "comparisons": comparisons_table(findings.comparisons()),
        "strata": strata_table(strata),
        "uncertainty": uncertainty_table(findings),
        "unmeasured": unmeasured_table(findings),
        "fits": fits_table(findings),
        "cases": cases_table(findings, _links(report)),
    }
    of_hallucination, of_anatomy = hallucination_tables(report.hallucination), anatomy_tables(findings)
    sheet = acceptance_table(report.acceptance.rows)
    _write_machine_files(report, folder, [*tables.values(), *of_hallucination, *of_anatomy, sheet])
    for figure in (*figures, *hallucination_plots):
        document.write_figure(folder / DATA / f"{figure.name}.csv", figure)
    keys = _worst_first(findings)
    return rendered(
        "index.html.j2",
        findings=findings,
        model=findings.model,
        verdict=_verdict(report.verdicts),
        passed=all(verdict.passed for verdict in report.verdicts),
        verdicts=report.verdicts,
        acceptance=report.acceptance,
        acceptance_page=ACCEPTANCE_PAGE,
        reading=reading,
        reading_page=READING_PAGE,
        shown=lambda value: f"{value:.4g}" if isinstance(value, float) else str(value),
        n_subjects=len({findings.subject_of(scan) for scan, _ in keys}),
        n_scans=len({scan for scan, _ in keys}),
        n_cases=len(keys),
        tasks=list(dict.fromkeys(score.task for score in findings.scores)),
        methods=list(dict.fromkeys(score.method for score in findings.scores)),
        versions=_versions(report.record),
        pictures=pictures,
        some_missing=any(key not in report.views for key in keys),
        thumbnails=thumbnails,
        figures=figures,
        hallucination_figures=hallucination_plots,
        hallucination_tables=of_hallucination,
        anatomy_tables=of_anatomy,
        glossary=GLOSSARY,
        record=_pretty(report.record),
        **tables,
    )


def _write_machine_files(report: StudyReport, folder: Path, tables: Sequence[Table]) -> None:
    document.write_document(
        folder / "validation.json",
        *(report.findings, report.hallucination, report.verdicts, report.acceptance.rows, report.record),
    )
    document.write_schema(folder / "schema.json")
    document.write_gates(folder / "junit.xml", report.verdicts)
    write_csv(report.findings, folder / "scores.csv")
    for table in tables:
        if table.rows and table.csv.startswith(f"{DATA}/"):
            document.write_table(folder / table.csv, table)


def _worst_first(findings: Findings) -> list[Key]:
    """Every case, the smallest gain of the main method first, those that it was not run on last."""
    first = [(s.scan, s.task) for s in findings.worst_first(main_method(findings))]
    return list(dict.fromkeys([*first, *((s.scan, s.task) for s in findings.scores)]))


def _chosen(keys: Sequence[Key]) -> Iterator[tuple[Key, str]]:
    """The worst, the median and the best case; fewer where there are not three."""
    if keys:
        words = {0: "worst", len(keys) - 1: "best", (len(keys) - 1) // 2: "median"} if len(keys) > 2 else {}
        for number in sorted(words or range(len(keys))):
            yield keys[number], words.get(number, "case")


def _neighbours(keys: Sequence[Key], number: int) -> tuple[Key | None, Key | None]:
    return keys[number - 1] if number else None, keys[number + 1] if number + 1 < len(keys) else None


def _picture(findings: Findings, key: Key, word: str, page: str, views: CaseViews) -> Picture:
    method = main_method(findings)
    score = next((s for s in findings.scores if (s.scan, s.task, s.method) == (*key, method)), None)
    gain = float("nan") if score is None else findings.gain_db(score, "ibp")
    shown = curtain(views, plane_for(views, "" if score is None else score.axes))
    text = "" if gain != gain else f"{gain:+.2f}"
    return Picture(word, *key, page, text, shown, full_colour(views), unit_of(findings, key))


def _links(report: StudyReport) -> dict[Key, tuple[str, str]]:
    stems = {key: f"{CASES}/{case_stem(*key)}" for key in _worst_first(report.findings)}
    return {key: (f"{stem}.html", f"{stem}_3d.html" if key in report.views else "") for key, stem in stems.items()}


def _verdict(verdicts: Sequence[Verdict]) -> str:
    failed = sum(not verdict.passed for verdict in verdicts)
    if not verdicts:
        return "No gates were set"
    if failed:
        return f"{failed} of {len(verdicts)} gates failed"
    return "The gate passed" if len(verdicts) == 1 else f"All {len(verdicts)} gates passed"


def _versions(record: Mapping[str, object]) -> dict[str, str]:
    found = record.get("versions")
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}


def _pretty(record: Mapping[str, object]) -> str:
    return json.dumps(finite(dict(record)), indent=1, default=str, ensure_ascii=False)


def _word(text: str) -> str:
    return text if _SAFE.fullmatch(text) else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(files.unwritable(folder, error)) from error


def _write(path: Path, content: bytes) -> None:
    with files.atomic(path) as file:
        file.write(content)
