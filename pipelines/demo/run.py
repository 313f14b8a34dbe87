"""The main job on the sample scan: degrade it, enhance it, print the table of methods, draw the picture."""

from __future__ import annotations

import sys
from pathlib import Path

from medsr.enhancement.settings import EnhanceSettings
from medsr.io import files, load, save
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import load_model
from medsr.physics.tasks import TASKS
from medsr.samples import sample_path
from medsr.validation.findings import Findings, Score
from medsr.validation.methods import ALL_METHODS
from medsr.validation.report.before_after import before_after
from medsr.validation.report.export import markdown_of, text_of, write_csv, write_json
from medsr.validation.trial import make_trial, restorations, score

SHOWN = {"cubic": "cubic", "ibp": "back-projection", "mean": "medsr"}
TASK_NAMES = ("iso2", "thick5")


def main(folder: Path) -> None:
    """Write demo/: degraded and enhanced scans, findings.json, findings.csv, findings.md, before_after.png."""
    folder.mkdir(exist_ok=True)
    keep_freed_memory()
    reference, model, settings = load(sample_path()), load_model(), EnhanceSettings()
    scores: list[Score] = []
    rows = []
    for task in TASK_NAMES:
        trial = make_trial(reference, TASKS[task], settings)
        save(trial.input, folder / f"{task}_input.nii.gz")
        shown = {}
        for method, x, seconds in restorations(trial, model, ALL_METHODS, settings):
            scores.append(score(trial, "bchadult01_T1w (sample)", task, method, x, seconds))
            print(f"{task} {method}: {scores[-1]['psnr_db']:.2f} dB", file=sys.stderr, flush=True)
            if method in SHOWN:
                shown[SHOWN[method]] = x
            if method == "mean":
                save(trial.reference.with_data(x), folder / f"{task}_enhanced.nii.gz")
        rows.append((task, shown, trial.reference.data, trial.reference.spacing_mm))
    findings = Findings(tuple(scores), {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256})
    write_json(findings, folder / "findings.json")
    write_csv(findings, folder / "findings.csv")
    with files.atomic(folder / "findings.md") as file:
        file.write(markdown_of(findings).encode())
    before_after(rows, folder / "before_after.png")
    print(text_of(findings))
    print(f"picture: {folder / 'before_after.png'}")


if __name__ == "__main__":
    main(Path("demo"))
