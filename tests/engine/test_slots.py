"""Slots: what happens to a process reaches the cases in it."""

from __future__ import annotations

import os
import queue
import select
import signal

import pytest
from batches import MODEL, scans

from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin
from medsr.engine.deadlines import Deadlines
from medsr.engine.leases import Lease
from medsr.engine.slots import CaseInFlight, WorkerSlot

LONG_S = 60  # a test that waits this long has failed


@pytest.fixture
def in_flight(tmp_path):
    """Two cases on their way."""
    source, target = scans(tmp_path / "in", ["first.nii.gz", "second.nii.gz"]), tmp_path / "out"
    plan = make_plan(source, target, BatchRecipe(), MODEL)
    store = begin(plan, target)
    return [CaseInFlight(case, Lease(store.leases, case.case), store.new_work(case.case)) for case in plan.cases]


@pytest.fixture
def slot(tmp_path):
    """A slot whose process copies."""
    made = WorkerSlot("copying", {}, tmp_path / "log", Deadlines(), queue.SimpleQueue())
    yield made
    made.close()


def noted_until(slot, active, job, kind):
    """Note events until this one comes."""
    while True:
        event = slot.events.get(timeout=LONG_S)
        slot.note(event)
        if (event.active, event.job, event.kind) == (active, job, kind):
            return


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for the end of a process without reaping it")
@pytest.mark.parametrize("job", ["write", "read"])
def test_a_death_between_two_jobs_is_told_and_no_new_process_gets_the_second(slot, in_flight, job):
    first, second = in_flight
    slot.take(first)
    noted_until(slot, first, "enhance", "done")
    child = os.pidfd_open(slot.pid)
    os.kill(slot.pid, signal.SIGKILL)
    assert select.select([child], [], [], LONG_S)[0]
    os.close(child)
    if job == "read":
        slot.take(second)
        noted_until(slot, second, "read", "died")
    else:
        slot.follow(first)
        noted_until(slot, first, "write", "died")
    assert slot.emptied() == ([first, second] if job == "read" else [first])
    slot.take(second)
    noted_until(slot, second, "enhance", "done")
