"""The main job on the middle of the sample scan: degrade it, enhance it, print a table of methods, draw a picture."""

from __future__ import annotations

import sys
from pathlib import Path

from medsr.enhancement.region import central_block, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import files, load, save
from medsr.metrics.table import INTERIOR
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import load_model
from medsr.physics.tasks import TASKS
from medsr.samples import sample_path
from medsr.validation.findings import Findings, Score
from medsr.validation.report.before_after import before_after
from medsr.validation.report.export import markdown_of, text_of, write_csv, write_json
from medsr.validation.trial import make_trial, restorations, score

SHOWN = {"cubic": "cubic", "ibp": "back-projection", "mean": "medsr"}
TASK_NAMES = ("iso2", "thick5")
SIDE_VOX = 80  # of the block that is looked at: two CPU cores without bfloat16 need about a minute


def main(folder: Path) -> None:
    """Write demo/: degraded and enhanced scans, findings.json, findings.csv, findings.md, before_after.png."""
    folder.mkdir(exist_ok=True)
    keep_freed_memory()
    print(f"demo: {SIDE_VOX} voxels a side of a brain, in two tasks; on two CPU cores about a minute", file=sys.stderr)
    whole, model, settings = load(sample_path()), load_model(), EnhanceSettings()
    reference = crop(whole, central_block(whole, SIDE_VOX))
    scores: list[Score] = []
    rows = []
    for task in TASK_NAMES:
        trial = make_trial(reference, TASKS[task], settings)
        save(trial.input, folder / f"{task}_input.nii.gz")
        shown = {}
        for method, x, seconds in restorations(trial, model, tuple(SHOWN), settings):
            scores.append(score(trial, "bchadult01_T1w (middle)", task, method, x, seconds))
            print(f"{task} {method}: {scores[-1][INTERIOR.name]:.2f} dB", file=sys.stderr, flush=True)
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
