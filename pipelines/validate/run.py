"""The tables of the model card and of the page of results: five recipes on the validation scans, resumable."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from results_page import PAGE, rewritten

from medsr.io import files
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.validation.findings import Findings
from medsr.validation.gains import gain_column
from medsr.validation.recipe import read_study_recipe
from medsr.validation.report.export import finite, markdown_of, write_csv, write_json
from medsr.validation.study import Study, check_study, validate

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
STRUCTURE_SCANS = ("bchadult01_T1w", "openms12_T1w", "openms20_T1w", "cmbcrc01_CT", "sts001_CT", "sts037_CT")
ONE_OF_EACH = ("bchadult01_T1w", "openms20_FLAIR", "prostatex0218_T2w", "cmbcrc01_CT")
CLAIM_SCANS = ("cmbcrc01_CT", "sts001_CT", "sts037_CT")
RECIPES = {  # beside the study of all scans
    "conditions": ONE_OF_EACH,
    "structures": STRUCTURE_SCANS,
    "lesions": ONE_OF_EACH,
    "claims": CLAIM_SCANS,
}
RESULTS = Path("results")


def main(model: str | None, wanted: Sequence[str]) -> None:
    """Write the reports and tables that README.md names into results/, and the table of the page of results.

    Args:
        model: packaged name or weights file; None for the recipes'.
        wanted: names of scans, such as "bchadult01_T1w"; all where none is given. Results of some scans go to
            results/some, so that no card is made of them.
    """
    results = RESULTS / "some" if wanted else RESULTS
    results.mkdir(parents=True, exist_ok=True)
    scans = {_label(path.name): path for path in sorted(SCANS.glob("*.nii.gz"))}
    chosen = {name: path for name, path in scans.items() if not wanted or name in wanted}
    study = _measured("study", "validation", chosen.values(), model, results)
    write_json(study.findings, results / "validation.json")
    write_csv(study.findings, results / "validation.csv")
    _write(results / "validation.md", markdown_of(study.findings))
    parts = [study]
    for recipe, names in RECIPES.items():
        if some := [chosen[name] for name in names if name in chosen]:
            parts.append(_measured(recipe, recipe, some, model, results))
            if recipe == "conditions":
                variants = {"model": parts[-1].findings.model, "rows": list(_gains(parts[-1].findings))}
                _write(results / "variants.json", json.dumps(finite(variants), indent=1) + "\n")
    if not wanted:
        _write(PAGE, rewritten(PAGE.read_text(encoding="utf-8"), study.findings))
    for part in parts:
        check_study(part)


def _measured(recipe: str, folder: str, scans: Iterable[Path], model: str | None, results: Path) -> Study:
    """What came of the recipe of a name; its report lies in a folder of `results`."""
    read = read_study_recipe(Path(__file__).with_name(f"{recipe}.toml"))
    asked = read if model is None else replace(read, enhance=replace(read.enhance, model=model))
    return validate(list(scans), asked, results / folder, on_case=_report_case)


def _gains(findings: Findings) -> Iterator[dict[str, str | float]]:
    for score in findings.scores:
        if score.method == "mean":
            gains = {gain_column("ibp", one): findings.gain_db(score, "ibp", one) for one in (INTERIOR, WHOLE)}
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
