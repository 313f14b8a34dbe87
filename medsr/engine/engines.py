"""The table of engines, which say where the cases of a run are worked on. Light to import.

To add one, write a module with two names and give it a line in `ENGINES`:

    Options                                        frozen dataclass of the options that the engine takes, each called
                                                   as on the command line
    work(assignment, options, on_outcome, on_tick) brings the cases of a `job.Assignment` to their outcomes and calls
                                                   `on_outcome` once for each
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

from medsr.errors import ResourceError, UsageError

if TYPE_CHECKING:
    from medsr.engine.job import Assignment, OnOutcome, OnTick


class EngineModule(Protocol):
    """The module of an engine."""

    Options: type[Any]

    def work(self, assignment: Assignment, options: Any, on_outcome: OnOutcome, on_tick: OnTick) -> None:
        """Bring every case to an outcome.

        Args:
            assignment: Cases and what they share.
            options: The engine's `Options`.
            on_outcome: Called with each outcome.
            on_tick: Called now and then with the number of cases in work, where the engine knows it.

        Raises:
            MedsrError: the run can't go on; a case that fails has an outcome and ends nothing.
        """


@dataclass(frozen=True)
class Engine:
    """One engine.

    Attributes:
        name: Name on the command line.
        summary: Half a line of help.
        module: Dotted name of its module.
        needs: Python module or program that must be installed; "" for nothing beyond medsr.
        install: What to do where that is missing.
        takes_shards: Whether it can work on a part of a plan.
    """

    name: str
    summary: str
    module: str
    needs: str = ""
    install: str = ""
    takes_shards: bool = True

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the options that it takes."""
        own = tuple(field.name for field in fields(self.load().Options))
        return (*own, "shard") if self.takes_shards else own

    def options(self, given: Mapping[str, object]) -> Any:
        """Its `Options`.

        Args:
            given: Options by name; `shard` is checked, but not an option of the engine itself.

        Raises:
            UsageError: an option that it does not take, or a value that it can't use.
        """
        for name in given:
            if name not in self.takes:
                others = [engine.name for engine in ENGINES.values() if name in engine.takes]
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is for --engine {' or '.join(others)}, not for --engine {self.name}")
        return self.load().Options(**{name: value for name, value in given.items() if name != "shard"})

    def check_installed(self) -> None:
        """Nothing where the engine can be used.

        Raises:
            ResourceError: what it needs is not installed.
        """
        if self.needs and find_spec(self.needs) is None and shutil.which(self.needs) is None:
            raise ResourceError(f"--engine {self.name} needs {self.needs}, which is not installed here; {self.install}")

    def load(self) -> EngineModule:
        """Its module."""
        return cast(EngineModule, import_module(self.module))


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("local", "processes of this machine", "medsr.engine.local_engine"),
        Engine(
            "dask",
            "workers of a dask cluster",
            "medsr.engine.dask_engine",
            needs="distributed",
            install="pip install 'medsr[dask]'",
        ),
        Engine(
            "slurm",
            "a job array of Slurm",
            "medsr.engine.slurm_engine",
            needs="sbatch",
            install="run where jobs are sent to Slurm, or add --print-script",
            takes_shards=False,
        ),
    )
}
"""Every engine by its name, the default first."""

DEFAULT = next(iter(ENGINES))


def engine_named(name: str) -> Engine:
    """An engine.

    Raises:
        UsageError: none is called so.
    """
    if name not in ENGINES:
        raise UsageError(f"--engine is {name!r}; choose one of {', '.join(ENGINES)}")
    return ENGINES[name]
