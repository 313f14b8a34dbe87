"""A walk to be watched: noisy states and clean estimates of a slice, and what in them is measured and what is prior."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from members import chosen
from panels import DPI, Plane, middle_plane, new_figure, show, store

from medsr.enhancement.leading import led_model
from medsr.enhancement.piece import enhance_piece
from medsr.enhancement.posterior import Problem, finished, prepared
from medsr.enhancement.region import central_block, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.solved_grid import solved_grid
from medsr.enhancement.walk import WalkStep
from medsr.enhancement.whole import Whole
from medsr.errors import MedsrError, UsageError
from medsr.io import files, load
from medsr.model.intensity import Scale
from medsr.model.weights import Model, load_model
from medsr.physics.tasks import TASKS, degrade
from medsr.samples import sample_path
from medsr.training.recipe import read_recipe
from medsr.volume import Volume

FOLDER = Path(__file__).resolve().parent
SIDE, SHOWN = 64, 6  # voxels a side of the part that is walked, and steps that a strip shows of it
MS_A_FRAME = 1000
ROWS = ("truth + noise of the step", "noisy state", "clean estimate", "of it measured, G A x", "of it prior, the rest")


@dataclass(frozen=True)
class Watched:
    """One step, each a slice (rows, columns) in the model range.

    Attributes:
        level: Noise level of the step.
        forward: Truth with the noise that the forward process gives it at that level.
        noisy: State that the step starts from; in the last step the sample, as is its clean state.
        clean: Clean state that is expected of it.
        measured: What the scan measures of that (`Separable.measured`).
        prior: The rest, which the operator sends to 0: it comes from training alone.
    """

    level: float
    forward: Plane
    noisy: Plane
    clean: Plane
    measured: Plane
    prior: Plane


def watched(reference: Volume, model: Model, settings: EnhanceSettings, task: str = "thick5") -> list[Watched]:
    """Every step of a sample of what a task makes of a reference, through its middle.

    Args:
        reference: High-resolution scan in RAS order.
        model: Loaded model.
        settings: Request; sampler, steps, guidance, data step and seed matter here.
        task: Name of the task.

    Raises:
        UsageError: the task leaves more voxels a slice than the network works on.
    """
    settings = replace(settings, mode="sample", force=True)
    model = led_model(model, settings)
    scan, acquisition = degrade(reference, TASKS[task])
    if solved_grid(acquisition).fine_shape != acquisition.fine_shape:
        raise UsageError(f"{task} asks for more voxels a slice than the network works on; use a coarser reference")
    whole, steps = Whole.of(scan, settings, acquisition), list[WalkStep]()
    enhance_piece(scan, model, settings, acquisition, on_state=lambda _, step: steps.append(step))
    problem, scale = prepared(scan, model, acquisition, settings, whole, None), whole.scale
    levels = model.process.levels(settings.steps).tolist()[: len(steps)]
    forward = _forward(reference, problem, scale, levels, settings.seed)
    return [
        Watched(
            level,
            seen,
            *(middle_plane((one.data - scale.low) / scale.width) for one in (step.noisy, step.clean, step.measured)),
            prior=middle_plane(step.prior.data / scale.width),
        )
        for level, seen, step in zip(levels, forward, steps, strict=True)
    ]


def _forward(reference: Volume, problem: Problem, scale: Scale, levels: Sequence[float], seed: int) -> Iterator[Plane]:
    """Planes of the truth with the noise of every level, the same noise for all."""
    truth = scale.to_model(torch.from_numpy(np.array(reference.data)))[None, None].to(problem.ibp.device)
    state = problem.states.encode((truth - problem.ibp) / problem.detail)
    white = torch.randn(state.shape, generator=torch.Generator().manual_seed(seed)).to(state.device)
    for level in levels:
        yield middle_plane(finished(problem, problem.states.decode(state + level * white))[0, 0].float().cpu().numpy())


def draw(steps: Sequence[Watched], title: str, target: Path, shown: int = SHOWN) -> None:
    """The steps as columns of a PNG, evenly chosen, the first and the last among them.

    Raises:
        OutputError: it can't be written.
    """
    numbers = np.unique(np.linspace(0, len(steps) - 1, shown).round().astype(int))
    figure, axes = new_figure(len(ROWS), len(numbers), (1.9 * len(numbers), 2 * len(ROWS)))
    for column, number in enumerate(numbers):
        _fill(axes[:, column], steps[number])
        axes[0, column].set_title(_named(number, steps[number]), fontsize=8)
    for row, name in enumerate(ROWS):
        axes[row, 0].set_ylabel(name, fontsize=7)
    figure.suptitle(title, fontsize=9)
    store(figure, target)


def animate(steps: Sequence[Watched], title: str, target: Path) -> None:
    """The steps as frames of a GIF, one a second.

    Raises:
        OutputError: it can't be written.
    """
    from matplotlib import pyplot
    from PIL import Image

    figure, axes = new_figure(1, len(ROWS), (1.9 * len(ROWS), 2.3))
    frames = []
    for number, step in enumerate(steps):
        _fill(axes[0], step)
        for panel, name in zip(axes[0], ROWS, strict=True):
            panel.set_title(name, fontsize=8)
        figure.suptitle(f"{title}: {_named(number, step)}", fontsize=9)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=DPI)
        frames.append(Image.open(png).convert("RGB"))
    pyplot.close(figure)
    with files.atomic(target) as file:
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=MS_A_FRAME, loop=0)


def _fill(panels: Iterable[Any], step: Watched) -> None:
    pictures = (step.forward, step.noisy, step.clean, step.measured, step.prior)
    for panel, picture in zip(panels, pictures, strict=True):
        centre = 0.0 if picture is step.prior else 0.5  # the prior's part lies around 0
        panel.clear()
        show(panel, picture, centre - 0.5, centre + 0.5)


def _named(number: int, step: Watched) -> str:
    return f"step {number + 1}, sigma {step.level:.3g}"


def main(arguments: Sequence[str]) -> int:
    """A strip and an animation for each member that is trained; the exit code is that of an error, else 0."""
    options = _options(arguments)
    try:
        reference = load(options.scan).to_ras()
        part = crop(reference, central_block(reference, options.side))
        options.out.mkdir(parents=True, exist_ok=True)
        for name, file_name, settings in _wanted(options):
            steps = watched(part, load_model(settings.model), settings, options.task)
            for ending, write in ((".png", draw), (".gif", animate)):
                target = options.out / f"walk_{file_name}{ending}"
                write(steps, f"{name}, {options.task}", target)
                print(target)
    except MedsrError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _wanted(options: argparse.Namespace) -> Iterator[tuple[str, str, EnhanceSettings]]:
    """Name, name of files and settings of a model that is named, or else of each member that is trained."""
    if options.model is not None:
        yield Path(options.model).stem, Path(options.model).stem, EnhanceSettings(model=options.model, flips=0)
        return
    known = {path.stem: read_recipe(path) for path in sorted(options.recipes.glob("*.toml"))}
    for member in chosen(options.members):
        if member.is_trained(known):
            yield member.name, member.file_name, member.settings(known)
        else:
            print(f"{member.name}: not trained yet, so there is no strip of it", file=sys.stderr)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("members", nargs="*", help="names of members or recipes (default: all that are trained)")
    parser.add_argument("--model", help="a packaged model or a weights file instead, at the default settings")
    parser.add_argument("--scan", type=Path, default=sample_path(), help="reference (default: the sample scan)")
    parser.add_argument("--side", type=int, default=SIDE, help=f"voxels of its central crop (default: {SIDE})")
    parser.add_argument("--task", choices=sorted(TASKS), default="thick5", help="(default: thick5)")
    parser.add_argument("--recipes", type=Path, default=FOLDER, metavar="FOLDER", help="(default: this one)")
    parser.add_argument("--out", type=Path, default=Path("results/family/strips"), metavar="FOLDER")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
