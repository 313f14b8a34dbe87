"""Which cases of a plan a run has to do: those asked for, less those whose outcome still holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from medsr.engine.job import Job
from medsr.engine.outcome import KINDS, Outcome
from medsr.engine.plan_file import PlannedCase
from medsr.engine.progress import Count
from medsr.engine.store import Store
from medsr.engine.verdict import verdict
from medsr.errors import UsageError
from medsr.io.names import shard_of

Shard = tuple[int, int]
"""Number of the shard from 1, and how many there are."""


def part_of(cases: Sequence[PlannedCase], shard: Shard | None) -> tuple[PlannedCase, ...]:
    """The cases of one shard: by hash, so that a new case moves no other. None for all of them."""
    if shard is None:
        return tuple(cases)
    return tuple(case for case in cases if shard_of(case.case, shard[1]) == shard[0] - 1)


def chosen(
    cases: Sequence[PlannedCase], store: Store, only: Sequence[str] = (), shard: Shard | None = None
) -> list[PlannedCase]:
    """The cases that are asked for.

    Args:
        cases: All cases of a plan.
        store: State of the output folder.
        only: "failed", or kinds of failures; empty for all cases.
        shard: Part of the plan; None for the whole.

    Raises:
        UsageError: no such kind.
    """
    unknown = [kind for kind in only if kind != "failed" and kind not in KINDS[1:]]
    if unknown:
        raise UsageError(f"--only {unknown[0]}: expected failed, or some of {', '.join(KINDS[1:])}")
    part = list(part_of(cases, shard))
    if not only:
        return part
    states = store.states()
    failed = [case for case in part if states.get(case.case) == "failed"]
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
