"""Which cases of a plan a run has to do: those asked for, less those whose outcome still holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from medsr.batch.checks import verdict
from medsr.batch.job import Job
from medsr.batch.outcome import KINDS, Outcome
from medsr.batch.plan import Plan, Shard
from medsr.batch.plan_file import PlannedCase
from medsr.batch.progress import Count
from medsr.batch.store import Store
from medsr.errors import UsageError


def chosen(plan: Plan, store: Store, only: Sequence[str] = (), shard: Shard | None = None) -> list[PlannedCase]:
    """The cases that are asked for.

    Args:
        plan: Plan of the output folder.
        store: State of the output folder.
        only: "failed", or kinds of failures; empty for all cases.
        shard: Part of the plan; None for the whole.

    Raises:
        UsageError: no such kind.
    """
    unknown = [kind for kind in only if kind != "failed" and kind not in KINDS[1:]]
    if unknown:
        raise UsageError(f"--only {unknown[0]}: expected failed, or some of {', '.join(KINDS[1:])}")
    cases = list(plan.shard(shard))
    if not only:
        return cases
    states = store.states()
    failed = [case for case in cases if states.get(case.case) == "failed"]
    if "failed" in only:
        return failed
    found = ((case, store.read(case.case, "failed")) for case in failed)
    return [case for case, outcome in found if outcome is not None and outcome.kind in only]


def still_to_do(job: Job, cases: Iterable[PlannedCase], count: Count, *, again: bool) -> list[PlannedCase]:
    """The cases without an outcome that holds; the outcomes of the others go into `count`.

    Args:
        job: What the cases share.
        cases: Cases that are asked for.
        count: Count of the run.
        again: Whether failed cases are done again.
    """
    left = []
    for case, outcome in _standing(job, cases, again=again):
        if outcome is None:
            left.append(case)
        else:
            count.add(case, outcome, now=False)
    return left


def _standing(job: Job, cases: Iterable[PlannedCase], *, again: bool) -> Iterator[tuple[PlannedCase, Outcome | None]]:
    """Each case with the outcome that it has and that is still true, or None where there is work to do."""
    states = job.store.states()
    for case in cases:
        outcome = None
        if states.get(case.case) == "done" or (states.get(case.case) == "failed" and not again):
            outcome = job.store.recovered(case, job.model_sha256, job.settings_key)
            judged = None if outcome is None else verdict(outcome, job.gates)
            outcome = judged if judged == outcome else None
        yield case, outcome
