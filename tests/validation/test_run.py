"""Cases of a study by an engine: one that fails, or takes its process with it, costs itself alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from trial_jobs import MEASURED, TASK, measured, planned_in

from medsr.errors import InputError, MedsrError, ResourceError
from medsr.validation import run
from medsr.validation.measure import PlannedTrial, ScanFiles
from medsr.validation.recipe import StudyRecipe
from medsr.validation.run import Division, run_here, run_kept
from medsr.validation.store import Part

TESTS = Path(__file__).parents[1]
HERE = Division(module="trial_jobs")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Computing processes import `trial_jobs` from here."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


def nobody(*_):
    """Listens to no ending."""


def kept(planned, out, workers=1, division=HERE, on_end=nobody):
    found, _ = run_kept(planned, StudyRecipe(workers=workers), "", out, division, on_end)
    return {one.scan: came for one, came in zip(planned, found, strict=True)}


def names(found):
    return [name for name, came in found.items() if isinstance(came, Part) and came.findings.model["name"] == name]


def lines(folder):
    return sorted((folder / MEASURED).read_text().split())


def test_failures_come_back_as_errors_and_the_others_go_on(tmp_path):
    ends = []
    planned = planned_in(tmp_path / "in", "a", "unreadable", "bug", "b")
    found = kept(planned, tmp_path / "out", on_end=lambda one, came, n, total: ends.append((one.scan, n, total)))
    assert names(found) == ["a", "b"]
    assert type(found["unreadable"]) is InputError
    assert str(found["unreadable"]) == f"{tmp_path}/in/unreadable.nii: is truncated; copy it again"
    assert type(found["bug"]) is MedsrError
    assert "an error of medsr (KeyError: 'nobody meant this')" in str(found["bug"])
    assert sorted(scan for scan, _, _ in ends) == ["a", "b", "bug", "unreadable"]
    assert [(n, total) for _, n, total in ends] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_in_this_process_failures_come_back_as_they_are(monkeypatch):
    def measure(planned, recipe):
        if planned.scan == "bug":
            raise KeyError("nobody meant this")
        return measured(planned)

    monkeypatch.setattr(run, "measure_trial", measure)
    planned = [PlannedTrial("", scan, TASK, ScanFiles((scan,)), None, {}) for scan in ("a", "bug", "b")]
    a, bug, b = run_here(planned, StudyRecipe(), nobody)
    assert [one.findings.model["name"] for one in (a, b)] == ["a", "b"]
    assert isinstance(bug, KeyError)


def test_a_process_that_dies_costs_its_own_case(tmp_path):
    found = kept(planned_in(tmp_path / "in", "a", "deadly", "b", "c"), tmp_path / "out")
    assert names(found) == ["a", "b", "c"]
    assert type(found["deadly"]) is ResourceError
    assert "SIGKILL" in str(found["deadly"])


def test_what_is_kept_is_not_measured_again_and_starts_no_process(tmp_path, monkeypatch):
    planned = planned_in(tmp_path / "in", "a", "b")
    before = kept(planned, tmp_path / "out")
    monkeypatch.setattr("medsr.engine.local_engine.Supervisor", None)
    assert kept(planned, tmp_path / "out") == before
    assert kept([], tmp_path / "out") == {}


def test_an_input_that_changed_since_its_key_was_made_is_not_measured(tmp_path):
    from medsr.validation.job import STAGES

    planned = planned_in(tmp_path / "in", "a")
    Path(planned[0].paths[0]).write_text("another scan")
    found = kept(planned, tmp_path / "out", division=Division(module=STAGES))
    assert type(found["a"]) is InputError
    assert "the input changed while it was read" in str(found["a"])


@pytest.fixture
def five_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("workers", "threads"), [(0, "5"), (1, "5"), (2, "2")])
def test_workers_share_the_threads_of_this_process_and_one_alone_has_them_all(five_threads, tmp_path, workers, threads):
    """Some processors round the sums of a convolution by the number of threads, so numbers may not depend on where."""
    found = kept(planned_in(tmp_path / "in", "a", "b"), tmp_path / "out", workers)
    assert {came.findings.model["threads"] for came in found.values()} == {threads}


def test_shards_make_up_the_whole_and_each_knows_what_the_others_have_kept(tmp_path):
    planned = planned_in(tmp_path / "in", *"abcdef", "unreadable")
    first = kept(planned, tmp_path / "out", division=Division(shard=(1, 2), module="trial_jobs"))
    own = names(first)
    assert 0 < len(own) < 6
    assert all(came is None for name, came in first.items() if name not in (*own, "unreadable"))
    second = kept(planned, tmp_path / "out", division=Division(shard=(2, 2), module="trial_jobs"))
    assert names(second) == list("abcdef")
    assert type(second["unreadable"]) is InputError
    assert lines(tmp_path / "in") == list("abcdef")


def test_runs_on_one_folder_share_the_work(tmp_path):
    planned = planned_in(tmp_path / "in", *"abcdefgh")
    found = []
    others = [threading.Thread(target=lambda: found.append(kept(planned, tmp_path / "out"))) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [names(one) for one in found] == [list("abcdefgh")] * 2
    assert lines(tmp_path / "in") == list("abcdefgh")


def test_a_killed_study_goes_on_where_it_was(tmp_path):
    planned = planned_in(tmp_path / "in", "a", "patient", "b")
    code = (
        "from pathlib import Path; from test_run import kept, planned_in; "
        f"kept(planned_in(Path({str(tmp_path / 'in')!r}), 'a', 'patient', 'b'), Path({str(tmp_path / 'out')!r}), "
        "on_end=lambda one, *_: print(one.scan, flush=True))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent, Path(__file__).parent)))}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "a\n"  # and the next one has no end
        process.kill()
    (tmp_path / "in" / "enough").touch()
    assert names(kept(planned, tmp_path / "out")) == ["a", "patient", "b"]
    assert lines(tmp_path / "in") == ["a", "b", "patient"]
