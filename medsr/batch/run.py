"""A run from its input to its reports: plan, work by an engine, pages and tables.

The one path for the command line (`plan_batch`, `begin`, `run_plan`), pipelines (`batch`), the viewer and every engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from medsr.batch.job import STAGES, assignment_of, job_of
from medsr.batch.plan import Plan, make_plan, write_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.reports import Reports
from medsr.batch.sidecars import description_of
from medsr.engine.engines import DEFAULT
from medsr.engine.outcome import Tally
from medsr.engine.selection import Shard, chosen
from medsr.engine.store import FOLDER, Store
from medsr.engine.work import OnChange
from medsr.engine.work import work_on as engine_work
from medsr.errors import InputError, OutputError, UsageError
from medsr.io import files
from medsr.io.formats import WRITABLE, titles
from medsr.model.weights_file import describe_model, model_facts, weights_path

MAX_REASONS = 6  # named in one message


def batch(
    source: Path,
    target: Path,
    recipe: BatchRecipe | None = None,
    on_progress: OnChange | None = None,
    *,
    only: Sequence[str] = (),
    shard: Shard | None = None,
) -> Tally:
    """Enhance every scan of an input; what is done already and still true is left as it is.

    Args:
        source: Folder, BIDS data set, DICOM tree, glob, file, or table with a column `input`.
        target: Folder for the results, in the same tree; made where it is missing.
        recipe: What is asked of every scan; None for the defaults.
        on_progress: Called with the count, an outcome where there is a new one, and the number of cases in work.
        only: "failed" or kinds of failures, to do those again and nothing else; empty for all cases.
        shard: Number of a part of the plan, from 1, and how many parts there are; None for the whole.

    Returns:
        The count; `failed` cases are explained in cases.csv and index.html.

    Raises:
        MedsrError: the run itself can't begin or go on; a case never ends the run.
    """
    plan = plan_batch(source, target, recipe or BatchRecipe())
    return run_plan(plan, begin(plan, target), on_progress, only=only, shard=shard)


def plan_batch(source: Path, target: Path, recipe: BatchRecipe) -> Plan:
    """The plan of a run; nothing is written.

    Args:
        source: Folder, BIDS data set, DICOM tree, glob, file, or table with a column `input`.
        target: Folder for the results.
        recipe: What is asked of every scan.

    Raises:
        InputError: no input there, or no scan in it.
        ModelError: no such model.
        OutputError: the target is a file.
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
    plan = make_plan(source, target, recipe, model_facts(model), describe_model(weights_path(model)))
    if not plan.cases:
        reasons = list(plan.left_out.items())
        said = "; ".join(f"{count} x {reason}" for reason, count in reasons[:MAX_REASONS])
        raise InputError(f"{source}: no scan in {sum(plan.left_out.values())} files ({said}); expected {titles()}")
    return plan


def begin(plan: Plan, target: Path) -> Store:
    """Write the plan where the run will keep its state.

    Args:
        plan: Plan of the run.
        target: Folder for the results.

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
        for name, write in description_of(target, plan.cases).items():
            if not (target / name).exists():
                store.put(name, write)
    return store


def run_plan(
    plan: Plan,
    store: Store,
    on_progress: OnChange | None = None,
    *,
    only: Sequence[str] = (),
    shard: Shard | None = None,
    engine: str = DEFAULT,
    options: Any = None,
) -> Tally:
    """Work on a plan that is written, with a page that follows and tables at the end.

    Args:
        plan: Plan of the output folder.
        store: State of the output folder.
        on_progress: As for `batch`.
        only: As for `batch`.
        shard: As for `batch`.
        engine: Name in `engines.ENGINES`.
        options: The engine's `Options`; None for its defaults.

    Raises:
        MedsrError: the run itself can't go on.
    """
    reports = Reports(plan, store, on_progress, whole=not only and shard is None)
    try:
        tally = work_on(plan, store, reports.changed, only=only, shard=shard, engine=engine, options=options)
    except BaseException:
        with suppress(OutputError):  # the first error says more
            reports.finish()
        raise
    reports.finish()
    return tally


def work_on(
    plan: Plan,
    store: Store,
    on_change: OnChange,
    *,
    only: Sequence[str] = (),
    shard: Shard | None = None,
    engine: str = DEFAULT,
    options: Any = None,
    module: str = STAGES,
) -> Tally:
    """Bring the cases of a plan to their outcomes and count them, without pages and tables.

    Args:
        plan: Plan of the output folder.
        store: State of the output folder.
        on_change: Called with each change, as `on_progress` of `batch`.
        only: As for `batch`.
        shard: As for `batch`.
        engine: Name in `engines.ENGINES`.
        options: The engine's `Options`; None for its defaults.
        module: Module for the computing processes.

    Raises:
        MedsrError: the run itself can't go on.
    """
    job = job_of(plan, store, module)
    assignment = assignment_of(plan, job, chosen(plan.cases, store, only, shard), only)
    return engine_work(assignment, on_change, skipped=sum(plan.left_out.values()), engine=engine, options=options)
