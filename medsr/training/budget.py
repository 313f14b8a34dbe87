"""Training within a budget of time: as many steps as fit, so that the learning rate falls to zero within it.

The time of a step is measured first. Where the machine slows down later, training ends with the budget, and the weights
are the running mean as it then stands.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from medsr.errors import InputError
from medsr.io import files
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import Model, choose_device
from medsr.training.curve import make_probes
from medsr.training.loop import Progress, train
from medsr.training.packs import read_packs
from medsr.training.recipe import TrainingRecipe
from medsr.training.run import OnStep, probe_scans, start_of, trained, workers_for, write_weights
from medsr.training.scans import TrainingScan, training_scans

BUDGET = "budget.json"
TRIAL_STEPS, TRIAL_SHARE = 200, 0.15  # steps, and share of the time, after which the time of a step is known
SPENT_ON_STEPS = 0.9  # of what is left then; the rest is for points of the curve and checkpoints
NOTED_S = 30.0  # at most so much time is not counted of a run that was killed


@dataclass(frozen=True)
class Budget:
    """What a run may take, and what it took; kept beside its checkpoint.

    Attributes:
        minutes: Time that it was given.
        steps: Steps that it was planned for.
        step_seconds: Time of a step in the trial.
        device: Type of the device, such as "cpu".
        spent_minutes: Time that it took so far, the trial included.
        step: Steps that it took; 0 while it is not at its end.
    """

    minutes: float
    steps: int
    step_seconds: float
    device: str
    spent_minutes: float = 0.0
    step: int = 0

    @property
    def finished(self) -> bool:
        """Whether the run is at its end."""
        return self.step > 0


def train_within(recipe: TrainingRecipe, minutes: float, on_step: OnStep | None = None) -> tuple[Path, Budget]:
    """Train a recipe for some minutes and write its weights; one that was stopped goes on, a finished one is left.

    A run that was begun with another budget keeps its own.

    Args:
        recipe: Recipe; `training.steps` is not used.
        minutes: Time of the whole run, as `clock_of` counts it.
        on_step: Callback after every step.

    Returns:
        The weights file, and what it took.

    Raises:
        MedsrError: As `medsr.training.run.train_recipe`, or a folder that holds another kind of run.
    """
    path, weights = recipe.run / BUDGET, recipe.run / f"{recipe.name}.safetensors"
    budget = read_budget(path) if path.exists() else None
    if budget is not None and budget.finished and weights.is_file():
        return weights, budget
    keep_freed_memory()
    device = choose_device(recipe.device)
    clock = clock_of(device)
    began = noted = clock()
    scans, probes = training_scans(read_packs(recipe.packs)), make_probes(probe_scans(recipe), device)
    recipe.run.mkdir(parents=True, exist_ok=True)
    if budget is None:
        start = None if recipe.start is None else start_of(recipe)
        step_s, spent_s = step_seconds(recipe, scans, device, TRIAL_SHARE * 60 * minutes, start)
        budget = Budget(minutes, steps_within(60 * minutes - spent_s, step_s), round(step_s, 5), device.type)
    before = budget

    def noting(progress: Progress, steps: int, gains: dict[str, float] | None) -> None:
        nonlocal noted
        if clock() - noted > NOTED_S:
            noted = clock()
            _write(path, _later(before, noted - began))
        if on_step is not None:
            on_step(progress, steps, gains)

    planned = replace(recipe, training=replace(recipe.training, steps=budget.steps))
    left = max(0.0, budget.minutes - _later(before, clock() - began).spent_minutes)
    try:
        average, step = trained(planned, scans, probes, left, noting, clock)
    finally:
        budget = _later(before, clock() - began)
        _write(path, budget)
    write_weights(planned, average, step)
    budget = replace(budget, step=step)
    _write(path, budget)
    return weights, budget


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds to give a budget in: of the process on a CPU, whatever else runs there, and of the wall on a GPU."""
    return time.process_time if device.type == "cpu" else time.monotonic


def steps_within(seconds: float, step_s: float) -> int:
    """Steps that fit into a time, points of the curve and checkpoints included; at least 1."""
    return max(1, int(SPENT_ON_STEPS * seconds / step_s))


def step_seconds(
    recipe: TrainingRecipe,
    scans: Sequence[Sequence[TrainingScan]],
    device: torch.device,
    limit_s: float,
    start: Model | None = None,
) -> tuple[float, float]:
    """Seconds of one step, over the later half of a trial that leaves nothing behind, and of the whole trial.

    Args:
        recipe: Recipe of the run.
        scans: Result of `scans.training_scans`.
        device: Device to train on.
        limit_s: Time after which the trial ends, if `TRIAL_STEPS` are not taken before.
        start: Model to start from; None: random weights.
    """
    clock = clock_of(device)
    ends = [clock()]
    with TemporaryDirectory() as folder:
        weights, workers = None if start is None else start.net.state_dict(), workers_for(device)
        for progress in train(scans, recipe.training, Path(folder), device, workers, weights):
            float(progress.loss)  # waits for the device
            ends.append(clock())
            if len(ends) > TRIAL_STEPS or ends[-1] - ends[0] > limit_s:
                break
    half = len(ends) // 2
    return (ends[-1] - ends[half - 1]) / (len(ends) - half), clock() - ends[0]


def read_budget(path: Path) -> Budget:
    """The budget of a run.

    Raises:
        InputError: The file is not one.
    """
    try:
        return Budget(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not the budget of a run; choose another run folder") from error


def _later(budget: Budget, seconds: float) -> Budget:
    return replace(budget, spent_minutes=round(budget.spent_minutes + seconds / 60, 4))


def _write(path: Path, budget: Budget) -> None:
    with files.atomic(path) as file:
        file.write((json.dumps(asdict(budget), indent=1) + "\n").encode())
