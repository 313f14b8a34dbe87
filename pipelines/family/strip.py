"""A walk to be watched: noisy states and clean estimates of a slice, and what in them is measured and what is prior."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from members import chosen, weights_of
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.leading import led_model
from medsr.enhancement.posterior import Problem, posterior_mean, prepared, sample_steps
from medsr.enhancement.region import central_block, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.solved_grid import solved_grid
from medsr.enhancement.whole import Whole
from medsr.errors import MedsrError, OutputError, UsageError
from medsr.io import load
from medsr.model.weights import Model, load_model
from medsr.physics.tasks import TASKS, degrade
from medsr.samples import sample_path
from medsr.training.recipe import read_recipe
from medsr.volume import Volume

FOLDER = Path(__file__).resolve().parent
SIDE, SHOWN = 64, 6  # voxels a side of the part that is walked, and steps that are shown of it
ROWS = ("truth + noise of the step", "noisy state", "clean estimate", "of it measured, A+ A x", "of it prior, the rest")
Slice = NDArray[np.float32]


@dataclass(frozen=True)
class Watched:
    """One step, each a slice (rows, columns) in the model range.

    Attributes:
        level: Noise level of the step.
        forward: Truth with the noise that the forward process gives it at that level.
        noisy: State that the step starts from; in the last step the sample, as is its clean state.
        clean: Clean state that is expected of it.
        measured: What the scan sees of that: its part in the row space of the operator.
        prior: The rest, which the operator sends to 0: it comes from training alone.
    """

    level: float
    forward: Slice
    noisy: Slice
    clean: Slice
    measured: Slice
    prior: Slice


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
    settings = replace(settings, mode="sample")
    model = led_model(model, settings)
    scan, acquisition = degrade(reference, TASKS[task])
    if solved_grid(acquisition).fine_shape != acquisition.fine_shape:
        raise UsageError(f"{task} asks for more voxels a slice than the network works on; use a coarser reference")
    whole = Whole.of(scan, settings, acquisition)
    problem = prepared(scan, model, acquisition, settings, whole, None)
    mean = posterior_mean(problem, model, settings)
    levels = model.process.levels(settings.steps).tolist()
    truth = whole.scale.to_model(torch.from_numpy(np.array(reference.data)))[None, None].to(model.device)
    detail = (truth - problem.ibp) / problem.detail
    state = problem.states.encode(detail)
    white = torch.randn(state.shape, generator=torch.Generator().manual_seed(settings.seed)).to(model.device)
    steps = zip(levels, sample_steps(problem, mean, model, settings, 0), strict=False)
    return [_step(problem, level, problem.states.decode(state + level * white), *states) for level, states in steps]


def _step(problem: Problem, level: float, forward: Tensor, noisy: Tensor, clean: Tensor) -> Watched:
    seen, noised, expected = (problem.ibp + problem.detail * one for one in (forward, noisy, clean))
    measured = problem.op.pinv(problem.op(expected))
    return Watched(level, *map(_slice, (seen, noised, expected, measured, expected - measured)))


def _slice(x: Tensor) -> Slice:
    """The plane across the first axis through the middle, the third axis upwards."""
    plane = x[0, 0, x.shape[2] // 2].float().cpu().numpy()
    return np.asarray(plane.T[::-1], dtype=np.float32)


def draw(steps: Sequence[Watched], title: str, target: Path, shown: int = SHOWN) -> None:
    """The steps as columns of a PNG, evenly chosen, the first and the last among them.

    Raises:
        OutputError: it can't be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    numbers = np.unique(np.linspace(0, len(steps) - 1, shown).round().astype(int))
    figure, axes = pyplot.subplots(
        len(ROWS), len(numbers), figsize=(1.9 * len(numbers), 2 * len(ROWS)), layout="constrained", squeeze=False
    )
    for column, number in enumerate(numbers):
        step = steps[number]
        pictures = (step.forward, step.noisy, step.clean, step.measured, step.prior)
        for panel, picture in zip(axes[:, column], pictures, strict=True):
            centre = 0.0 if picture is step.prior else 0.5  # the prior's part lies around 0
            panel.imshow(picture, cmap="gray", vmin=centre - 0.5, vmax=centre + 0.5)
            panel.set(xticks=[], yticks=[])
        axes[0, column].set_title(f"step {number + 1}, sigma {step.level:.3g}", fontsize=8)
    for row, name in enumerate(ROWS):
        axes[row, 0].set_ylabel(name, fontsize=7)
    figure.suptitle(title, fontsize=9)
    try:
        figure.savefig(target, dpi=110)
    except OSError as error:
        raise OutputError(f"{target}: can't be written ({error.strerror}); choose another place") from error
    finally:
        pyplot.close(figure)


def main(arguments: Sequence[str]) -> int:
    """A strip for each member that is trained; the exit code is that of an error, else 0."""
    options = _options(arguments)
    try:
        reference = load(options.scan).to_ras()
        part = crop(reference, central_block(reference, options.side))
        known = {path.stem: read_recipe(path) for path in sorted(options.recipes.glob("*.toml"))}
        options.out.mkdir(parents=True, exist_ok=True)
        for member in chosen(options.members):
            files = [weights_of(known[name]) for name in member.recipes if name in known]
            if len(files) < len(member.recipes) or not all(path.is_file() for path in files):
                print(f"{member.name}: not trained yet, so there is no strip of it", file=sys.stderr)
                continue
            target = options.out / f"{member.file_name}.png"
            steps = watched(part, load_model(files[0]), member.settings(known), options.task)
            draw(steps, f"{member.name}, {options.task}", target)
            print(target)
    except MedsrError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("members", nargs="*", help="names of members or recipes (default: all that are trained)")
    parser.add_argument("--scan", type=Path, default=sample_path(), help="reference (default: the sample scan)")
    parser.add_argument("--side", type=int, default=SIDE, help=f"voxels of its central crop (default: {SIDE})")
    parser.add_argument("--task", choices=sorted(TASKS), default="thick5", help="(default: thick5)")
    parser.add_argument("--recipes", type=Path, default=FOLDER, metavar="FOLDER", help="(default: this one)")
    parser.add_argument("--out", type=Path, default=Path("results/family/strips"), metavar="FOLDER")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
