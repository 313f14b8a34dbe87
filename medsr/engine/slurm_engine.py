"""The engine of a Slurm cluster: a job array whose tasks are shards of one plan and keep outcomes in one folder."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsr.engine.store import Store
from medsr.errors import ResourceError, UsageError
from medsr.io import files

if TYPE_CHECKING:
    from medsr.engine.job import Assignment, OnOutcome, OnTick

SCRIPT = "slurm.sh"


@dataclass(frozen=True)
class Options:
    """The job array.

    Attributes:
        tasks: Number of tasks, each of which works on one shard of the plan; at least 1.
        sbatch: Further options for sbatch, such as "--gres=gpu:1".
        print_script: Whether the command line shows the script and does nothing else.

    Raises:
        UsageError: no task, or an option that sbatch would not read.
    """

    tasks: int = 1
    sbatch: Sequence[str] = ()
    print_script: bool = False

    def __post_init__(self) -> None:
        if self.tasks < 1:
            raise UsageError(f"--tasks is {self.tasks}; expected at least 1")
        wrong = [option for option in self.sbatch if not option.startswith("-") or "\n" in option]
        if wrong:
            raise UsageError(f"{wrong[0]!r} is not an option of sbatch; write it like --gres=gpu:1")


def work(assignment: Assignment, options: Options, on_outcome: OnOutcome, on_tick: OnTick) -> None:
    """Send the plan as a job array, wait for it to end, and report what its tasks kept in the output folder.

    Args:
        assignment: Cases and what they share.
        options: Size of the array and options for sbatch.
        on_outcome: Called with each outcome at the end.
        on_tick: Never called: what is in work on other machines is not known here.

    Raises:
        ResourceError: a task ended with an error of the run itself.
        OutputError: the script can't be written.
    """
    store = assignment.job.store
    _run(store, slurm_script(store.root, options, assignment.command))
    for case in assignment.cases:
        outcome = store.outcome(case.case)
        if outcome is not None and outcome.state in ("done", "failed"):
            on_outcome(case, outcome, True)


def slurm_script(target: Path, options: Options, command: Sequence[str]) -> str:
    """The text for `sbatch`: an array whose task i works on shard i of the plan in `target`.

    A task ends well although cases failed, since their outcomes say so, and Slurm would give up the other tasks.

    Args:
        target: Output folder, on a file system that all nodes share.
        options: Size of the array and options for sbatch.
        command: Arguments of `medsr` that go on with the plan; --shard is added to them.
    """
    folder = target.absolute()
    words = [sys.executable, "-m", "medsr.cli", *command]
    head = [
        "--job-name=medsr",
        f"--array=1-{options.tasks}",
        f"--output={_quoted(Store(folder).logs)}/slurm-%A-%a.log",
        *options.sbatch,
    ]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in head),
        f'{shlex.join(words)} --shard "$SLURM_ARRAY_TASK_ID/{options.tasks}" || [ $? -eq 7 ]',
    ]
    return "\n".join(lines) + "\n"


def _run(store: Store, script: str) -> None:
    """Send a script and wait for its array to end."""
    path = store.folder / SCRIPT
    with files.atomic(path) as file:
        file.write(script.encode())
    answer = subprocess.run(["sbatch", "--wait", str(path)], capture_output=True, text=True, check=False)
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or [f"code {answer.returncode}"])[-1]
        raise ResourceError(f"Slurm did not finish every task ({said}); see {store.logs}, then run again")


def _quoted(path: Path) -> str:
    text = str(path)
    return f'"{text}"' if " " in text else text
