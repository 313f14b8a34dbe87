"""A recipe trained, path to path: legs of limited time, a curve as it goes, final weights at the end."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

import medsr
from medsr.diffusion.processes import PROCESSES
from medsr.errors import UsageError
from medsr.io import files
from medsr.model.allocator import keep_freed_memory
from medsr.model.nets import LatentNet
from medsr.model.spec import Envelope, ModelSpec
from medsr.model.usual_ranges import usual_ranges
from medsr.model.weights import Model, choose_device, load_model, weights_bytes
from medsr.training.autoencoding import autoencoder_of, network_for
from medsr.training.checkpoint import average_of
from medsr.training.curve import Probe, append_row, by_task, gains_db, make_probes, plot_curve
from medsr.training.loop import CHECKPOINT, Progress, train
from medsr.training.packs import PackedScan, packs_sha256, read_packs
from medsr.training.recipe import TrainingRecipe
from medsr.training.scans import TrainingScan, training_scans
from medsr.volume import Modality, Volume

EARLY_POINTS = (100, 200, 300, 450, 600, 800)
OnStep = Callable[[Progress, int, dict[str, float] | None], None]
"""Called with the step, the number of all steps, and the gains per task where they were measured."""


def train_recipe(recipe: TrainingRecipe, minutes: float | None = None, on_step: OnStep | None = None) -> Path | None:
    """Train until the recipe's last step or for `minutes`, from the last checkpoint where there is one.

    Args:
        recipe: Result of `read_recipe`.
        minutes: Time limit of this leg; None: the whole run.
        on_step: Callback after every step.

    Returns:
        The final weights file, or None where the run is not at its end.

    Raises:
        MedsrError: Packs that can't be read, a probe that is not among them, a device that is not there, weights to
            start from that belong to another network, or an autoencoder of other codes than the recipe's.
    """
    keep_freed_memory()
    probes = make_probes(probe_scans(recipe), choose_device(recipe.device))
    average, step = trained(recipe, training_scans(read_packs(recipe.packs)), probes, minutes, on_step)
    return write_weights(recipe, average, step) if step == recipe.training.steps else None


def trained(
    recipe: TrainingRecipe,
    scans: Sequence[Sequence[TrainingScan]],
    probes: Sequence[Probe],
    minutes: float | None = None,
    on_step: OnStep | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, Tensor], int]:
    """The running mean of the weights and its step, once the recipe or the time is at its end; a curve as it goes.

    A curve that goes on from weights begins with what they gain themselves, at step 0.

    Args:
        recipe: Recipe of the run.
        scans: Result of `scans.training_scans`.
        probes: Result of `curve.make_probes`.
        minutes: Time limit; None: the whole run.
        on_step: Callback after every step.
        clock: Seconds that the limit counts in.

    Raises:
        MedsrError: As `train_recipe`.
    """
    device = choose_device(recipe.device)
    recipe.run.mkdir(parents=True, exist_ok=True)
    curve = recipe.run / "curve.csv"
    net, process = network_for(recipe.training).to(device), PROCESSES[recipe.training.process]
    began, losses, average, step = clock(), [], None, 0
    start = None if recipe.start is None else start_of(recipe).net.state_dict()
    if start is not None and not (recipe.run / CHECKPOINT).exists():
        net.load_state_dict(start)
        append_row(curve, 0, math.nan, gains_db(net, probes, process))
    for progress in train(scans, recipe.training, recipe.run, device, workers_for(device), start):
        step, average = progress.step, progress.average
        losses.append(progress.loss)
        late = minutes is not None and clock() - began > 60 * minutes
        gains = None
        if late or step in EARLY_POINTS or step % recipe.curve_every == 0 or step == recipe.training.steps:
            net.load_state_dict(average)
            gains = gains_db(net, probes, process)
            append_row(curve, step, float(torch.stack(losses).mean()), gains)
            if gains:
                plot_curve(curve, recipe.run / "curve.png")
            losses = []
        if on_step is not None:
            on_step(progress, recipe.training.steps, None if gains is None else by_task(gains))
        if late:
            break
    if average is None:  # the run was already at its end
        return average_of(recipe.run / CHECKPOINT), recipe.training.steps
    return average, step


def write_weights(recipe: TrainingRecipe, average: dict[str, Tensor], step: int) -> Path:
    """The running mean of the weights as NAME.safetensors with its SHA-256 beside it.

    Its envelope holds the modalities and the usual ranges of the packed scans, as they are and as named tasks see them.

    Raises:
        InputError: Packs that can't be read.
        ModelError: Weights larger than 16 MiB.
        OutputError: The file can't be written.
    """
    facts = training_facts(recipe, step)
    ranges = usual_ranges(_volume(scan) for scan in read_packs(recipe.packs))
    modalities = tuple(name for name in get_args(Modality) if name in ranges)
    envelope = Envelope(modalities=modalities, statistics=ranges)
    training = recipe.training
    spec = ModelSpec(
        recipe.name,
        recipe.version,
        training.net,
        envelope,
        error_variance=PROCESSES[training.process].error_variance,
        sample_scale=recipe.sample_scale,
        trained=facts,
        process=training.process,
        drop_condition=training.drop_condition,
        autoencoder=None if training.autoencoder is None else autoencoder_of(training).spec.net,
    )
    return store_weights(recipe.run / f"{recipe.name}.safetensors", weights_bytes(average, spec))


def training_facts(recipe: TrainingRecipe, step: int) -> dict[str, Any]:
    """What the metadata of weights say of their training."""
    facts: dict[str, Any] = {
        "steps": step,
        "packs_sha256": packs_sha256(recipe.packs),
        "cards_sha256": {card.name: _card_sha256(card) for card in recipe.cards},
        "code_version": medsr.__version__,
        "torch": str(torch.__version__),
        "settings": asdict(recipe.training),
    }
    if recipe.start is not None:
        start = start_of(recipe)
        facts["start"] = {"name": start.spec.name, "sha256": start.sha256, "steps": start.spec.trained.get("steps")}
    if recipe.training.autoencoder is not None:
        maker = autoencoder_of(recipe.training)
        facts["autoencoder"] = {"name": maker.spec.name, "sha256": maker.sha256}
    return facts


def start_of(recipe: TrainingRecipe) -> Model:
    """The model that training goes on from.

    Raises:
        UsageError: It has another network than the recipe, or other codes.
        ModelError: It can't be read.
    """
    model, training = load_model(str(recipe.start), "cpu"), recipe.training
    if isinstance(model.net, LatentNet) and training.autoencoder is not None:
        codes, theirs = autoencoder_of(training).net.state_dict(), model.net.autoencoder.state_dict()
        if any(name not in theirs or not torch.equal(value, theirs[name]) for name, value in codes.items()):
            raise UsageError(f"{recipe.start} was trained on the codes of another autoencoder; name that, or no start")
    if (model.spec.net, model.process.encodes) != (training.net, PROCESSES[training.process].encodes):
        raise UsageError(
            f"{recipe.start} has another network ({model.spec.net}) than the recipe ({training.net}); "
            "write its numbers under [training.net]"
        )
    return model


def store_weights(path: Path, content: bytes) -> Path:
    """Write a weights file and, beside it, its SHA-256."""
    with files.atomic(path) as file:
        file.write(content)
    with files.atomic(path.with_suffix(".sha256")) as file:
        file.write(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode())
    return path


def workers_for(device: torch.device) -> int:
    """All other cores make batches for a GPU; on a CPU the training itself needs them."""
    return max(1, (os.cpu_count() or 1) - 1) if device.type == "cuda" else 0


def _volume(scan: PackedScan) -> Volume:
    affine = np.diag([*scan.spacing_mm, 1.0])
    return Volume(scan.data.astype(np.float32), affine, "CT" if scan.modality == "CT" else "MR")


def probe_scans(recipe: TrainingRecipe) -> list[PackedScan]:
    """The held-out scans of the curve.

    Raises:
        UsageError: One that is not among the validation packs.
    """
    held_out = read_packs(recipe.validation_packs)
    names = [scan.name for scan in held_out]
    missing = [name for name in recipe.probes if name not in names]
    if missing:
        raise UsageError(f"probe {missing[0]!r} is not among the validation packs; they hold {', '.join(names)}")
    return [scan for scan in held_out if not recipe.probes or scan.name in recipe.probes]


def _card_sha256(card: Path) -> str:
    return hashlib.sha256((card / "manifest.tsv").read_bytes()).hexdigest()
