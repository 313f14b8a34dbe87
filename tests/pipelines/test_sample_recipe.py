"""The sample recipe of batch: every key that there is, each at its default or commented out, and none that harms."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from medsr.batch.recipe import BatchRecipe, batch_recipe, read_batch_recipe
from medsr.engine.deadlines import Deadlines
from medsr.enhancement.settings import EnhanceSettings, Input, Output
from medsr.io.recipes import read_toml

RECIPE = Path(__file__).resolve().parents[2] / "pipelines" / "enhance_folder" / "recipe.toml"
TABLES = {"": BatchRecipe, "enhance": EnhanceSettings, "enhance.input": Input, "enhance.output": Output}
OF_ONE_SCAN = {"region", "volume", "like"}  # batch refuses them
KEY = re.compile(r"^(?:# )?([a-z_]+) = ", re.MULTILINE)


def parts():
    """Text of each table of the recipe by its name."""
    names_and_texts = re.split(r"^\[([a-z.]+)\]", RECIPE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": names_and_texts[0], **dict(zip(names_and_texts[1::2], names_and_texts[2::2], strict=True))}


@pytest.mark.parametrize("name", [*TABLES, "deadlines"])
def test_every_key_is_there(name):
    tables = set() if name == "deadlines" else {"enhance", "deadlines", "input", "output"}
    expected = {field.name for field in fields(TABLES.get(name, Deadlines))} - OF_ONE_SCAN - tables
    assert set(KEY.findall(parts()[name])) == expected


def test_as_it_stands_it_asks_for_the_defaults():
    assert read_batch_recipe(RECIPE) == BatchRecipe()


def test_what_is_commented_out_can_be_taken(tmp_path):
    """All keys at once, but for one of the two that exclude each other."""
    text = RECIPE.read_text(encoding="utf-8").replace("# factors = [2.0]\n", "")
    (tmp_path / "recipe.toml").write_text(re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE))
    taken = batch_recipe(read_toml(tmp_path / "recipe.toml", "a batch recipe"))
    assert (taken.enhance.noise, taken.enhance.spacing_mm, taken.memory_gib) == (12.0, (1.0,), 12.0)
