"""Runs: everything broken is one case's failure, everything finished stays, and nothing is done twice."""

from __future__ import annotations

import shutil

import pytest
from batches import MODEL, copied, leftovers, results, scans

from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, work_on
from medsr.engine.deadlines import Deadlines
from medsr.engine.outcome import Outcome
from medsr.engine.progress import status
from medsr.engine.store import Store
from medsr.errors import UsageError

RETRIED = ["killonce.nii.gz", "memory.nii.gz"]  # they go through with a smaller tile
GOOD = [f"good{number}.nii.gz" for number in range(5)]


def by_name(target, outcomes):
    """Outcomes by the name of their output."""
    from medsr.engine.plan_file import planned, read_lines

    targets = {row["case"]: planned(row).target for row in read_lines(Store(target).plan)[1]}
    return {targets[outcome.case]: outcome for outcome in outcomes}


def test_whatever_befalls_a_case_befalls_no_other(tmp_path):
    bad = ["kill.nii.gz", "readcrash.nii.gz", "memory.nii.gz", "bug.nii.gz", "growing.nii", "killonce.nii.gz"]
    source = scans(tmp_path / "in", [*GOOD, *bad])
    (source / "empty.nii.gz").write_bytes(b"")
    tally, outcomes = copied(source, tmp_path / "out")
    found = by_name(tmp_path / "out", outcomes)
    assert all(found[name].state == "done" for name in [*GOOD, *RETRIED]), found
    assert {name: found[name].kind for name in found if found[name].state == "failed"} == {
        "kill.nii.gz": "oom",
        "readcrash.nii.gz": "crash",
        "bug.nii.gz": "bug",
        "growing.nii": "changed",
        "empty.nii.gz": "unreadable",
    }
    assert (tally.done, tally.failed, tally.left) == (7, 5, 0)
    assert found["kill.nii.gz"].signal == "SIGKILL"
    assert found["kill.nii.gz"].stage == "enhance"
    assert {found[name].attempts for name in ("kill.nii.gz", "readcrash.nii.gz", *RETRIED)} == {2}
    assert found["kill.nii.gz"].peak_memory_bytes > 0
    assert any("Segmentation" in line for line in found["readcrash.nii.gz"].log)
    assert found["bug.nii.gz"].attempts == found["empty.nii.gz"].attempts == 1
    for name, outcome in found.items():
        assert str(tmp_path) not in outcome.reason
        assert name not in outcome.reason
    assert leftovers(tmp_path / "out") == []
    assert set(results(tmp_path / "out")) == {f"{name}{end}" for name in [*GOOD, *RETRIED] for end in ("", ".json")}


def test_a_hung_case_is_ended_after_its_deadline(tmp_path):
    source = scans(tmp_path / "in", ["hang.nii.gz", "good.nii.gz"])
    _, outcomes = copied(source, tmp_path / "out", BatchRecipe(deadlines=Deadlines(enhance=0.2)))
    found = by_name(tmp_path / "out", outcomes)
    assert (found["hang.nii.gz"].kind, found["hang.nii.gz"].stage) == ("timeout", "enhance")
    assert found["good.nii.gz"].state == "done"


def test_what_is_done_stays_and_what_changed_is_done_again(tmp_path):
    source, out = scans(tmp_path / "in", GOOD), tmp_path / "out"
    assert copied(source, out)[0].done == 5
    before = results(out)
    tally, outcomes = copied(source, out)
    assert (tally.done, outcomes) == (5, [])
    (out / "good1.nii.gz").write_bytes(b"damaged")
    (out / "good2.nii.gz").unlink()
    scans(source, ["new.nii.gz", "good3.nii.gz"])
    tally, outcomes = copied(source, out)
    assert set(by_name(out, outcomes)) == {"good1.nii.gz", "good2.nii.gz", "good3.nii.gz", "new.nii.gz"}
    assert tally.done == 6
    assert all(results(out)[name] == before[name] for name in ("good1.nii.gz", "good2.nii.gz"))
    assert results(out)["good3.nii.gz"] == (source / "good3.nii.gz").read_bytes()


def test_a_file_that_was_only_touched_is_not_done_again(tmp_path):
    source, out = scans(tmp_path / "in", GOOD[:2]), tmp_path / "out"
    copied(source, out)
    (source / GOOD[0]).touch()
    (out / GOOD[1]).touch()
    assert copied(source, out)[1] == []


def test_only_failed_does_nothing_else(tmp_path):
    source, out = scans(tmp_path / "in", ["good.nii.gz", "bug.nii.gz", "growing.nii"]), tmp_path / "out"
    copied(source, out)
    (out / "good.nii.gz").unlink()
    for only, names in (("failed", {"bug.nii.gz", "growing.nii"}), ("bug", {"bug.nii.gz"})):
        assert set(by_name(out, copied(source, out, only=[only])[1])) == names
    with pytest.raises(UsageError, match="--only nonsense"):
        copied(source, out, only=["nonsense"])


def test_gates_decide_and_new_gates_need_no_work(tmp_path):
    source, out = scans(tmp_path / "in", ["good.nii.gz", "noisy.nii.gz"]), tmp_path / "out"
    tally, outcomes = copied(source, out, BatchRecipe(gates=("residual<=1.5",)))
    assert (tally.done, tally.kinds) == (1, {"limit": 1})
    assert "residual<=1.5: it is 2" in {outcome.reason for outcome in outcomes}
    assert "noisy.nii.gz" in results(out)
    made = (out / "noisy.nii.gz").stat().st_ino
    assert copied(source, out, BatchRecipe(gates=("residual<=3, envelope==inside",)))[0].done == 2
    assert (out / "noisy.nii.gz").stat().st_ino == made


def test_a_file_of_others_is_never_overwritten(tmp_path):
    source, out = scans(tmp_path / "in", GOOD[:2]), tmp_path / "out"
    out.mkdir()
    (out / GOOD[0]).write_bytes(b"not ours")
    tally, _ = copied(source, out)
    assert (tally.done, tally.kinds) == (1, {"write": 1})
    assert (out / GOOD[0]).read_bytes() == b"not ours"


def test_a_run_that_was_killed_between_listing_and_moving_is_finished_by_the_next(tmp_path):
    source, out = scans(tmp_path / "in", GOOD[:1]), tmp_path / "out"
    copied(source, out)
    store = Store(out)
    (case,) = store.states()
    outcome = store.read(case, "done")
    assert outcome is not None
    before = results(out)
    work = store.new_work(case)
    for written in outcome.written:
        shutil.move(out / written.name, work / "made" / written.name)
    facts = {**outcome.facts, "ending": "done"}
    store.write(Outcome(**{**vars(outcome), "state": "publish", "facts": facts}))
    tally, outcomes = copied(source, out)
    assert (tally.done, outcomes) == (1, [])
    assert results(out) == before
    assert leftovers(out) == []
    assert store.states() == {case: "done"}


def test_an_input_that_vanished_is_the_failure_of_its_case(tmp_path):
    source, out = scans(tmp_path / "in", GOOD[:2]), tmp_path / "out"
    plan = make_plan(source, out, BatchRecipe(), MODEL)
    store = begin(plan, out)
    (source / GOOD[0]).unlink()
    tally = work_on(plan, store, lambda *_: None, module="copying")
    assert (tally.done, tally.kinds) == (1, {"unreadable": 1})


def test_an_output_that_cannot_be_written_is_the_failure_of_its_case(tmp_path):
    source, out = scans(tmp_path / "in", ["a/good.nii.gz", "b/good.nii.gz"]), tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("a file where a folder should be")
    tally, outcomes = copied(source, out)
    assert (tally.done, tally.kinds) == (1, {"write": 1})
    assert status(out)[0].kinds == {"write": 1}
    assert {outcome.stage for outcome in outcomes if outcome.state == "failed"} == {"write"}
