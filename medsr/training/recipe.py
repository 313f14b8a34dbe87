"""Recipes: TOML files read once at the edge into frozen settings; an unknown key is an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from medsr.io.recipes import FORBID_UNKNOWN, parsed, read_toml
from medsr.model.conditioning import N_CONDITIONS, N_MAPS
from medsr.model.nets import NetSpec
from medsr.model.weights import packaged_models
from medsr.training.schedule import TrainingSettings


@dataclass(frozen=True)
class TrainingRecipe:
    """What `medsr train` reads; paths are relative to the recipe's folder.

    Attributes:
        name: of the model.
        version: of its weights.
        packs: folder of the training packs.
        validation_packs: folder of held-out packs for the learning curve.
        start: packaged model or weights file that training goes on from; none: from nothing.
        probes: names of the held-out scans that the curve is drawn on; none means all.
        run: folder of checkpoint, curve and final weights.
        cards: data cards' folders, whose hashes go into the weights.
        device: "auto", "cpu" or "cuda".
        curve_every: steps between points of the curve (more often at the start).
        sample_scale: of `medsr.model.spec.ModelSpec`; chosen once the weights are trained, 1 before.
        training: of `medsr.training.loop.train`.
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
        UsageError: missing, not TOML, an unknown key or a value of the wrong kind.
    """
    content = read_toml(path, "a training recipe")
    training = content.get("training")
    if isinstance(training, dict) and isinstance(training.get("net", {}), dict):
        training["net"] = {"channels": N_MAPS, "conditions": N_CONDITIONS, **training.get("net", {})}
    return _resolved(parsed(TrainingRecipe, content, str(path)), path.parent)


def _resolved(recipe: TrainingRecipe, folder: Path) -> TrainingRecipe:
    start = recipe.start
    if start is not None and start not in packaged_models():
        start = str(folder / start)
    return replace(
        recipe,
        start=start,
        packs=folder / recipe.packs,
        validation_packs=folder / recipe.validation_packs,
        run=folder / recipe.run,
        cards=tuple(folder / card for card in recipe.cards),
    )
