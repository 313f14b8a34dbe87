"""A job is what every case of a run shares; an assignment is the cases of a job that an engine has to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medsr.batch.memory import process_memory
from medsr.batch.outcome import Outcome
from medsr.batch.plan import Plan
from medsr.batch.plan_file import PlannedCase
from medsr.batch.recipe import Deadlines, present
from medsr.batch.store import Store
from medsr.metrics.gates import Gate, case_gates
from medsr.model.weights import choose_device

STAGES = "medsr.batch.stages"
OnOutcome = Callable[[PlannedCase, Outcome, bool], None]
"""Called with a case, its outcome, and whether this run made it: False for what another run kept."""
OnTick = Callable[[int], None]
"""Called now and then with the number of cases in work."""


@dataclass(frozen=True)
class Job:
    """What every case of a run shares.

    Attributes:
        store: State of the output folder.
        module: Dotted name of the module with `start` and `JOBS` (`pipeline`) for the computing processes.
        model_sha256: Hash of the weights.
        settings_key: Hash of the recipe's settings that decide about results.
        gates: Gates that a finished case must keep to pass.
        deadlines: Longest silence of each stage.
    """

    store: Store
    module: str
    model_sha256: str
    settings_key: str
    gates: tuple[Gate, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True)
class Assignment:
    """What an engine has to do.

    Attributes:
        plan: Plan of the output folder, with the recipe.
        job: What the cases share.
        cases: Cases that have no outcome yet.
        only: "failed", or the kinds of failures to which the run is limited; empty for all cases.
    """

    plan: Plan
    job: Job
    cases: Sequence[PlannedCase]
    only: tuple[str, ...] = ()

    @property
    def again(self) -> bool:
        """Whether cases that failed a gate are done again, although their files are whole."""
        return bool(self.only)


def job_of(plan: Plan, store: Store, module: str = STAGES) -> Job:
    """The job of a plan.

    Args:
        plan: Plan of the output folder.
        store: State of the output folder.
        module: Module for the computing processes.
    """
    recipe = plan.recipe
    return Job(store, module, plan.model["sha256"], recipe.settings_key, case_gates(recipe.gates), recipe.deadlines)


def process_options(plan: Plan) -> list[Mapping[str, Any]]:
    """Options for the `start` of each computing process on this machine: one for each worker of each device.

    Raises:
        ResourceError: no such device.
    """
    recipe = plan.recipe
    places = [device for device in devices(recipe.enhance.device) for _ in range(recipe.workers)]
    shared = {
        "recipe": present(recipe.as_dict()),
        "bids": plan.layout == "bids",
        "memory_bytes": process_memory(recipe, len(places)),
    }
    return [{**shared, "device": device} for device in places]


def devices(name: str) -> list[str]:
    """The devices of a name: each CUDA device for "auto" and "cuda", or what stands between commas.

    Raises:
        ResourceError: no such device.
    """
    if name not in ("auto", "cuda"):
        return [str(choose_device(part.strip())) for part in name.split(",")]
    first = choose_device(name)
    if first.type != "cuda":
        return [first.type]
    from torch.cuda import device_count

    return [f"cuda:{number}" for number in range(device_count())]
