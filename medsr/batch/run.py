"""A run: plan, work, count. The one path for the command line, the pipeline, the viewer and every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from medsr.batch.checks import verdict
from medsr.batch.claims import sweep_claims
from medsr.batch.memory import process_memory
from medsr.batch.outcome import KINDS, Outcome, Tally
from medsr.batch.plan import Plan, Shard, make_plan, write_plan
from medsr.batch.plan_file import PlannedCase
from medsr.batch.progress import Count
from medsr.batch.recipe import BatchRecipe, present
from medsr.batch.sidecars import DESCRIPTION
from medsr.batch.store import FOLDER, Store
from medsr.batch.supervise import Job, Supervisor
from medsr.errors import OutputError, UsageError
from medsr.io import files
from medsr.io.nifti import WRITABLE
from medsr.metrics.gates import case_gates
from medsr.model.weights import describe_model, model_facts, weights_path

WORK = "medsr.batch.stages"
OnChange = Callable[[Tally, Outcome | None, int], None]
"""Called with the count, the outcome that is new if there is one, and the number of cases in work."""


def plan_batch(source: Path, target: Path, recipe: BatchRecipe) -> Plan:
    """The plan of a run; nothing is written.

    Raises:
        InputError: no input there.
        ModelError: no such model.
        UsageError: a recipe or table that can't be used.
    """
    dtype = recipe.enhance.output.dtype
    if dtype is not None and dtype not in WRITABLE:
        raise UsageError(f"dtype is {dtype!r}; expected one of {', '.join(WRITABLE)}")
    if recipe.references is not None and not recipe.references.is_dir():
        raise UsageError(f"{recipe.references}: references must be a folder")
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target}: is a file; name a folder")
    if source.resolve() == target.resolve():
        raise UsageError(f"{target}: is the input itself; name another folder")
    model = recipe.enhance.model
    return make_plan(source, target, recipe, model_facts(model), describe_model(weights_path(model)))


def begin(plan: Plan, target: Path) -> Store:
    """Write the plan where the run will keep its state.

    Raises:
        OutputError: the output folder can't be written.
    """
    store = Store(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(files.unwritable(target, error)) from error
    store.prepare()
    store.put(f"{FOLDER}/{store.plan.name}", lambda draft: write_plan(plan, draft))
    if plan.layout == "bids":
        for name, write in DESCRIPTION.items():
            if not (target / name).exists():
                store.put(name, write)
    return store


def job_of(plan: Plan, store: Store, devices: Sequence[str], module: str = WORK) -> Job:
    """What every case of a run shares, with one process for each worker of each device."""
    recipe = plan.recipe
    places = [device for device in devices for _ in range(recipe.workers)]
    memory = process_memory(recipe, len(places))
    content = present(recipe.as_dict())
    options = [
        {"recipe": content, "device": device, "bids": plan.layout == "bids", "memory_bytes": memory}
        for device in places
    ]
    key = recipe.settings_key
    return Job(store, module, tuple(options), plan.model["sha256"], key, case_gates(recipe.gates), recipe.deadlines)


def chosen(plan: Plan, store: Store, only: Sequence[str], shard: Shard | None) -> list[PlannedCase]:
    """The cases of a run.

    Args:
        plan: of the output folder.
        store: of the output folder.
        only: "failed", or kinds of failures; none means all cases.
        shard: a part of the plan.

    Raises:
        UsageError: no such kind.
    """
    unknown = [kind for kind in only if kind != "failed" and kind not in KINDS[1:]]
    if unknown:
        raise UsageError(f"--only {unknown[0]}: expected failed, or of {', '.join(KINDS[1:])}")
    cases = list(plan.shard(shard))
    if not only:
        return cases
    states = store.states()
    failed = [case for case in cases if states.get(case.case) == "failed"]
    if "failed" in only:
        return failed
    found = ((case, store.read(case.case, "failed")) for case in failed)
    return [case for case, outcome in found if outcome is not None and outcome.kind in only]


def work(
    job: Job, cases: Sequence[PlannedCase], on_change: OnChange, *, skipped: int = 0, again: bool = False
) -> Tally:
    """Work on cases with processes of this machine.

    Args:
        job: what they share.
        cases: of the run.
        on_change: told of everything that changes.
        skipped: number of files that the plan left out.
        again: do what failed a gate again.

    Raises:
        MedsrError: the run itself can't go on.
    """
    count = Count(cases)
    left = still_to_do(job, cases, count, again=again)
    on_change(count.tally(skipped), None, 0)
    if left:

        def on_outcome(case: PlannedCase, outcome: Outcome, here: bool) -> None:
            count.add(case, outcome, now=here)
            on_change(count.tally(skipped), outcome if here else None, 0)

        with Supervisor(job) as supervisor:
            supervisor.run(left, on_outcome, lambda running: on_change(count.tally(skipped), None, running), again)
    tidy(job.store)
    return count.tally(skipped)


def tidy(store: Store) -> None:
    """Remove what killed runs left, at the end of a run."""
    states = store.states()
    sweep_claims(store.claims, lambda case: states.get(case) in ("done", "failed"))
    store.sweep_drafts()


def still_to_do(job: Job, cases: Sequence[PlannedCase], count: Count, *, again: bool) -> list[PlannedCase]:
    """The cases that nothing stands of yet; what stands of the others from earlier runs goes into `count`."""
    left = []
    for case, outcome in standing(job, cases, again=again):
        if outcome is None:
            left.append(case)
        else:
            count.add(case, outcome, now=False)
    return left


def standing(
    job: Job, cases: Iterable[PlannedCase], *, again: bool = False
) -> Iterable[tuple[PlannedCase, Outcome | None]]:
    """Each case with the outcome that it has and that is still true, or None where there is work to do."""
    states = job.store.states()
    for case in cases:
        outcome = None
        if states.get(case.case) == "done" or (states.get(case.case) == "failed" and not again):
            outcome = job.store.recovered(case, job.model_sha256, job.settings_key)
            judged = None if outcome is None else verdict(outcome, job.gates)
            outcome = judged if judged == outcome else None
        yield case, outcome
