"""dicom send: a series to an archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsr.cli import options
from medsr.cli.options import Command, Group, option
from medsr.errors import UsageError

if TYPE_CHECKING:
    from medsr.io.dicom.network.sending import Answer

ENCRYPTION = "Encryption"

dicom = typer.Typer(name="dicom", cls=Group, help="Talk to a DICOM archive (PACS).")


@dicom.callback()
def _dicom() -> None:
    """Talk to a DICOM archive (PACS)."""


@dicom.command("send", cls=Command)
def send(
    host: Annotated[str, typer.Argument(metavar="HOST", help="Name or address of the archive.")],
    port: Annotated[int, typer.Argument(metavar="PORT", min=1, max=65535, help="Port of its DICOM service.")],
    ae_title: Annotated[str, typer.Argument(metavar="AET", help="Its application entity title.")],
    series: Annotated[Path, typer.Argument(metavar="SERIES", help="Folder, searched with the folders in it.")],
    calling_aet: Annotated[str, option("--calling-aet", help="Our application entity title.", metavar="AET")] = "MEDSR",
    retries: Annotated[int, option("--retries", help="Further attempts for what was not stored.", min=0)] = 2,
    quiet: Annotated[bool, options.quiet(help="Show only the summary.")] = False,
    tls: Annotated[bool, option("--tls", help="Encrypt the connection.", panel=ENCRYPTION)] = False,
    ca: Annotated[
        Path | None,
        option(
            "--ca",
            help="PEM file that vouches for the archive; else the system's.",
            panel=ENCRYPTION,
            metavar="FILE",
        ),
    ] = None,
    cert: Annotated[
        Path | None, option("--cert", help="PEM file with our own certificate.", panel=ENCRYPTION, metavar="FILE")
    ] = None,
    key: Annotated[
        Path | None,
        option("--key", help="PEM file with its key, where it is another.", panel=ENCRYPTION, metavar="FILE"),
    ] = None,
) -> None:
    """Send the DICOM files of a folder to an archive by C-STORE."""
    from medsr.io.dicom.network.sending import Peer, Tls, send_series

    if not tls and (ca or cert or key):
        raise UsageError("--ca, --cert and --key need --tls")
    if key and not cert:
        raise UsageError("--key needs --cert")

    def on_answer(answer: Answer) -> None:
        if not quiet:
            again = f" (attempt {answer.attempt})" if answer.attempt > 1 else ""
            said = " stored" if answer.stored else ""
            typer.echo(f"instance {answer.number} of {answer.total}: {answer.outcome}{said}{again}")

    peer = Peer(host, port, ae_title, calling_aet, Tls(ca, cert, key) if tls else None)
    answers = send_series(series, peer, on_answer, retries=retries)
    typer.echo(f"{peer}: {len(answers)} of {len(answers)} instances stored")
