"""The script for Slurm, as one can read it before it is sent."""

import sys
from pathlib import Path

import pytest

from medsr.batch.slurm import run_slurm, slurm_script
from medsr.batch.store import Store
from medsr.errors import ResourceError, UsageError


def test_the_script_says_what_is_done():
    assert slurm_script(Path("/data/my out"), 4, ["--gres=gpu:1", "--time=8:00:00"], only="failed") == (
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
def test_what_is_no_script_is_refused(tasks, options):
    with pytest.raises(UsageError):
        slurm_script(Path("out"), tasks, options)


def test_a_machine_without_slurm_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    store = Store(tmp_path)
    store.prepare()
    with pytest.raises(ResourceError, match="sbatch is not here"):
        run_slurm(store, slurm_script(tmp_path, 1))
