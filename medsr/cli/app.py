"""The command line itself: registers the commands and turns every ending into an exit code."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

import medsr
from medsr.cli import batch, calibrate, cards, dicom, enhance, inspect, reading, train, validate
from medsr.cli.options import Command, Group, option
from medsr.errors import MedsrError, ResourceError, UsageError, is_out_of_memory

INTERRUPTED = 130  # typer's code for Ctrl-C
MISUSE: Any = typer.BadParameter.__base__
"""What typer raises where a command line is wrong; it has no public name of its own in every version."""

app = typer.Typer(
    name="medsr",
    cls=Group,
    help="Super-resolution of MR and CT scans, true to what was measured. Research software, not a medical device.",
    pretty_exceptions_enable=False,
)
app.command("enhance", cls=Command)(enhance.enhance)
app.command("degrade", cls=Command)(enhance.degrade)
app.command("validate", cls=Command)(validate.validate)
app.command("reading", cls=Command)(reading.reading)
app.command("inspect", cls=Command)(inspect.inspect)
app.command("models", cls=Command)(inspect.models)
app.add_typer(batch.batch)
app.command("train", cls=Command)(train.train)
app.command("calibrate", cls=Command)(calibrate.calibrate)
app.command("doctor", cls=Command)(inspect.doctor)
app.add_typer(cards.cards)
app.add_typer(dicom.dicom)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medsr {medsr.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Options of medsr itself."""


def main() -> None:
    """Run the command line and exit with the documented code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors end as one line on standard error."""
    try:
        code: int = app(arguments, prog_name="medsr", standalone_mode=False) or 0
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 1
    except MedsrError as error:
        return _failed(error)
    except MISUSE as error:
        return _misused(error)
    except Exception as error:
        if is_out_of_memory(error):
            return _failed(ResourceError("out of memory; try --tile 64, a smaller scan or a machine with more"))
        return _bug()
    if code == INTERRUPTED:
        typer.echo("medsr: interrupted; nothing half written is left", err=True)
    return code


def _failed(error: MedsrError) -> int:
    typer.echo(f"medsr: {' '.join(str(error).split())}", err=True)
    return error.exit_code


def _misused(error: Any) -> int:
    place = "" if error.ctx is None else f"; see {error.ctx.command_path} --help"
    text = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    typer.echo(f"medsr: {text}{place}", err=True)
    return UsageError.exit_code


def _bug() -> int:
    """Write the traceback to a file, so that the terminal shows one line and nothing is lost."""
    with tempfile.NamedTemporaryFile("w", prefix="medsr-", suffix=".log", delete=False) as log:
        log.write(traceback.format_exc())
    typer.echo(f"medsr: a bug, please report it with {Path(log.name)}", err=True)
    return 1
