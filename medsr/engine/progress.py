"""How far a run is: counted while it goes on, or read from what it has kept. Light to import."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from medsr.engine.outcome import Outcome, Row, Tally, kinds_of
from medsr.engine.plan_file import PlannedCase, read_lines
from medsr.engine.store import Store


@dataclass
class Count:
    """The count of a run as it goes on.

    Attributes:
        cases: Cases of this run.
        began: Start of the run on the monotonic clock.
        done: Number of cases that are finished.
        kinds: Number of failures by kind.
        voxels_done: Result voxels of all cases that ended.
        voxels_before: Result voxels of the cases that ended before this run or in another one.
    """

    cases: Sequence[PlannedCase]
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    voxels_done: int = 0
    voxels_before: int = 0

    @cached_property
    def voxels(self) -> int:
        """Number of result voxels of all cases that can be worked on."""
        return sum(case.voxels for case in self.cases if not case.problem)

    def add(self, case: PlannedCase, outcome: Outcome, *, now: bool = True) -> None:
        """One more ending, of this run or of an earlier one."""
        if outcome.state == "done":
            self.done += 1
        else:
            self.kinds[outcome.kind] = self.kinds.get(outcome.kind, 0) + 1
        if not case.problem:
            self.voxels_done += case.voxels
            self.voxels_before += 0 if now else case.voxels

    def tally(self, skipped: int) -> Tally:
        """The count as it stands.

        Args:
            skipped: Number of files that the plan left out.
        """
        return Tally(
            planned=len(self.cases),
            done=self.done,
            failed=sum(self.kinds.values()),
            skipped=skipped,
            voxels_planned=self.voxels,
            voxels_done=self.voxels_done,
            seconds=time.monotonic() - self.began,
            voxels_now=self.voxels_done - self.voxels_before,
            kinds=dict(self.kinds),
        )


def rows(cases: Sequence[PlannedCase], store: Store, limit: int) -> list[Row]:
    """Cases as reports show them: failures first, then some results, at most `limit` of either."""
    states = store.states()
    failed = [case for case in cases if states.get(case.case) == "failed"]
    done = [case for case in cases if states.get(case.case) == "done"]
    return [row(case, store) for case in [*failed[:limit], *done[-limit:]]]


def row(case: PlannedCase, store: Store) -> Row:
    """One case as reports show it."""
    outcome = store.outcome(case.case)
    thumbnail = store.thumbnail(case.case)
    picture = thumbnail.relative_to(store.root).as_posix() if thumbnail.exists() else ""
    return Row(case.case, "planned" if outcome is None else outcome.state, case.shown, outcome, picture)


def status(target: Path) -> tuple[Tally, list[Outcome]]:
    """How far the run in an output folder is: the count, and the outcomes of what failed.

    Raises:
        InputError: no run there.
    """
    store = Store(target)
    head, cases = read_lines(store.plan)
    states = store.states()
    ended = [case for case in cases if states.get(case["case"]) in ("done", "failed")]
    failures = [store.read(case["case"], "failed") for case in ended if states[case["case"]] == "failed"]
    known = [outcome for outcome in failures if outcome is not None]
    tally = Tally(
        planned=len(cases),
        done=sum(states[case["case"]] == "done" for case in ended),
        failed=len(failures),
        skipped=sum(head.left_out.values()),
        voxels_planned=sum(case["voxels"] for case in cases if not case["problem"]),
        voxels_done=sum(case["voxels"] for case in ended if not case["problem"]),
        kinds=kinds_of(known),
    )
    return tally, known
