"""The engine of a Slurm cluster: the script as one can read it before it is sent, and what a run makes of the array."""

import sys
from pathlib import Path

import pytest
from batches import MODEL, copied, scans

from medsr.batch.job import resuming
from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, work_on
from medsr.engine.slurm_engine import Options, slurm_script
from medsr.errors import ResourceError, UsageError


def sbatch_that_runs(folder, monkeypatch, command):
    """Put a program sbatch in the way that does one thing with the script it gets."""
    folder.mkdir()
    (folder / "sbatch").write_text(f"#!/bin/sh\n{command}\n")
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_the_script_says_what_is_done():
    options = Options(4, ["--gres=gpu:1", "--time=8:00:00"])
    assert slurm_script(Path("/data/my out"), options, resuming(Path("/data/my out"), ["failed"])) == (
        "#!/bin/bash\n"
        "#SBATCH --job-name=medsr\n"
        "#SBATCH --array=1-4\n"
        '#SBATCH --output="/data/my out/.medsr/logs"/slurm-%A-%a.log\n'
        "#SBATCH --gres=gpu:1\n"
        "#SBATCH --time=8:00:00\n"
        f"{sys.executable} -m medsr.cli batch resume '/data/my out' --progress none --only failed "
        '--shard "$SLURM_ARRAY_TASK_ID/4" || [ $? -eq 7 ]\n'
    )


@pytest.mark.parametrize(("tasks", "options"), [(0, []), (1, ["gres=gpu:1"]), (1, ["--x\nrm"])])
def test_an_array_that_slurm_would_not_take_is_refused(tasks, options):
    with pytest.raises(UsageError):
        Options(tasks, options)


def test_outcomes_that_the_tasks_kept_are_those_of_the_run(tmp_path, monkeypatch):
    source, out = scans(tmp_path / "in", ["good.nii.gz", "bug.nii.gz"]), tmp_path / "out"
    plan = make_plan(source, out, BatchRecipe(), MODEL)
    store = begin(plan, out)
    ready = tmp_path / "cases"  # what tasks on other nodes would keep, made before and put into place by sbatch
    copied(source, out)
    (store.folder / "cases").rename(ready)
    (store.folder / "cases").mkdir()
    sbatch_that_runs(tmp_path / "bin", monkeypatch, f'cp "$2" {tmp_path}/sent && cp {ready}/* {store.folder}/cases')
    outcomes = []
    tally = work_on(plan, store, lambda tally, outcome, running: outcomes.append(outcome), engine="slurm")
    assert (tally.done, tally.kinds, tally.left) == (1, {"bug": 1}, 0)
    assert sorted(outcome.state for outcome in outcomes if outcome is not None) == ["done", "failed"]
    assert (tmp_path / "sent").read_text() == slurm_script(out, Options(), resuming(out))


def test_an_array_that_breaks_ends_the_run_with_what_slurm_said(tmp_path, monkeypatch):
    plan = make_plan(scans(tmp_path / "in", ["good.nii.gz"]), tmp_path / "out", BatchRecipe(), MODEL)
    sbatch_that_runs(tmp_path / "bin", monkeypatch, "echo 'sbatch: error: no partition' >&2; exit 1")
    with pytest.raises(ResourceError, match="no partition"):
        work_on(plan, begin(plan, tmp_path / "out"), lambda *_: None, engine="slurm")
