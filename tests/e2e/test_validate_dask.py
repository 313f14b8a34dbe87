"""A study on dask's own scheduler and worker processes, of which one is killed while it works."""

from __future__ import annotations

from pathlib import Path

import pytest
from dask_clusters import TESTS, dask_cluster
from trial_jobs import MEASURED, planned_in

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
