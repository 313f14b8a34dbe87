"""Options that say where the cases of a batch or a study are worked on, and by how many."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from medsr.cli.options import option
from medsr.engine.engines import ENGINES, Engine
from medsr.errors import UsageError

if TYPE_CHECKING:
    from medsr.engine.selection import Shard

    EngineName = str
else:
    EngineName = Literal[tuple(ENGINES)]

CASES, ENGINE = "Cases", "Engine"
ENGINE_HELP = f"Where cases are worked on: {'; '.join(f'{one.name}, {one.summary}' for one in ENGINES.values())}."

ShardOption = Annotated[
    str | None, option("--shard", help="Only the I-th of N parts, from 1.", panel=CASES, metavar="I/N")
]
EngineOption = Annotated[EngineName, option("--engine", help=ENGINE_HELP, panel=ENGINE)]
SchedulerOption = Annotated[
    str | None, option("--scheduler", help="dask: tcp://host:8786 or tls://host:8786.", panel=ENGINE, metavar="URL")
]
TlsCaOption = Annotated[
    Path | None,
    option("--tls-ca", help="dask: PEM file that vouches for the scheduler.", panel=ENGINE, metavar="FILE"),
]
TlsCertOption = Annotated[
    Path | None, option("--tls-cert", help="dask: PEM file with our certificate.", panel=ENGINE, metavar="FILE")
]
TlsKeyOption = Annotated[
    Path | None, option("--tls-key", help="dask: PEM file with its key.", panel=ENGINE, metavar="FILE")
]
TasksOption = Annotated[
    int | None,
    option(
        "--tasks",
        help="slurm: tasks of the array; dask: workers on this machine; else 1.",
        panel=ENGINE,
        metavar="N",
    ),
]
SbatchOption = Annotated[
    list[str] | None,
    option("--sbatch", help="slurm: an option, such as --sbatch=--gres=gpu:1.", panel=ENGINE, metavar="OPTION"),
]
PrintScriptOption = Annotated[bool, option("--print-script", help="slurm: show the script, do nothing.", panel=ENGINE)]
NAMES = ("engine", "scheduler", "tls_ca", "tls_cert", "tls_key", "tasks", "sbatch", "print_script", "shard")
"""Parameters of a command that has all of these options."""


def options_of(used: Engine, **given: Any) -> Any:
    """The `Options` of an engine out of the parameters of a command, as far as they are given.

    Raises:
        UsageError: an option that it does not take, or a value that it can't use.
    """
    return used.options({name: value for name, value in given.items() if _is_given(value)})


def shard_of(text: str | None) -> Shard | None:
    """A shard such as "3/8", from 1; None stays None.

    Raises:
        UsageError: anything else.
    """
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UsageError(f"--shard is {text!r}; expected I/N, such as 3/8, with I from 1 to N")
    return int(number), int(count)


def words_of(context: typer.Context, aside: Collection[str]) -> tuple[str, ...]:
    """A command and its arguments as they were given, with absolute paths, but for some parameters."""
    words = [str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.name in aside or not _is_given(value):
            continue
        name = parameter.opts[:1] if parameter.param_type_name == "option" else []
        for one in value if isinstance(value, list | tuple) else [value]:
            words += name if one is True else [*name, str(one.absolute() if isinstance(one, Path) else one)]
    return tuple(words)


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value not in ([], ())


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends a run like Ctrl-C does, so that other runs need not wait for its leases."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
