"""train: a recipe to weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsr.cli.progress import reported

if TYPE_CHECKING:
    from medsr.training.loop import Progress


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML file, see pipelines/train.")],
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; the next call goes on from there.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a model, or go on with a run that was stopped."""
    from medsr.runs.training import train_recipe
    from medsr.settings import read_recipe

    chosen = read_recipe(recipe)
    with reported(chosen.name, quiet) as report:

        def on_step(progress: Progress, steps: int, gains: dict[str, float] | None) -> None:
            report(f"loss {progress.loss:.3f}, {progress.seconds:.2f} s a step", progress.step, steps)
            if gains is not None and not quiet:
                values = ", ".join(f"{task} {gain:+.2f}" for task, gain in gains.items())
                typer.echo(f"step {progress.step}: gain over the plain start in dB: {values}", err=True)

        weights = train_recipe(chosen, minutes, on_step)
    typer.echo(f"stopped before the last step; run again to go on: {chosen.run}" if weights is None else str(weights))
