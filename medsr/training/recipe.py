"""Recipes: TOML files read once at the edge into frozen settings; an unknown key is an error."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from medsr.errors import UsageError
from medsr.io.toml import read_toml
from medsr.model.conditioning import N_CONDITIONS, N_MAPS
from medsr.model.nets import NetSpec
from medsr.model.weights import packaged_models
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
    net = content.get("training", {}).get("net", {})
    if isinstance(net, dict) and "training" in content:
        content["training"]["net"] = {"channels": N_MAPS, "conditions": N_CONDITIONS, **net}
    _refuse_unknown(path, content, TrainingRecipe)
    _refuse_unknown(path, content.get("training", {}), TrainingSettings, "training.")
    _refuse_unknown(path, net, NetSpec, "training.net.")
    try:
        recipe = TypeAdapter(TrainingRecipe).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {place}: {first['msg']}") from error
    return _resolved(recipe, path.parent)


def _refuse_unknown(path: Path, content: object, kind: type, prefix: str = "") -> None:
    known = [entry.name for entry in fields(kind)]
    for key in content if isinstance(content, dict) else ():
        if key not in known:
            raise UsageError(f"{path}: unknown key {prefix}{key}; known are {', '.join(known)}")


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
