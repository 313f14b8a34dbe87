"""reading: what readers answered on the page of a blinded reading, and how far they agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsr.cli.options import OUTPUT, option


def reading(
    key: Annotated[
        Path, typer.Argument(metavar="KEY", help="reading_key.json of the report, which tells which picture was which.")
    ],
    answers: Annotated[
        list[Path], typer.Argument(metavar="CSV", help="Answers as reading.html saved them, one file a reader.")
    ],
    json: Annotated[
        Path | None, option("--json", help="Write everything as JSON.", panel=OUTPUT, metavar="FILE")
    ] = None,
) -> None:
    """Say what readers of a blinded reading prefer, and how far they agree with each other and with themselves.

    Shares are means over subjects with 95 % bootstrap intervals; kappa is Cohen's, with quadratic weights.
    """
    from medsr.validation.readers import agreements_of, lines_of, read_reader
    from medsr.validation.reading import read_key
    from medsr.validation.report.export import write_plain

    known = read_key(key)
    found = agreements_of(known, [read_reader(path, known) for path in answers])
    for line in lines_of(found):
        typer.echo(line)
    if json is not None:
        write_plain(found, json)
