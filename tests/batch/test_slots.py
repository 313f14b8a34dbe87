"""Lanes: what happens to the process is told to the cases in it."""

from __future__ import annotations

import os
import queue
import select
import signal

import pytest
from batches import MODEL, scans

from medsr.batch.claims import Claim
from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe, Deadlines
from medsr.batch.run import begin
from medsr.batch.slots import Flight, Lane

LONG_S = 60  # a test that waits this long has failed


@pytest.fixture
def flights(tmp_path):
    """Two cases on their way."""
    source, target = scans(tmp_path / "in", ["first.nii.gz", "second.nii.gz"]), tmp_path / "out"
    plan = make_plan(source, target, BatchRecipe(), MODEL)
    store = begin(plan, target)
    return [Flight(case, Claim(store.claims, case.case), store.new_work(case.case)) for case in plan.cases]


@pytest.fixture
def lane(tmp_path):
    """A lane of cases that are copied."""
    made = Lane("copying", {}, tmp_path / "log", Deadlines(), queue.SimpleQueue())
    yield made
    made.close()


def heard_until(lane, flight, job, kind):
    """Hear news until this one comes."""
    while True:
        news = lane.news.get(timeout=LONG_S)
        lane.heard(news)
        if (news.flight, news.job, news.event.kind) == (flight, job, kind):
            return news


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for the end of a process without reaping it")
@pytest.mark.parametrize("job", ["write", "read"])
def test_a_death_between_two_jobs_is_told_and_no_new_process_gets_the_second(lane, flights, job):
    first, second = flights
    lane.take(first)
    heard_until(lane, first, "enhance", "done")
    child = os.pidfd_open(lane.pid)
    os.kill(lane.pid, signal.SIGKILL)
    assert select.select([child], [], [], LONG_S)[0]
    os.close(child)
    if job == "read":
        lane.take(second)
        heard_until(lane, second, "read", "died")
    else:
        lane.follow(first)
        heard_until(lane, first, "write", "died")
    assert lane.emptied() == ([first, second] if job == "read" else [first])
    lane.take(second)
    heard_until(lane, second, "enhance", "done")
