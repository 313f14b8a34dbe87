"""Reports of a run: about the whole plan whatever part of it was worked on, and written although the run broke off."""

from __future__ import annotations

import csv
import json

import pytest
from batches import MODEL, scans

from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.reports import Reports
from medsr.batch.run import begin, run_plan, work_on
from medsr.engine.outcome import Tally

NAMES = [f"good{number}.nii.gz" for number in range(4)]
PART = Tally(2)


@pytest.fixture
def run(tmp_path):
    """A plan of four cases and its output folder."""
    plan = make_plan(scans(tmp_path / "in", NAMES), tmp_path / "out", BatchRecipe(), MODEL)
    return plan, begin(plan, tmp_path / "out")


def test_a_part_of_the_plan_is_reported_as_a_part_of_it(run):
    plan, store = run
    part = plan.shard((1, 2))
    reports = Reports(plan, store, None, whole=False)
    assert work_on(plan, store, reports.changed, shard=(1, 2), module="copying").planned == len(part)
    reports.finish()
    tally = json.loads((store.root / "run.json").read_text())["tally"]
    assert (tally["planned"], tally["done"], tally["left"]) == (4, len(part), 4 - len(part))
    rows = list(csv.DictReader((store.root / "cases.csv").read_text().splitlines()))
    assert {row["case"] for row in rows if row["state"] == "done"} == {case.case for case in part}
    assert f"<title>medsr batch: {len(part)} of 4 done</title>" in (store.root / "index.html").read_text()


def test_a_run_that_breaks_off_leaves_its_reports_and_its_error(run):
    plan, store = run

    def stop(tally, outcome, running):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, store, stop)
    assert json.loads((store.root / "run.json").read_text())["tally"]["left"] == 4
    assert "has ended" in (store.root / "index.html").read_text()


@pytest.mark.parametrize(("only", "shard"), [((), (1, 2)), (("failed",), None)])
def test_a_limited_run_counts_its_part_and_reports_the_whole(run, only, shard, monkeypatch):
    plan, store = run
    monkeypatch.setattr("medsr.batch.run.work_on", lambda plan, store, on_change, **_: on_change(PART, None, 0) or PART)
    assert run_plan(plan, store, only=only, shard=shard) == PART
    assert json.loads((store.root / "run.json").read_text())["tally"]["planned"] == 4
