"""train: a recipe to weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsr.cli import options
from medsr.cli.options import option
from medsr.cli.progress import reported

if TYPE_CHECKING:
    from medsr.training.loop import Progress

LOOK_EVERY = 20  # steps: whoever reads the loss waits for the device


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML file, see pipelines/train.")],
    minutes: Annotated[
        float | None,
        option("--minutes", help="Stop after so long; the next call goes on from there.", metavar="MINUTES"),
    ] = None,
    quiet: Annotated[bool, options.quiet()] = False,
) -> None:
    """Train a model, or go on with a run that was stopped."""
    from medsr.training.recipe import read_recipe
    from medsr.training.run import train_recipe

    chosen = read_recipe(recipe)
    with reported(chosen.name, quiet) as report:
        state, looked = "first steps", time.monotonic()

        def on_step(progress: Progress, steps: int, gains: dict[str, float] | None) -> None:
            nonlocal state, looked
            if progress.step % LOOK_EVERY == 0:
                before, looked = looked, time.monotonic()
                state = f"loss {float(progress.loss):.3f}, {(looked - before) / LOOK_EVERY:.3f} s a step"
            report(state, progress.step, steps)
            if gains is not None and not quiet:
                values = ", ".join(f"{task} {gain:+.2f}" for task, gain in gains.items())
                typer.echo(f"step {progress.step}: gain over the IBP estimate in dB: {values}", err=True)

        weights = train_recipe(chosen, minutes, on_step)
    typer.echo(f"stopped before the last step; run again to go on: {chosen.run}" if weights is None else str(weights))
