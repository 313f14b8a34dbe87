"""A plan as the job of an engine: what every case shares, and what the processes are started with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medsr.batch.plan import Plan
from medsr.engine.job import Assignment, Job
from medsr.engine.places import places
from medsr.engine.plan_file import PlannedCase
from medsr.engine.store import Store
from medsr.io.recipes import present
from medsr.metrics.gates import case_gates

STAGES = "medsr.batch.stages"


def job_of(plan: Plan, store: Store, module: str = STAGES) -> Job:
    """The job of a plan.

    Args:
        plan: Plan of the output folder.
        store: State of the output folder.
        module: Module for the computing processes.
    """
    recipe = plan.recipe
    return Job(store, module, plan.model["sha256"], recipe.settings_key, case_gates(recipe.gates), recipe.deadlines)


def assignment_of(plan: Plan, job: Job, cases: Sequence[PlannedCase], only: Sequence[str] = ()) -> Assignment:
    """Cases of a plan for an engine.

    Args:
        plan: Plan of the output folder.
        job: Its job.
        cases: Cases that are asked for.
        only: "failed", or the kinds of failures to which the run is limited; empty for all cases.
    """
    return Assignment(job, cases, lambda: _processes(plan), resuming(job.store.root, only), again=bool(only))


def resuming(target: Path, only: Sequence[str] = ()) -> tuple[str, ...]:
    """Arguments of `medsr` that go on with the plan in an output folder, without a bar."""
    limited = ("--only", ",".join(only)) if only else ()
    return ("batch", "resume", str(target.absolute()), "--progress", "none", *limited)


def _processes(plan: Plan) -> list[dict[str, Any]]:
    recipe = plan.recipe
    shared = {"recipe": present(recipe.as_dict()), "bids": plan.layout == "bids"}
    return [{**shared, **place} for place in places(recipe.enhance.device, recipe.workers, recipe.memory_gib)]
