"""The page of a run, index.html: no server and no script needed; while the run goes on it loads itself again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.engine.outcome import MEANING, Row, Tally
from medsr.io import files
from medsr.report.pages import Look, rendered

RELOAD_S = 5
LOOK = Look(
    ("colours.css", "page.css", "run.css"),
    further="img-src 'self' file: data:",  # thumbnails lie beside the page, which may be opened without a server
)


def write_page(path: Path, tally: Tally, rows: Sequence[Row], model: str, *, running: bool) -> None:
    """Write the page.

    Args:
        path: File index.html in the output folder.
        tally: Count of the run.
        rows: Cases to show: failures first, then some results.
        model: Name and version of the model.
        running: Whether more is to come.

    Raises:
        OutputError: the file can't be written.
    """
    html = rendered(
        "run.html.j2",
        LOOK,
        tally=tally,
        failed=[row for row in rows if row.state == "failed"],
        others=[row for row in rows if row.state != "failed"],
        model=model,
        running=running,
        reload_s=RELOAD_S,
        meaning=MEANING,
        percent=[100.0 * count / max(1, tally.planned) for count in (tally.done, tally.failed)],
        left=time_text(tally.seconds_left),
    )
    with files.atomic(path) as file:
        file.write(html)


def time_text(seconds: float | None) -> str:
    """A time such as "2 h 05 min", "40 s", or "not known"."""
    if seconds is None:
        return "not known"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if minutes else f"{rest} s"
