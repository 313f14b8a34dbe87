"""The page of a run, index.html: no server and no script needed; while the run goes on it loads itself again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from medsr.batch.outcome import MEANING, Row, Tally
from medsr.io import files
from medsr.record import NOTICE

RELOAD_S = 5


def write_page(path: Path, tally: Tally, rows: Sequence[Row], model: str, *, running: bool) -> None:
    """Write the page.

    Args:
        path: of index.html, in the output folder.
        tally: the count.
        rows: what is shown: failures first, then some results.
        model: name and version.
        running: whether more is to come.

    Raises:
        OutputError: the file can't be written.
    """
    failed = [row for row in rows if row.state == "failed"]
    others = [row for row in rows if row.state != "failed"]
    html = _template().render(
        tally=tally,
        failed=failed,
        others=others,
        model=model,
        running=running,
        reload_s=RELOAD_S,
        meaning=MEANING,
        notice=NOTICE,
        share=100.0 * (tally.done + tally.failed) / max(1, tally.planned),
        left=time_text(tally.seconds_left),
    )
    with files.atomic(path) as file:
        file.write(html.encode("utf-8", "replace"))


def time_text(seconds: float | None) -> str:
    """A time such as "2 h 05 min", "40 s", or "not known"."""
    if seconds is None:
        return "not known"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if minutes else f"{rest} s"


@cache
def _template() -> Template:
    text = (resources.files("medsr.report") / "run_page.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        text
    )
