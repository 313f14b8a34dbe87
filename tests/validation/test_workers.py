"""One case that fails, or takes its process with it, costs itself alone."""

from __future__ import annotations

import pytest
import torch
from trial_jobs import measure

from medsr.errors import InputError, ResourceError
from medsr.physics.tasks import TASKS
from medsr.validation.measure import PlannedTrial, ScanFiles
from medsr.validation.recipe import StudyRecipe
from medsr.validation.workers import measure_all


def planned(*scans):
    return [PlannedTrial("", scan, TASKS["iso2"], ScanFiles((scan,)), None, {}) for scan in scans]


def ends(scans, workers):
    return {scans[number]: came for number, came in measure_all(planned(*scans), StudyRecipe(workers=workers), measure)}


@pytest.mark.parametrize("workers", [0, 1])
def test_failures_come_back_as_they_are_and_the_others_go_on(workers):
    found = ends(("a", "unreadable", "bug", "b"), workers)
    assert [found[name].findings.model["name"] for name in ("a", "b")] == ["a", "b"]
    assert isinstance(found["unreadable"], InputError)
    assert str(found["unreadable"]) == "cut.nii: is truncated; copy it again"
    assert isinstance(found["bug"], KeyError)


def test_a_worker_that_dies_costs_its_own_case():
    found = ends(("a", "deadly", "b", "c"), 1)
    assert [found[name].findings.model["name"] for name in ("a", "b", "c")] == ["a", "b", "c"]
    assert isinstance(found["deadly"], ResourceError)
    assert "process died" in str(found["deadly"])


def test_nothing_to_do_starts_no_process():
    assert list(measure_all([], StudyRecipe(workers=2), measure)) == []


@pytest.fixture
def five_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("workers", "threads"), [(0, "5"), (1, "5"), (2, "2")])
def test_workers_share_the_threads_of_this_process_and_one_alone_has_them_all(five_threads, workers, threads):
    """Some processors round the sums of a convolution by the number of threads, so numbers may not depend on where."""
    assert {came.findings.model["threads"] for came in ends(("a", "b"), workers).values()} == {threads}
