"""A run as a Slurm job array: each task is a shard, every one keeps its outcomes in the same output folder."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from medsr.batch.store import Store
from medsr.errors import ResourceError, UsageError
from medsr.io import files

SCRIPT = "slurm.sh"


def slurm_script(target: Path, n_tasks: int, options: Sequence[str] = (), only: str = "") -> str:
    """The text for `sbatch`: an array whose task i works on shard i of `n_tasks` of the plan in `target`.

    Failed cases are told by their outcomes and not by the task's exit code, so that Slurm doesn't give up the others.

    Args:
        target: output folder, on a file system that all nodes share.
        n_tasks: at least 1.
        options: further ones for sbatch, such as "--gres=gpu:1".
        only: as `medsr batch resume --only`.

    Raises:
        UsageError: no task, or an option that sbatch would not read.
    """
    if n_tasks < 1:
        raise UsageError(f"{n_tasks} tasks; expected at least 1")
    wrong = [option for option in options if not option.startswith("-") or "\n" in option]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no option of sbatch; write it like --gres=gpu:1")
    folder = target.absolute()
    command = [sys.executable, "-m", "medsr.cli", "batch", "resume", str(folder), "--progress", "none"]
    command += ["--only", only] if only else []
    head = [
        "--job-name=medsr",
        f"--array=1-{n_tasks}",
        f"--output={_quoted(Store(folder).logs)}/slurm-%A-%a.log",
        *options,
    ]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in head),
        f'{shlex.join(command)} --shard "$SLURM_ARRAY_TASK_ID/{n_tasks}" || [ $? -eq 7 ]',
    ]
    return "\n".join(lines) + "\n"


def run_slurm(store: Store, script: str) -> None:
    """Send a script and wait for its array to end.

    Raises:
        ResourceError: sbatch is missing, or a task ended with an error that is no case's.
        OutputError: the script can't be written.
    """
    path = store.folder / SCRIPT
    with files.atomic(path) as file:
        file.write(script.encode())
    try:
        answer = subprocess.run(["sbatch", "--wait", str(path)], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ResourceError(
            "sbatch is not here; run on a machine that sends jobs to Slurm, or --print-script"
        ) from error
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or [f"code {answer.returncode}"])[-1]
        raise ResourceError(f"Slurm did not finish every task ({said}); see {store.logs}, then run again")


def _quoted(path: Path) -> str:
    text = str(path)
    return f'"{text}"' if " " in text else text
