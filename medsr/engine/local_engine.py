"""The engine of this machine: supervised processes, one for each worker of each device."""

from __future__ import annotations

from dataclasses import dataclass

from medsr.engine.job import Assignment, OnOutcome, OnTick
from medsr.engine.supervise import Supervisor


@dataclass(frozen=True)
class Options:
    """No options: devices, workers and memory stand in recipes."""


def work(assignment: Assignment, options: Options, on_outcome: OnOutcome, on_tick: OnTick) -> None:
    """Work on cases with processes of this machine.

    Args:
        assignment: Cases and what they share.
        options: No options.
        on_outcome: Called with each outcome.
        on_tick: Called twice a second with the number of cases in work.

    Raises:
        OutputError: outcomes can't be kept.
        ResourceError: a device is missing, or a process can't start.
    """
    with Supervisor(assignment.job, assignment.processes()) as supervisor:
        supervisor.run(assignment.cases, on_outcome, on_tick, assignment.again)
