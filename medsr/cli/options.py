"""What several commands share: panels of the help, options, and the parsing of their values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from medsr.errors import UsageError

INPUT, GRID, ACQUISITION, SAMPLING, MODEL, OUTPUT = (
    "Input",
    "Grid",
    "Acquisition",
    "Sampling",
    "Model and machine",
    "Output",
)


class Command(TyperCommand):
    """A command whose help shows no type beside --help."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help."""
        return _without_type(super().get_help_option(ctx))


class Group(TyperGroup):
    """A group of commands whose help shows no type beside --help."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help."""
        return _without_type(super().get_help_option(ctx))


def _without_type(option: Any) -> Any:
    if option is not None:
        option.metavar = ""
    return option


def option(*names: str, help: str, panel: str | None = None, metavar: str | None = None) -> Any:
    """An option in a panel of the help; brackets in its text are text, not markup."""
    return typer.Option(*names, help=help.replace("[", "\\["), rich_help_panel=panel, metavar=metavar)


def flag(name: str, help: str, panel: str | None = None) -> Any:
    """An option without a value, shown without a type."""
    return option(name, help=help, panel=panel, metavar="")


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", metavar="", rich_help_panel=OUTPUT)]
Device = Annotated[str, option("--device", help="auto, cpu, cuda or cuda:N.", panel=MODEL, metavar="NAME")]
ModelName = Annotated[
    str, option("--model", help="Name of a packaged model, or a .safetensors file.", panel=MODEL, metavar="NAME")
]
ModalityChoice = Literal["auto", "MR", "CT"]


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
