"""Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

LINE_EVERY_S = 10.0


@contextmanager
def reported(label: str, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A callback (stage, done, total) that shows how far the work is, on standard error."""
    if quiet:
        yield lambda stage, done, total: None
    elif sys.stderr.isatty():
        yield from _bar(label)
    else:
        yield _lines(label)


def _bar(label: str) -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda stage, done, total: bar.update(task, completed=done, total=total, description=f"{label}: {stage}")


def _lines(label: str) -> Callable[[str, int, int], None]:
    last = time.monotonic()

    def report(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            typer.echo(f"{label}: {stage} {done}/{total}", err=True)
            last = now

    return report
