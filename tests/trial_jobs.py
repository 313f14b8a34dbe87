"""Stages of a study that do what the name of a scan says: importable by name in computing processes too."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from phantoms import head

from medsr.engine.pipeline import JOBS, Pipeline, pipeline
from medsr.engine.store import MADE
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError
from medsr.io import files
from medsr.io.names import digest
from medsr.physics.tasks import TASKS
from medsr.validation.findings import Findings
from medsr.validation.measure import Measured, PlannedTrial, ScanFiles
from medsr.validation.stages import trial_of
from medsr.validation.store import write_part
from medsr.validation.trial import make_trial
from medsr.validation.views import views_of

__all__ = ["JOBS", "start"]

TASK = TASKS["iso2"]
MEASURED = "measured.txt"  # beside the scans: a line for each case that was measured


class Named:
    def read(self, request: dict[str, Any]) -> PlannedTrial:
        planned = trial_of(request)
        if planned.scan == "unreadable":
            raise InputError(f"{planned.paths[0]}: is truncated; copy it again")
        return planned

    def enhance(self, request: dict[str, Any], scan: PlannedTrial, on_progress: Any) -> Measured:
        place = Path(scan.paths[0])
        if scan.scan == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if scan.scan == "bug":
            raise KeyError("nobody meant this")
        if scan.scan == "patient" and not place.with_name("enough").exists():
            threading.Event().wait()
        with place.with_name(MEASURED).open("a") as lines:
            lines.write(f"{scan.scan}\n")
        return measured(scan)

    def write(self, request: dict[str, Any], result: Measured) -> dict[str, Any]:
        planned = trial_of(request)
        write_part(planned.key, result, Path(request["work"]) / MADE)
        return {"input_sha256": planned.sha256, "checks": {}, "facts": {}}


def start(options: dict[str, Any]) -> Pipeline:
    torch.set_num_threads(options["threads"])
    return pipeline(Named(), 1 << 20)


def measured(planned: PlannedTrial) -> Measured:
    """What is said to come of a case: its name, and the number of threads here."""
    fine = head((12, 12, 12))
    trial = make_trial(fine, TASK, EnhanceSettings())
    views = views_of(planned.scan, planned.task.name, trial, {"ibp": np.array(trial.reference.data)})
    return Measured(Findings((), {"name": planned.scan, "threads": str(torch.get_num_threads())}), (), views)


def planned_in(folder: Path, *scans: str) -> list[PlannedTrial]:
    """Cases of those names, each with a file of its own."""
    folder.mkdir(exist_ok=True)
    found = []
    for scan in scans:
        path = folder / f"{scan}.nii"
        path.write_text(scan)
        sha256 = files.sha256_file(path)
        place = ScanFiles((str(path),))
        found.append(PlannedTrial(digest(scan), scan, TASK, place, None, {}, files=place.paths, sha256=sha256))
    return found
