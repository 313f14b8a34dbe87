"""Weights that succeed others: a leg of training from the weights there are, kept only where it measures better."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from medsr.diffusion.process import Process
from medsr.diffusion.processes.edm import EDM
from medsr.errors import InputError, UsageError
from medsr.io import files
from medsr.metrics.error import body_mask
from medsr.metrics.parts import DEPTH_MM, depth_mm
from medsr.model.allocator import keep_freed_memory
from medsr.model.intensity import CT_HIGH_HU, CT_LOW_HU
from medsr.model.nets import Net
from medsr.model.weights import Model, choose_device, load_model, weights_bytes
from medsr.model.weights_file import weights_path
from medsr.physics.ops import Profile
from medsr.training.budget import TRIAL_SHARE, step_seconds, steps_within
from medsr.training.checkpoint import facts_of
from medsr.training.curve import Probe, body, gain_db, make_probes, restored
from medsr.training.loop import CHECKPOINT
from medsr.training.packs import PackedScan, packs_sha256, read_packs
from medsr.training.recipe import TrainingRecipe
from medsr.training.run import OnStep, probe_scans, start_of, store_weights, trained, training_facts
from medsr.training.scans import TrainingScan, training_scans

Kind = Literal["whole", "interior", "told wrong"]

SEEN_THROUGH: tuple[tuple[Profile, float], ...] = (("gaussian", 0.8), ("box", 1.25))  # while Gaussians of 1 are told
LEAST_GAIN_DB = 0.02  # in the mean of every kind of row: a replacement has to be calibrated and measured anew
MOST_LOSS_DB = 0.05  # of any row of the table
LEG, LEGS = "leg.json", "legs.json"


@dataclass(frozen=True)
class Row:
    """Mean gain over the IBP estimate in dB of the probes of one modality and task, by the weights before and after."""

    modality: str
    task: str
    kind: Kind
    probes: int
    before: float
    after: float

    @property
    def change(self) -> float:
        """What the weights after it gain on those before, in dB."""
        return self.after - self.before


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate.

    Attributes:
        rows: The table.
        better: Whether the candidate passes the rule of `improves`.
        candidate: Its weights file.
        replaced: The weights file that it took the place of; None: it was left as it is.
    """

    rows: tuple[Row, ...]
    better: bool
    candidate: Path
    replaced: Path | None


def improves(rows: Sequence[Row]) -> bool:
    """The rule: the mean of every kind of row rises by `LEAST_GAIN_DB` or more, and no row falls by `MOST_LOSS_DB`."""
    means = {
        kind: float(np.mean([row.change for row in rows if row.kind == kind])) for kind in {row.kind for row in rows}
    }
    worst = min((row.change for row in rows), default=0.0)
    return bool(means) and min(means.values()) >= LEAST_GAIN_DB and worst > -MOST_LOSS_DB


def table_of(
    before: Net, after: Net, scans: Sequence[PackedScan], device: torch.device, process: Process = EDM
) -> list[Row]:
    """Both networks on held-out crops: whole and interior told the truth, and whole told wrong (`SEEN_THROUGH`)."""
    told = make_probes(scans, device)
    wrong = [probe for seen in SEEN_THROUGH for probe in make_probes(scans, device, seen)]
    found: dict[tuple[str, str, Kind], list[tuple[float, float]]] = {}
    for probe, knows in [*((probe, True) for probe in told), *((probe, False) for probe in wrong)]:
        results = [restored(net, probe, process) for net in (before, after)]
        kinds: tuple[Kind, ...] = ("whole", "interior") if knows else ("told wrong",)
        for kind in kinds:
            mask = interior(probe) if kind == "interior" else body(probe)
            a, b = (gain_db(result, probe, mask) for result in results)
            found.setdefault((probe.modality, probe.task, kind), []).append((a, b))
    return [Row(*key, len(gains), *(float(v) for v in np.mean(gains, axis=0))) for key, gains in found.items()]


def interior(probe: Probe) -> torch.Tensor:
    """Voxels of a probe that lie deeper than 3 mm in the body; all of the body where nothing lies so deep."""
    truth = probe.truth[0, 0].cpu().numpy()
    reference = truth * (CT_HIGH_HU - CT_LOW_HU) + CT_LOW_HU if probe.modality == "CT" else truth
    deep = depth_mm(body_mask(reference, "CT" if probe.modality == "CT" else "MR"), probe.spacing_mm) > DEPTH_MM
    mask = body(probe) & torch.from_numpy(deep).to(probe.truth.device)
    return mask if bool(mask.any()) else body(probe)


def run_leg(recipe: TrainingRecipe, minutes: float, on_step: OnStep | None = None) -> Outcome:
    """Train from the recipe's `start` for some minutes, measure, and put the new weights in its place if better.

    The number of steps is what the time allows, so that the learning rate falls to zero within it. A leg that was
    stopped before goes on, unless the weights to start from have changed since. Each leg has a seed of its own.

    Args:
        recipe: Recipe with a `start`; `training.steps` is not used.
        minutes: Time to train.
        on_step: Callback after every step.

    Raises:
        UsageError: A recipe without a start, or with another network than the start's.
        MedsrError: As `train_recipe`.
    """
    keep_freed_memory()
    began = time.monotonic()
    start, device = _start(recipe), choose_device(recipe.device)
    scans, held_out = training_scans(read_packs(recipe.packs)), probe_scans(recipe)
    recipe.run.mkdir(parents=True, exist_ok=True)
    leg = _planned(recipe, start, scans, device, 60 * minutes)
    left = minutes - (time.monotonic() - began) / 60
    average, step = trained(leg, scans, make_probes(held_out, device), max(0.0, left), on_step)
    spec = replace(
        start.spec,
        version=recipe.version,
        sample_scale=recipe.sample_scale,
        calibration=None,  # measured on the weights before
        trained=training_facts(leg, step),
    )
    candidate = store_weights(recipe.run / f"{recipe.name}.safetensors", weights_bytes(average, spec))
    return judge(recipe, candidate, {"steps": step, "of_steps": leg.training.steps, "minutes": minutes})


def judge(recipe: TrainingRecipe, candidate: Path, facts: dict[str, Any] | None = None) -> Outcome:
    """Measure a weights file beside the recipe's `start`, and put it in its place if better; both go into `LEGS`.

    Args:
        recipe: Recipe whose `start` is to be succeeded.
        candidate: Weights file with the same network.
        facts: What else is to be written down.

    Raises:
        UsageError: A recipe without a start, or weights of another network.
        MedsrError: Packs or weights that can't be read, or a place that can't be written.
    """
    start, device = _start(recipe), choose_device(recipe.device)
    after = load_model(candidate, device)
    if after.spec.net != start.spec.net:
        raise UsageError(f"{candidate} has another network than {recipe.start}; expected one that can take its place")
    rows = tuple(table_of(start.net.to(device), after.net, probe_scans(recipe), device, start.process))
    better = improves(rows)
    place = weights_path(str(recipe.start)) if better else None
    if place is not None:
        store_weights(place, candidate.read_bytes())
    entry = {
        "start": {"name": start.spec.name, "version": start.spec.version, "sha256": start.sha256},
        "candidate_sha256": after.sha256,
        "training": after.spec.trained,
        "validation_packs_sha256": packs_sha256(recipe.validation_packs),
        "device": str(device),
        **(facts or {}),
        "table": [{**asdict(row), "change": row.change} for row in rows],
        "better": better,
        "replaced": None if place is None else str(place),
    }
    _write_json(recipe.run / LEGS, [*_legs(recipe), entry])
    return Outcome(rows, better, candidate, place)


def _start(recipe: TrainingRecipe) -> Model:
    if recipe.start is None:
        raise UsageError(f"the recipe of {recipe.name} starts from nothing; name the weights to succeed in `start`")
    start = start_of(recipe)
    if start.spec.process != recipe.training.process:
        raise UsageError(
            f"{recipe.start} was trained for the process {start.spec.process!r} and the recipe says "
            f"{recipe.training.process!r}; weights of one process can't take the place of another's"
        )
    return start


def _planned(
    recipe: TrainingRecipe,
    start: Model,
    scans: Sequence[Sequence[TrainingScan]],
    device: torch.device,
    seconds: float,
) -> TrainingRecipe:
    """The recipe of the leg that was stopped, or of a new one: its steps and its seed."""
    path, checkpoint = recipe.run / LEG, recipe.run / CHECKPOINT
    plan = _read_json(path) if path.exists() else None
    if (
        plan is None
        or plan["start_sha256"] != start.sha256
        or not checkpoint.exists()
        or int(str(facts_of(checkpoint)["step"])) >= plan["steps"]
    ):
        for old in (checkpoint, recipe.run / "curve.csv"):
            old.unlink(missing_ok=True)
        step_s, spent_s = step_seconds(recipe, scans, device, TRIAL_SHARE * seconds, start)
        steps = steps_within(seconds - spent_s, step_s)
        plan = {
            "start_sha256": start.sha256,
            "steps": steps,
            "seed": recipe.training.seed + len(_legs(recipe)),
            "step_seconds": round(step_s, 5),
        }
        _write_json(path, plan)
    return replace(recipe, training=replace(recipe.training, steps=plan["steps"], seed=plan["seed"]))


def _legs(recipe: TrainingRecipe) -> list[Any]:
    path = recipe.run / LEGS
    return list(_read_json(path)) if path.exists() else []


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not what a leg of training wrote; choose another run folder") from error


def _write_json(path: Path, content: object) -> None:
    with files.atomic(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())
