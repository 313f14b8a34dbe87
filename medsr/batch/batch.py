"""A folder of scans to a folder of finer ones, with a live page and tables: for the command line and pipelines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from medsr.batch.dask_engine import Cluster, work_on_dask
from medsr.batch.outcome import Outcome, Row, Tally
from medsr.batch.plan import Plan, Shard
from medsr.batch.progress import row, rows, status
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import WORK, begin, chosen, job_of, plan_batch, work
from medsr.batch.run_files import write_cases, write_junit_of_run, write_run
from medsr.batch.run_page import write_page
from medsr.batch.slurm import run_slurm
from medsr.batch.store import Store
from medsr.errors import OutputError
from medsr.model.weights import choose_device

PAGE_EVERY_S = 5.0
SHOWN = 300
PATHS = ("model", "references", "include", "exclude")  # keys of a recipe that may name files of the input
OnProgress = Callable[[Tally, Outcome | None, int], None]


def batch(
    source: Path,
    target: Path,
    recipe: BatchRecipe | None = None,
    on_progress: OnProgress | None = None,
    *,
    only: Sequence[str] = (),
    shard: Shard | None = None,
) -> Tally:
    """Enhance every scan of an input; what is done already and still true is left as it is.

    Args:
        source: folder, BIDS data set, DICOM tree, glob, file, or table with a column `input`.
        target: folder of the results, in the same tree; made where it is missing.
        recipe: what is asked of every scan.
        on_progress: called with the count, an outcome where there is a new one, and the cases in work.
        only: "failed" or kinds of failures: nothing but those again.
        shard: (i, n): only the i-th of n parts, from 1.

    Returns:
        The count; `failed` cases are explained in cases.csv and index.html.

    Raises:
        MedsrError: the run itself can't begin or go on; a case never ends the run.
    """
    plan = plan_batch(source, target, recipe or BatchRecipe())
    return run(plan, begin(plan, target), on_progress, only=only, shard=shard)


def run(
    plan: Plan,
    store: Store,
    on_progress: OnProgress | None = None,
    *,
    only: Sequence[str] = (),
    shard: Shard | None = None,
    cluster: Cluster | None = None,
    module: str = WORK,
) -> Tally:
    """Work on a plan that is written, as `batch`; on a dask cluster where one is named."""
    job = job_of(plan, store, devices(plan.recipe.enhance.device), module)
    cases = chosen(plan, store, only, shard)
    page = _Page(plan, store, on_progress, whole=len(cases) == len(plan.cases))
    skipped, again = sum(plan.left_out.values()), bool(only)
    try:
        if cluster is None:
            tally = work(job, cases, page.changed, skipped=skipped, again=again)
        else:
            tally = work_on_dask(job, cases, page.changed, cluster, skipped=skipped, again=again)
    except BaseException:
        with suppress(OutputError):  # the first error says more
            page.finish()
        raise
    page.finish()
    return tally


def run_by_slurm(plan: Plan, store: Store, script: str) -> Tally:
    """Work on a plan that is written by a job array (`slurm.slurm_script`), and wait for it.

    Raises:
        ResourceError: Slurm did not finish it.
    """
    run_slurm(store, script)
    page = _Page(plan, store, None, whole=False)
    page.changed(status(store.root)[0], None, 0)
    page.finish()
    return status(store.root)[0]


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


class _Page:
    """Keeps the page of a run fresh, and writes the tables at its end."""

    def __init__(self, plan: Plan, store: Store, on_progress: OnProgress | None, *, whole: bool) -> None:
        self._plan, self._store, self._on_progress, self._whole = plan, store, on_progress, whole
        self._written = 0.0
        self._tally: Tally | None = None

    def changed(self, tally: Tally, outcome: Outcome | None, running: int) -> None:
        self._tally = tally
        if self._on_progress is not None:
            self._on_progress(tally, outcome, running)
        if time.monotonic() - self._written > PAGE_EVERY_S:
            with suppress(OutputError):  # a full disk ends cases, not the run
                self._write_page(self._of_all(tally), running=True)
            self._written = time.monotonic()

    def finish(self) -> None:
        if self._tally is not None:
            tally = self._of_all(self._tally)
            self._write_page(tally, running=False)
            write_tables(self._plan, self._store, tally)

    def _of_all(self, tally: Tally) -> Tally:
        """The count of the whole plan: a shard's is not what the page is about."""
        return tally if self._whole else status(self._store.root)[0]

    def _write_page(self, tally: Tally, *, running: bool) -> None:
        model = f"{self._plan.model['name']} {self._plan.model['version']}"
        shown = rows(self._plan.cases, self._store, SHOWN)
        self._store.put("index.html", lambda draft: write_page(draft, tally, shown, model, running=running))


def write_tables(plan: Plan, store: Store, tally: Tally) -> None:
    """Write run.json, cases.csv and junit.xml of all that is known of a plan's cases.

    Raises:
        OutputError: they can't be written.
    """
    settings = {key: value for key, value in plan.recipe.as_dict().items() if key not in PATHS}
    store.put("run.json", lambda draft: write_run(draft, tally, plan.model, settings))
    store.put("cases.csv", lambda draft: write_cases(draft, _all_rows(plan, store)))
    store.put("junit.xml", lambda draft: write_junit_of_run(draft, _all_rows(plan, store), tally.seconds))


def _all_rows(plan: Plan, store: Store) -> Iterator[Row]:
    return (row(case, store) for case in plan.cases)
