"""A study as the job of an engine: its cases, what they share, and what the processes are started with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from medsr.engine.job import Assignment, Job
from medsr.engine.places import places
from medsr.engine.plan_file import PlannedCase
from medsr.engine.store import Store
from medsr.io.names import ID_DIGITS, digest, fingerprint
from medsr.io.recipes import present
from medsr.validation.measure import PlannedTrial
from medsr.validation.recipe import StudyRecipe
from medsr.validation.stages import given_of
from medsr.validation.store import FOLDER

STAGES = "medsr.validation.stages"


def assignment_of(
    planned: Sequence[PlannedTrial],
    recipe: StudyRecipe,
    model_sha256: str,
    store: Store,
    command: Sequence[str] = (),
    module: str = STAGES,
) -> Assignment:
    """The cases of a study for an engine.

    Args:
        planned: Cases without an error.
        recipe: What is measured of them.
        model_sha256: Hash of the weights; "" where no model is measured.
        store: State of the output folder.
        command: Arguments of `medsr` that ask for the same study.
        module: Module for the computing processes.
    """
    job = Job(store, module, model_sha256, recipe.settings_key, deadlines=recipe.deadlines)
    cases = [case_of(one) for one in planned]
    return Assignment(job, cases, lambda: _processes(recipe, len(cases)), tuple(command))


def id_of(planned: PlannedTrial) -> str:
    """The id of a case: hexadecimal digits; of its key, or of its place where it can't be measured."""
    return (planned.key or digest(*planned.paths, planned.scan, planned.task.name))[:ID_DIGITS]


def case_of(planned: PlannedTrial) -> PlannedCase:
    """A case without an error as engines take it."""
    return PlannedCase(
        case=id_of(planned),
        files=planned.files,
        target=f"{FOLDER}/{planned.key}.json",
        shown="",
        fingerprint=fingerprint(map(Path, planned.files)),
        voxels=planned.voxels,
        input_bytes=4 * planned.voxels,
        given=given_of(planned),
    )


def _processes(recipe: StudyRecipe, n_cases: int) -> list[dict[str, Any]]:
    """One for each worker of each device; they share the threads of this process.

    Some processors round the sums of a convolution by the number of threads: one process alone has them all, so that
    its numbers are those of this one.
    """
    device = recipe.enhance.device if recipe.needs_model else "cpu"
    found = places(device, min(max(1, recipe.workers), max(1, n_cases)), recipe.memory_gib)
    shared = {"recipe": _plain(recipe), "threads": max(1, torch.get_num_threads() // len(found))}
    return [{**shared, **place} for place in found]


def _plain(recipe: StudyRecipe) -> dict[str, Any]:
    """What decides about a case, as keys of a recipe: its task comes with the case, and gates judge the whole."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(recipe), default=str))
    return present({**content, "tasks": [], "gates": [], "uncertainty": recipe.measures_uncertainty})
