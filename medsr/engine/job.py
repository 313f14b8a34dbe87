"""A job is what every case of a run shares; an assignment is the cases of a job that an engine has to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medsr.engine.deadlines import Deadlines
from medsr.engine.outcome import Outcome
from medsr.engine.plan_file import PlannedCase
from medsr.engine.store import Store
from medsr.metrics.gates import Gate

OnOutcome = Callable[[PlannedCase, Outcome, bool], None]
"""Called with a case, its outcome, and whether this run made it: False for what another run kept."""
OnTick = Callable[[int], None]
"""Called now and then with the number of cases in work."""


@dataclass(frozen=True)
class Job:
    """What every case of a run shares.

    Attributes:
        store: State of the output folder.
        module: Dotted name of the module with `start` and `JOBS` (`pipeline`) for the computing processes.
        model_sha256: Hash of the weights; "" where there are none.
        settings_key: Hash of the settings that decide about results.
        gates: Gates that a finished case must keep to pass.
        deadlines: Longest silence of each stage.
    """

    store: Store
    module: str
    model_sha256: str
    settings_key: str
    gates: tuple[Gate, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True)
class Assignment:
    """What an engine has to do.

    Attributes:
        job: What the cases share.
        cases: Cases to bring to an outcome.
        processes: Options for the `start` of each computing process on the machine that calls it.
        command: Arguments of `medsr` that go on with the plan in the output folder; --shard is added to them.
        again: Whether cases that failed a gate are done again, although their files are whole.
    """

    job: Job
    cases: Sequence[PlannedCase]
    processes: Callable[[], Sequence[Mapping[str, Any]]]
    command: tuple[str, ...]
    again: bool = False
