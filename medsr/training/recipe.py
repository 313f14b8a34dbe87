"""Recipes: TOML files read once at the edge into frozen settings; an unknown key is an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from medsr.io.recipes import FORBID_UNKNOWN, parsed, read_toml
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import NetSpec
from medsr.model.packaged import packaged_models
from medsr.training.schedule import TrainingSettings


@dataclass(frozen=True)
class TrainingRecipe:
    """What `medsr train` reads; paths are relative to the recipe's folder.

    Attributes:
        name: Name of the model.
        version: Version of its weights.
        packs: Folder of the training packs.
        validation_packs: Folder of held-out packs for the learning curve.
        run: Folder of checkpoint, curve and final weights.
        start: Packaged model or weights file to go on from; None: random weights.
        probes: Names of the held-out scans for the learning curve; empty: all of them.
        cards: Folders of the data cards, whose hashes go into the weights.
        device: "auto", "cpu" or "cuda".
        curve_every: Steps between points of the curve (more often at the start).
        sample_scale: `ModelSpec.sample_scale` of the weights; chosen once they are trained, 1 before.
        training: Settings of `medsr.training.loop.train`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    name: str
    version: str
    packs: Path
    validation_packs: Path
    run: Path
    start: str | None = None
    probes: tuple[str, ...] = ()
    cards: tuple[Path, ...] = ()
    device: str = "auto"
    curve_every: int = 500
    sample_scale: float = 1.0
    training: TrainingSettings = field(default_factory=lambda: default_training())


def default_training() -> TrainingSettings:
    """The base network's training."""
    return TrainingSettings(net=NetSpec(N_MAPS, N_CONDITIONS))


def read_recipe(path: Path) -> TrainingRecipe:
    """The recipe in a TOML file.

    Raises:
        UsageError: No such file, not TOML, an unknown key or a value of the wrong kind.
    """
    content = read_toml(path, "a training recipe")
    training = content.get("training")
    if isinstance(training, dict) and isinstance(training.get("net", {}), dict):
        training["net"] = {"channels": N_MAPS, "conditions": N_CONDITIONS, **training.get("net", {})}
    return _resolved(parsed(TrainingRecipe, content, str(path)), path.parent)


def _resolved(recipe: TrainingRecipe, folder: Path) -> TrainingRecipe:
    start, training = recipe.start, recipe.training
    if training.distil is not None:
        teacher = _place(training.distil.teacher, folder)
        training = replace(training, distil=replace(training.distil, teacher=teacher))
    if training.autoencoder is not None:
        training = replace(training, autoencoder=str(folder / training.autoencoder))
    return replace(
        recipe,
        start=None if start is None else _place(start, folder),
        training=training,
        packs=folder / recipe.packs,
        validation_packs=folder / recipe.validation_packs,
        run=folder / recipe.run,
        cards=tuple(folder / card for card in recipe.cards),
    )


def _place(name_or_file: str, folder: Path) -> str:
    """A packaged model's name as it is; a weights file's path beside the recipe."""
    return name_or_file if name_or_file in packaged_models() else str(folder / name_or_file)
