"""Cases to their outcomes by an engine, and the count of them: what a batch and a study do with their plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from medsr.engine.engines import DEFAULT, engine_named
from medsr.engine.job import Assignment
from medsr.engine.leases import sweep_leases
from medsr.engine.outcome import Outcome, Tally
from medsr.engine.plan_file import PlannedCase
from medsr.engine.progress import Count
from medsr.engine.selection import still_to_do
from medsr.engine.store import Store

OnChange = Callable[[Tally, Outcome | None, int], None]
"""Called with the count, the outcome that is new if there is one, and the number of cases in work."""


def work_on(
    assignment: Assignment,
    on_change: OnChange,
    *,
    skipped: int = 0,
    engine: str = DEFAULT,
    options: Any = None,
) -> Tally:
    """Bring cases to their outcomes and count them; what is done already and still true is left as it is.

    Args:
        assignment: Cases that are asked for, and what they share.
        on_change: Called with each change.
        skipped: Number of files that the plan left out.
        engine: Name in `engines.ENGINES`.
        options: The engine's `Options`; None for its defaults.

    Raises:
        MedsrError: the run itself can't go on.
    """
    used = engine_named(engine)
    used.check_installed()
    job, count = assignment.job, Count(assignment.cases)
    left = still_to_do(job, assignment.cases, count, again=assignment.again)
    on_change(count.tally(skipped), None, 0)

    def on_outcome(case: PlannedCase, outcome: Outcome, here: bool) -> None:
        count.add(case, outcome, now=here)
        on_change(count.tally(skipped), outcome if here else None, 0)

    def on_tick(running: int) -> None:
        on_change(count.tally(skipped), None, running)

    if left:
        given = used.options({}) if options is None else options
        used.load().work(replace(assignment, cases=left), given, on_outcome, on_tick)
    _tidy(job.store)
    return count.tally(skipped)


def _tidy(store: Store) -> None:
    """Remove what killed runs left, at the end of a run."""
    states = store.states()
    sweep_leases(store.leases, lambda case: states.get(case) in ("done", "failed"))
    store.sweep_drafts()
