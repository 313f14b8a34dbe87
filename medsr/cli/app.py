"""The command line itself: registers the commands and turns every ending into an exit code."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer

import medsr
from medsr.cli import batch, calibrate, cards, dicom, enhance, inspect, train, validate
from medsr.errors import MedsrError, ResourceError, is_out_of_memory

INTERRUPTED = 130

app = typer.Typer(
    name="medsr",
    help="A finer scan out of a coarse one, true to what was measured. Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("enhance")(enhance.enhance)
app.command("degrade")(enhance.degrade)
app.command("validate")(validate.validate)
app.command("inspect")(inspect.inspect)
app.command("models")(inspect.models)
app.add_typer(batch.batch)
app.command("train")(train.train)
app.command("calibrate")(calibrate.calibrate)
app.command("doctor")(inspect.doctor)
app.add_typer(cards.cards)
app.add_typer(dicom.dicom)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medsr {medsr.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of medsr itself."""


def main() -> None:
    """Run the command line and exit with the documented code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors end as one line on standard error."""
    try:
        app(arguments, prog_name="medsr", standalone_mode=True)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 1
    except MedsrError as error:
        return _failed(error)
    except KeyboardInterrupt:
        typer.echo("medsr: interrupted; nothing half written is left", err=True)
        return INTERRUPTED
    except Exception as error:
        if is_out_of_memory(error):
            return _failed(ResourceError("out of memory; try --tile 64, a smaller scan or a machine with more"))
        return _bug()
    return 0


def _failed(error: MedsrError) -> int:
    typer.echo(f"medsr: {' '.join(str(error).split())}", err=True)
    return error.exit_code


def _bug() -> int:
    """Write the traceback to a file, so that the terminal shows one line and nothing is lost."""
    with tempfile.NamedTemporaryFile("w", prefix="medsr-", suffix=".log", delete=False) as log:
        log.write(traceback.format_exc())
    typer.echo(f"medsr: a bug, please report it with {Path(log.name)}", err=True)
    return 1
