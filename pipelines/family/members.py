"""What is measured of the family: a recipe, and how samples are asked of what it trained.

Samplers and steps are those of the papers where they are few enough, and were not chosen on any scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class Member:
    """One row of the table.

    Attributes:
        name: Name of the row.
        recipe: Name of its recipe in this folder.
        asked: Keys of `EnhanceSettings` for its samples.
        classifier: Name of the recipe of a classifier that leads them; None: nothing does.
        autoencoder: Name of the recipe of the autoencoder that they are codes of; None: they are details.
    """

    name: str
    recipe: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    classifier: str | None = None
    autoencoder: str | None = None

    @property
    def recipes(self) -> tuple[str, ...]:
        """Names of the recipes that it needs, its own first."""
        return tuple(name for name in (self.recipe, self.classifier, self.autoencoder) if name is not None)

    @property
    def file_name(self) -> str:
        """Its name in those of files and folders."""
        return self.name.replace(", ", "-").replace(" ", "_")

    def is_trained(self, known: Mapping[str, TrainingRecipe]) -> bool:
        """Whether the weights of all recipes that it needs are there.

        Args:
            known: All recipes there are, by name.
        """
        return all(name in known and weights_of(known[name]).is_file() for name in self.recipes)

    def settings(self, known: Mapping[str, TrainingRecipe]) -> EnhanceSettings:
        """What its samples are asked by, with the weights of its recipes.

        Args:
            known: All recipes there are, by name.
        """
        leader = None if self.classifier is None else str(weights_of(known[self.classifier]))
        model = str(weights_of(known[self.recipe]))
        return EnhanceSettings(model=model, classifier=leader, flips=0, force=True, **self.asked)


ANCESTRAL_20 = {"sampler": "ancestral", "steps": 20}
ANCESTRAL_50 = {"sampler": "ancestral", "steps": 50}
EULER_10 = {"sampler": "euler", "steps": 10}

MEMBERS = (
    Member("edm", "edm", {"sampler": "dpm2m", "steps": 6}),
    Member("edm, Heun", "edm", {"sampler": "heun", "steps": 8}),
    Member("edm, ancestral", "edm", {"sampler": "ancestral", "steps": 32}),
    Member("edm_few, one step", "edm_few", {"sampler": "euler", "steps": 1}),
    Member("edm_few, two steps", "edm_few", {"sampler": "ancestral", "steps": 2}),
    Member("ddpm_linear", "ddpm_linear", ANCESTRAL_50),
    Member("ddpm_cosine", "ddpm_cosine", ANCESTRAL_50),
    Member("ddpm_cosine_v", "ddpm_cosine_v", ANCESTRAL_50),
    Member("ddpm_cosine_x0", "ddpm_cosine_x0", ANCESTRAL_50),
    Member("flow", "flow", EULER_10),
    Member("pmrf", "pmrf", EULER_10),
    Member("indi", "indi", EULER_10),
    Member("i2sb", "i2sb", ANCESTRAL_20),
    Member("resshift", "resshift", {"sampler": "ancestral", "steps": 15}),
    Member("cascade", "cascade", {"sampler": "dpm2m", "steps": 6}),
    Member("guided", "guided", {"sampler": "dpm2m", "steps": 6, "guidance": 1.5}),
    Member("edm, classifier", "edm", {"sampler": "dpm2m", "steps": 6}, classifier="sharpness"),
    Member("latent", "latent", {"sampler": "dpm2m", "steps": 10}, autoencoder="autoencoder"),
    Member("prior, prox", "prior", {**ANCESTRAL_20, "data_step": "prox"}),
    Member("prior, project", "prior", {**ANCESTRAL_20, "data_step": "project"}),
    Member("prior, gradient", "prior", {**ANCESTRAL_20, "data_step": "gradient"}),
)


def chosen(names: Sequence[str]) -> tuple[Member, ...]:
    """The members of these names or recipes, or all where none is given.

    Raises:
        UsageError: a name that none has.
    """
    known = {name for member in MEMBERS for name in (member.name, member.recipe)}
    for name in names:
        if name not in known:
            raise UsageError(f"no member is called {name!r}; choose from {', '.join(sorted(known))}")
    return tuple(one for one in MEMBERS if not names or one.name in names or one.recipe in names)


def in_order(recipes: Sequence[TrainingRecipe], known: Mapping[str, TrainingRecipe]) -> tuple[TrainingRecipe, ...]:
    """The recipes, and before each those whose weights it starts from, is taught by or makes codes with.

    Args:
        recipes: Recipes that are wanted.
        known: All recipes there are, by name.
    """
    weights = {weights_of(recipe).resolve(): recipe for recipe in known.values()}
    found: dict[str, TrainingRecipe] = {}

    def add(recipe: TrainingRecipe) -> None:
        distil = recipe.training.distil
        for needed in (recipe.start, recipe.training.autoencoder, None if distil is None else distil.teacher):
            before = None if needed is None else weights.get(Path(needed).resolve())
            if before is not None and before.name not in found:
                add(before)
        found.setdefault(recipe.name, recipe)

    for recipe in recipes:
        add(recipe)
    return tuple(found.values())


def weights_of(recipe: TrainingRecipe) -> Path:
    """The weights file that a recipe ends with."""
    return recipe.run / f"{recipe.name}.safetensors"
