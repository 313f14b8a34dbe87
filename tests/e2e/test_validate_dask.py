"""A study on dask's own scheduler and worker processes, of which one is killed while it works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from dask_clusters import TESTS, dask_cluster
from trial_jobs import MEASURED, planned_in

from medsr.engine import dask_engine
from medsr.engine.dask_engine import Options
from medsr.errors import InputError
from medsr.validation.measure import PlannedTrial
from medsr.validation.recipe import StudyRecipe
from medsr.validation.run import Division, Ending, run_kept
from medsr.validation.store import Part

pytest.importorskip("distributed", reason="needs pip install medsr[dask]")


def test_a_killed_worker_costs_no_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    planned = planned_in(tmp_path / "in", *"abcdefgh", "unreadable")
    with dask_cluster(tmp_path, n_workers=2) as (address, workers):

        def on_end(one: PlannedTrial, came: Ending, n_ended: int, n_cases: int) -> None:
            workers[0].kill()

        division = Division("dask", Options(address), module="trial_jobs")
        found, n_before = run_kept(planned, StudyRecipe(), "", tmp_path / "out", division, on_end)
        assert n_before == 0
        *done, failed = found
        assert [one.findings.model["name"] for one in done if isinstance(one, Part)] == list("abcdefgh")
        assert type(failed) is InputError
        assert set((tmp_path / "in" / MEASURED).read_text().split()) == set("abcdefgh")
        again, n_before = run_kept(planned[:8], StudyRecipe(), "", tmp_path / "out", division, on_end)
        assert (again, n_before) == (done, 8)


def test_a_result_that_is_lost_with_its_worker_before_it_is_fetched_is_computed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    planned = planned_in(tmp_path / "in", *"abcd")
    finished, lost = dask_engine._finished, []

    def finished_and_lost(futures: Sequence[Any]) -> Iterator[Any]:
        """The futures as they end, the first of them once the worker that holds its result is dead."""
        for future in finished(futures):
            if not lost:
                (holder,) = future.client.who_has([future])[future.key]
                os.kill(future.client.run(os.getpid, workers=[holder])[holder], signal.SIGKILL)
                while future.status == "finished":
                    future.client.scheduler_info()
                lost.append(future.key)
            yield future

    monkeypatch.setattr(dask_engine, "_finished", finished_and_lost)
    with dask_cluster(tmp_path, n_workers=2) as (address, _):
        division = Division("dask", Options(address), module="trial_jobs")
        found, _ = run_kept(planned, StudyRecipe(), "", tmp_path / "out", division, lambda *_: None)
    assert len(lost) == 1
    assert [one.findings.model["name"] for one in found if isinstance(one, Part)] == list("abcd")
