"""What several commands share: panels of the help, options, and the parsing of their values."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from medsr.errors import UsageError
from medsr.physics.profiles import PROFILES

INPUT, GRID, ACQUISITION, SAMPLING = "Input", "Grid", "Acquisition", "Sampling"
MEASURES, MODEL, OUTPUT = "Measurements", "Model and machine", "Output"

ModalityChoice = Literal["auto", "MR", "CT"]
TaskName = StrEnum("TaskName", ["iso2", "iso4", "thick3", "thick5", "thick6", "gap", "plane2", "noisy2"])
"""Names of `medsr.physics.tasks.TASKS`, which takes PyTorch with it; a test compares the two."""


class Command(TyperCommand):
    """A command whose help shows no type beside options that take no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Arguments and options."""
        return _untyped_flags(super().get_params(ctx))


class Group(TyperGroup):
    """Commands under one name, with help like that of `Command`; without arguments it shows its help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Arguments and options."""
        return _untyped_flags(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, --help where there are none."""
        return super().parse_args(ctx, args or ["--help"])


def _untyped_flags(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def option(*names: str, help: str, panel: str | None = None, **more: Any) -> Any:
    """An option whose help is text: brackets in it are no markup.

    Args:
        *names: Names on the command line; a flag needs one, so that it has no --no- beside it.
        help: One line.
        panel: Box of the help that it stands in; None: that of --help.
        **more: What else `typer.Option` takes.
    """
    return typer.Option(*names, help=help.replace("[", "\\["), rich_help_panel=panel, **more)


def quiet(panel: str | None = None, help: str = "Show no progress.") -> Any:
    """The option --quiet."""
    return option("--quiet", "-q", help=help, panel=panel)


def verbose(panel: str | None = None) -> Any:
    """The option --verbose."""
    help = "Show the numbers behind what is said of the model's validated range."
    return option("--verbose", "-v", help=help, panel=panel)


def device(panel: str | None = None) -> Any:
    """The option --device."""
    return option("--device", help="auto, cpu, cuda, cuda:N or mps.", panel=panel, metavar="NAME")


def task(panel: str | None = None, *, several: bool = False) -> Any:
    """The option --task."""
    again = "Task, may be given several times" if several else "Task"
    return option("--task", help=f"{again}: {', '.join(TaskName)}.", panel=panel, metavar="TASK")


def profile(panel: str | None = None, help: str = "Slice profile") -> Any:
    """The option --profile."""
    return option("--profile", help=f"{help}: {', '.join(PROFILES)}.", panel=panel, metavar="PROFILE")


def model(panel: str | None = None, help: str = "Packaged model, or a .safetensors file.") -> Any:
    """The option --model."""
    return option("--model", help=help, panel=panel, metavar="NAME")


def numbers(text: str | None, what: str) -> tuple[float, ...] | None:
    """One or three numbers separated by commas, such as "1,1,1"; None stays None.

    Raises:
        UsageError: anything else.
    """
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in (1, 3):
        raise UsageError(f"{what} is {text!r}; expected one number or three separated by commas, such as 1,1,1")
    return values


def box(text: str | None) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    """A region such as "10:60,0:90,20:40", first voxel and one past the last of each stored axis; None stays None.

    Raises:
        UsageError: anything else.
    """
    if text is None:
        return None
    try:
        (a, b), (c, d), (e, f) = ((int(n) for n in part.split(":")) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--region is {text!r}; expected START:STOP for each axis, such as 10:60,0:90,20:40") from None
    return (a, c, e), (b, d, f)


def bytes_of(text: str | None, name: str) -> int | None:
    """Bytes of a size such as "4GiB", "512 MiB" or "1.5G"; None stays None.

    Raises:
        UsageError: anything else, or nothing at all.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([MG])(?:i?B)?\s*", text, re.IGNORECASE)
    n_bytes = 0 if match is None else int(float(match[1]) * 2 ** (20 if match[2].upper() == "M" else 30))
    if not n_bytes:
        raise UsageError(f"{name} is {text!r}; expected a size such as 4GiB or 512MiB")
    return n_bytes
