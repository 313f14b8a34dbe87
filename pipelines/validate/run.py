"""The model card's tables: the shipped model on the validation scans, every task and profile that the card reports."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medsr.acquisition import TASKS, Task
from medsr.allocator import keep_freed_memory
from medsr.enhancement import EnhanceSettings
from medsr.findings import Case
from medsr.io import files, load
from medsr.metrics import psnr
from medsr.models import DEFAULT_MODEL, Model, load_model
from medsr.ops import Profile
from medsr.report.tables import markdown_of, text_of, write_csv, write_json
from medsr.validation import Findings, Score, make_trial, restorations, validate
from medsr.volume import Volume

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
METHODS = ("cubic", "ibp", "tv", "mean")
OTHER_PROFILES: tuple[Profile, ...] = ("box", "trapezoid", "kspace")


def main(model_name: str, wanted: Sequence[str]) -> None:
    """Write results/validation.{json,csv,md} and variants.json, scan by scan: an early stop leaves the finished ones.

    Args:
        model_name: packaged name or weights file.
        wanted: names of scans, such as "bchadult01_T1w"; none means all.
    """
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    keep_freed_memory()
    model = load_model(model_name)
    scores: list[Score] = []
    cases: list[Case] = []
    variants: list[dict[str, str | float]] = []
    for path in sorted(SCANS.glob("*.nii.gz")):
        name = path.name.removeprefix("sub-").removesuffix(".nii.gz")
        if wanted and name not in wanted:
            continue
        reference = load(path)
        found = validate([(name, reference)], _tasks(reference), model, METHODS)
        scores += found.scores
        cases += found.cases
        variants += list(_variants(name, reference, model))
        findings = Findings(tuple(scores), found.model, cases=tuple(cases))
        write_json(findings, folder / "validation.json")
        write_csv(findings, folder / "validation.csv")
        _write(folder / "validation.md", markdown_of(findings))
        _write(folder / "variants.json", json.dumps({"model": found.model, "rows": variants}, indent=1) + "\n")
        print(f"{name} done", file=sys.stderr, flush=True)
    print(text_of(findings))


def _tasks(reference: Volume) -> list[Task]:
    """iso2 and thick5, and iso4 where all three axes are fine enough."""
    all_fine = max(reference.spacing_mm) < 1.6 * min(reference.spacing_mm)
    return [TASKS[name] for name in (("iso2", "iso4", "thick5") if all_fine else ("iso2", "thick5"))]


def _variants(name: str, reference: Volume, model: Model) -> Iterator[dict[str, str | float]]:
    """Rows for the other profiles and for noise: PSNR of the plain start and of the model."""
    shaped = [(TASKS[task], profile) for profile in OTHER_PROFILES for task in ("iso2", "thick5")]
    tasks = [replace(task, name=f"{task.name}, {profile}", profile=profile) for task, profile in shaped]
    for task in [*tasks, TASKS["noisy2"]]:
        trial = make_trial(reference, task, EnhanceSettings())
        levels = {
            method: psnr(x, trial.reference.data, trial.mask, trial.data_range)
            for method, x, _ in restorations(trial, model, ("ibp", "mean"), EnhanceSettings())
        }
        yield {"scan": name, "task": task.name, "gain_over_ibp_db": levels["mean"] - levels["ibp"]}


def _write(path: Path, text: str) -> None:
    with files.atomic(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL, sys.argv[2:])
