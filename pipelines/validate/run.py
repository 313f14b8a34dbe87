"""The tables of the model card and of the page of results: the recipe study.toml on the validation scans, resumable."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from results_page import PAGE, rewritten

from medsr.io import files
from medsr.validation.findings import Findings
from medsr.validation.gains import GAINS, gain_column
from medsr.validation.recipe import read_study_recipe
from medsr.validation.report.export import finite, markdown_of, write_csv, write_json
from medsr.validation.study import check_study, validate

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
RECIPE = Path(__file__).parent / "study.toml"
LEVELS = ("iso2", "iso4", "thick5")  # the tasks whose levels are tabled; of the others the gains alone
RESULTS = Path("results")


def main(model: str | None, wanted: Sequence[str]) -> None:
    """Write results/validation.{json,csv,md}, variants.json, the report in results/validation, and the page of results.

    Args:
        model: packaged name or weights file; None for the recipe's.
        wanted: names of scans, such as "bchadult01_T1w"; all where none is given. Results of some scans go to
            results/some, so that no card is made of them.
    """
    recipe = read_study_recipe(RECIPE)
    recipe = recipe if model is None else replace(recipe, model=model)
    scans = [path for path in sorted(SCANS.glob("*.nii.gz")) if not wanted or _label(path.name) in wanted]
    results = RESULTS / "some" if wanted else RESULTS
    results.mkdir(parents=True, exist_ok=True)
    found = validate(scans, recipe, results / "validation", on_case=_report_case)
    levels = _of_tasks(found.findings, LEVELS)
    write_json(levels, results / "validation.json")
    write_csv(levels, results / "validation.csv")
    _write(results / "validation.md", markdown_of(levels))
    variants = {"model": found.findings.model, "rows": list(_variants(found.findings))}
    _write(results / "variants.json", json.dumps(finite(variants), indent=1) + "\n")
    check_study(found)
    if not wanted:
        _write(PAGE, rewritten(PAGE.read_text(encoding="utf-8"), levels))


def _of_tasks(findings: Findings, tasks: Sequence[str]) -> Findings:
    """The rows of some tasks."""
    rows = {
        name: tuple(row for row in getattr(findings, name) if row.task in tasks)
        for name in ("scores", "cases", "uncertainties", "blend", "shells", "fits", "unmeasured")
    }
    return replace(findings, **rows)


def _variants(findings: Findings) -> Iterator[dict[str, str | float]]:
    for score in findings.scores:
        if score.method == "mean" and score.task not in LEVELS:
            gains = {gain_column("ibp", one): findings.gain_db(score, "ibp", one) for one in GAINS}
            yield {"scan": _label(score.scan), "task": score.task, **gains}


def _label(name: str) -> str:
    return name.removeprefix("sub-").removesuffix(".nii.gz")


def _report_case(scan: str, task: str, came: Findings | str, n_ended: int, n_cases: int) -> None:
    print(f"[{n_ended}/{n_cases}] {scan} {task}{f': {came}' if isinstance(came, str) else ''}", file=sys.stderr)


def _write(path: Path, text: str) -> None:
    with files.atomic(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None, sys.argv[2:])
