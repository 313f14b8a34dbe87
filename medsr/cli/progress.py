"""Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from medsr.duration import duration

if TYPE_CHECKING:
    from medsr.enhancement.estimate import Estimate

FIRST_LINE_S, LINE_EVERY_S = 2.0, 10.0


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
    began = time.monotonic()
    due = began + FIRST_LINE_S

    def report(stage: str, done: int, total: int) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due and done:
            left = duration((now - began) * (total - done) / done)
            typer.echo(f"{label}: {stage} {done / total:.0%}, about {left} left", err=True)
            due = now + LINE_EVERY_S

    return report


def estimated(label: str, quiet: bool) -> Callable[[Estimate], None]:
    """A callback that says what a run will need, on standard error."""

    def say(needs: Estimate) -> None:
        voxels = " x ".join(map(str, needs.shape))
        blocks = "" if needs.n_blocks == 1 else f" in {needs.n_blocks} blocks"
        memory = f"{needs.memory_bytes / 2**30:.1f} GiB of memory"
        if not quiet:
            typer.echo(f"{label}: {voxels} voxels{blocks}, about {duration(needs.seconds)} and {memory}", err=True)

    return say
