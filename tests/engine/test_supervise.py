"""Cases that several runs share: what was made under a lost lease is thrown away."""

from __future__ import annotations

import os

import pytest
from batches import copied, leftovers, results, scans

from medsr.batch.recipe import BatchRecipe
from medsr.engine.deadlines import Deadlines
from medsr.engine.leases import Lease
from medsr.engine.store import Store

NAME = "good.nii.gz"


@pytest.fixture
def published(monkeypatch):
    """Every result that is published."""
    seen = []
    publish = Store.publish

    def watched(self, case, outcome, work):
        seen.append(outcome)
        return publish(self, case, outcome, work)

    monkeypatch.setattr(Store, "publish", watched)
    return seen


def lost_at_first(monkeypatch, meanwhile):
    """The first lease is lost when its case is finished; `meanwhile` is what the other run does."""
    asked = []

    def is_lost(self):
        asked.append(self)
        if len(asked) == 1:
            meanwhile()
        return len(asked) == 1

    monkeypatch.setattr(Lease, "is_lost", property(is_lost))
    return asked


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="cases meet at a named pipe")
@pytest.mark.parametrize("names", [["meet1", "meet2"], ["a_meet1", "between", "meet2"]])
def test_processes_share_the_last_cases_instead_of_one_reading_ahead(tmp_path, names):
    source = scans(tmp_path / "in", [f"{name}.nii.gz" for name in names])
    os.mkfifo(tmp_path / "pipe")
    _, outcomes = copied(source, tmp_path / "out", BatchRecipe(workers=2, deadlines=Deadlines(enhance=20)))
    assert [(outcome.state, outcome.attempts) for outcome in outcomes] == [("done", 1)] * len(names)


def test_what_was_made_under_a_lost_lease_is_not_published_and_the_case_is_done_again(tmp_path, monkeypatch, published):
    source, out = scans(tmp_path / "in", [NAME]), tmp_path / "out"
    before = []
    asked = lost_at_first(monkeypatch, lambda: before.extend(results(out)))
    tally, outcomes = copied(source, out)
    assert len(asked) == 2
    assert before == []
    assert (tally.done, len(published), len(outcomes)) == (1, 1, 1)
    assert results(out)[NAME] == (source / NAME).read_bytes()
    assert leftovers(out) == []


def test_what_the_run_published_that_took_the_case_over_stays(tmp_path, monkeypatch, published):
    source, out, other = scans(tmp_path / "in", [NAME]), tmp_path / "out", tmp_path / "other"
    copied(source, other)
    [case] = Store(other).states()
    published.clear()

    def taken_over():
        outcome = Store(other).read(case, "done")
        for written in outcome.written:
            (other / written.name).rename(out / written.name)
        Store(out).write(outcome)

    lost_at_first(monkeypatch, taken_over)
    tally, outcomes = copied(source, out)
    assert (tally.done, published, outcomes) == (1, [], [])
    assert leftovers(out) == []
