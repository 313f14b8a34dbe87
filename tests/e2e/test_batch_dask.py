"""A run on dask's own scheduler and worker processes, of which one is killed while it works."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from batches import MODEL, leftovers, results, scans
from dask_clusters import TESTS, dask_cluster

from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, work_on
from medsr.engine.dask_engine import Options
from medsr.engine.outcome import Outcome, Tally
from medsr.errors import ResourceError

pytest.importorskip("distributed", reason="needs pip install medsr[dask]")
NAMES = [f"{number}.nii.gz" for number in range(20)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    with dask_cluster(tmp_path, n_workers=2) as found:
        yield found


def test_a_killed_worker_costs_nothing(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    address, workers = cluster
    plan = make_plan(
        scans(tmp_path / "in", [*NAMES, "bug.nii.gz", "noisy.nii.gz"]),
        tmp_path / "out",
        BatchRecipe(gates=("residual<=1.5",)),
        MODEL,
    )
    store = begin(plan, tmp_path / "out")
    made: list[str] = []

    def on_change(tally: Tally, outcome: Outcome | None, running: int) -> None:
        if outcome is not None:
            made.append(outcome.case)
            workers[0].kill()

    tally = work_on(plan, store, on_change, engine="dask", options=Options(address), module="copying")
    assert (tally.done, tally.kinds, tally.left) == (20, {"bug": 1, "limit": 1}, 0)
    assert set(made) <= {case.case for case in plan.cases}
    found = results(tmp_path / "out")
    assert all(found[name] == (tmp_path / "in" / name).read_bytes() for name in NAMES)
    assert leftovers(tmp_path / "out") == []
    nobody = Options("tcp://127.0.0.1:1")  # who has nothing to do asks nobody
    part = replace(plan, cases=plan.cases[:3])
    assert work_on(part, store, on_change, engine="dask", options=nobody, module="copying").done == 3


def test_no_scheduler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medsr.engine.dask_engine.CONNECT_S", 0.5)
    plan = make_plan(scans(tmp_path / "in", NAMES[:1]), tmp_path / "out", BatchRecipe(), MODEL)
    store = begin(plan, tmp_path / "out")
    with pytest.raises(ResourceError, match="no dask scheduler answers"):
        work_on(plan, store, lambda *_: None, engine="dask", options=Options("tcp://127.0.0.1:1"), module="copying")
