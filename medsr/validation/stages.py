"""The stages of a study in a computing process: each case is read, restored and measured, and written as its part.

A case that is tried again after a death keeps its tiles: smaller ones would change what is measured.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from medsr.engine.pipeline import JOBS, ChangedError, OnProgress, Pipeline, Request, pipeline
from medsr.engine.store import MADE
from medsr.io import files
from medsr.model.allocator import keep_freed_memory
from medsr.physics.tasks import Task
from medsr.validation.measure import Measured, PlannedTrial, ScanFiles, Scans, measure_scans, read_scans
from medsr.validation.recipe import StudyRecipe, study_recipe
from medsr.validation.store import write_part

__all__ = ["JOBS", "start"]

QUEUE_BYTES = 1 << 30  # of scans that are read ahead


class Measuring:
    """Read, measure, write one case.

    Args:
        recipe: What is measured.
        memory_bytes: Memory that this process may use.
    """

    def __init__(self, recipe: StudyRecipe, memory_bytes: int) -> None:
        self._recipe, self._memory_bytes = recipe, memory_bytes

    def read(self, request: Request) -> Scans:
        """The scans of the case, where they still are what the case's key was made of."""
        planned = trial_of(request)
        if files.sha256_of_digests(files.sha256_file(Path(path)) for path in planned.files) != planned.sha256:
            raise ChangedError
        return read_scans(planned)

    def enhance(self, request: Request, scan: Scans, on_progress: OnProgress) -> Measured:
        """Everything that is measured of the case."""
        return measure_scans(trial_of(request), scan, self._recipe, on_progress, self._memory_bytes)

    def write(self, request: Request, result: Measured) -> dict[str, Any]:
        """The part."""
        planned = trial_of(request)
        write_part(planned.key, result, Path(request["work"]) / MADE)
        facts = {"scan": planned.scan, "task": planned.task.name}
        return {"input_sha256": planned.sha256, "checks": {}, "facts": facts}


def start(options: dict[str, Any]) -> Pipeline:
    """Set up a process; the model is loaded with the first case that needs it.

    Args:
        options: Keys recipe, device, memory_bytes and threads, as `job` makes them.
    """
    keep_freed_memory()
    torch.set_num_threads(options["threads"])
    recipe = study_recipe(options["recipe"])
    recipe = replace(recipe, enhance=replace(recipe.enhance, device=options["device"]))
    return pipeline(Measuring(recipe, options["memory_bytes"]), QUEUE_BYTES)


def given_of(planned: PlannedTrial) -> dict[str, Any]:
    """A case without an error as the plain values of a request."""
    return {"trial": asdict(replace(planned, error=None))}


def trial_of(request: Request) -> PlannedTrial:
    """The case of a request."""
    plain = request["trial"]
    return PlannedTrial(
        **{
            **plain,
            "task": Task(**plain["task"]),
            "reference": _place(plain["reference"]),
            "low": None if plain["low"] is None else _place(plain["low"]),
            "files": tuple(plain["files"]),
        }
    )


def _place(plain: dict[str, Any]) -> ScanFiles:
    return ScanFiles(tuple(plain["paths"]), plain["number"])
