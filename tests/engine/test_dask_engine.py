"""What a dask worker keeps between tasks: a warm process, as long as the tasks are of the same job."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from batches import MODEL, scans

from medsr.batch.job import assignment_of, job_of
from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin
from medsr.engine import dask_engine
from medsr.engine.outcome import Outcome

GOOD, NOISY = 0, 1  # in the order of their names


@pytest.fixture(autouse=True)
def warm():
    """The processes that a dask worker would keep, ended at the end."""
    yield dask_engine._supervisors
    for _, supervisor in dask_engine._supervisors.values():
        supervisor.__exit__()
    dask_engine._supervisors.clear()


def test_another_recipe_on_the_same_folder_gets_a_process_of_its_own(tmp_path, warm):
    source = scans(tmp_path / "in", ["good.nii.gz", "noisy.nii.gz"])

    def outcomes(recipe, number):
        plan = make_plan(source, tmp_path / "out", recipe, MODEL)
        job = job_of(plan, begin(plan, tmp_path / "out"), "copying")
        shared = dask_engine.shared_of(assignment_of(plan, job, plan.cases))
        found = dask_engine.work_on_task([asdict(plan.cases[number])], shared)
        return [Outcome.from_json(text).kind for text, _ in found]

    assert outcomes(BatchRecipe(), NOISY) == [""]
    [(_, first)] = warm.values()
    assert outcomes(BatchRecipe(), GOOD) == [""]
    assert [supervisor for _, supervisor in warm.values()] == [first]
    assert outcomes(BatchRecipe(gates=("residual<=1.5",)), NOISY) == ["limit"]
    assert [supervisor for _, supervisor in warm.values()] != [first]
