"""The model card's table: the shipped model on the validation scans, every task and profile that the card reports."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from medsr.acquisition import TASKS, Task
from medsr.allocator import keep_freed_memory
from medsr.enhancement import EnhanceSettings
from medsr.io import files, load
from medsr.models import DEFAULT_MODEL, load_model
from medsr.ops import Profile
from medsr.report.tables import markdown_of, text_of, write_csv, write_json
from medsr.validation import Findings, Score, validate

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
MAIN_METHODS = ("cubic", "ibp", "tv", "mean")
OTHER_PROFILES: tuple[Profile, ...] = ("box", "trapezoid", "kspace")


def main(model_name: str) -> None:
    """Print and write every score; a scan at a time, so that an early stop leaves the finished ones."""
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    keep_freed_memory()
    model = load_model(model_name)
    scores: list[Score] = []
    for path in sorted(SCANS.glob("*.nii.gz")):
        name, reference = path.name.removeprefix("sub-").removesuffix(".nii.gz"), load(path)
        fine_axes = sum(h < 1.6 * min(reference.spacing_mm) for h in reference.spacing_mm)
        tasks = [TASKS["iso2"], TASKS["thick5"], *([TASKS["iso4"]] if fine_axes == 3 else [])]
        for task, methods in [(task, MAIN_METHODS) for task in tasks] + _variants():
            found = validate([(name, reference)], [task], model, methods, EnhanceSettings())
            scores += [replace(score, task=task.name) for score in found.scores]
            line = ", ".join(f"{score.method} {score.psnr_db:.2f}" for score in found.scores)
            print(f"{name} {task.name}: {line}", file=sys.stderr, flush=True)
        findings = Findings(tuple(scores), found.model)
        write_json(findings, folder / "validation.json")
        write_csv(findings, folder / "validation.csv")
    with files.atomic(folder / "validation.md") as file:
        file.write(markdown_of(findings).encode())
    print(text_of(findings))


def _variants() -> list[tuple[Task, tuple[str, ...]]]:
    """The other profiles, and noise: measured against the plain start alone."""
    pairs = [(TASKS[name], profile) for profile in OTHER_PROFILES for name in ("iso2", "thick5")]
    shaped = [replace(task, name=f"{task.name}-{profile}", profile=profile) for task, profile in pairs]
    return [(task, ("ibp", "mean")) for task in (*shaped, TASKS["noisy2"])]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL)
