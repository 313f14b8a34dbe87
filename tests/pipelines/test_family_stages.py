"""Slices of 8 mm in one step and in stages: who is compared, what differs, and where the table shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from phantoms import head
from tiny_models import EVERYTHING, TINY, tiny_net

from medsr.io import save
from medsr.model.spec import ModelSpec
from medsr.model.weights import weights_bytes
from medsr.training.recipe import read_recipe
from medsr.validation.study import validate

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "family"


@pytest.fixture
def trained(family, tmp_path):
    """The recipe edm, trained, and a crop to measure it on."""
    recipe = replace(read_recipe(FOLDER / "edm.toml"), run=tmp_path / "runs" / "edm")
    recipe.run.mkdir(parents=True)
    weights = weights_bytes(tiny_net().state_dict(), ModelSpec("edm", "0", TINY, EVERYTHING))
    family("members").weights_of(recipe).write_bytes(weights)
    crop = tmp_path / "sub-a_T1w.nii.gz"
    save(head((24, 24, 32)), crop)
    return {"edm": recipe}, family("measuring").Crops((crop,), crop, None, tmp_path / "family")


def member_named(family, name):
    return next(one for one in family("members").MEMBERS if one.name == name)


def test_one_step_and_stages_are_measured_by_the_same_weights(family, trained, monkeypatch):
    stages, asked = family("stages"), []
    monkeypatch.setattr(
        family("measuring"),
        "validate",
        lambda crops, recipe, folder, **told: asked.append((recipe, folder)) or validate(crops, recipe),
    )
    found = stages.staged(member_named(family, "edm"), *trained)
    assert [recipe.enhance.cascade for recipe, _ in asked] == [None, 0.0, 0.02]
    assert {replace(recipe.enhance, cascade=None) for recipe, _ in asked} == {asked[0][0].enhance}
    assert {task.thick_mm for recipe, _ in asked for task in recipe.tasks} == {8}
    assert len({folder for _, folder in asked}) == 3
    gains = [way["mask_gain_db"] for way in found.values()]
    assert len(set(gains)) == 3
    assert all(abs(gain) < 20 for gain in gains)


def test_members_that_are_not_compared_are_not_measured(family, trained):
    for name in ("edm, Heun", "flow"):
        assert family("stages").staged(member_named(family, name), *trained) == {}
    assert set(family("stages").STAGED) <= {one.name for one in family("members").MEMBERS}


def test_the_table_has_both_weights_in_interior_and_mask(family):
    page, ways = family("family_page"), family("stages").WAYS
    assert list(page.STAGES) == list(ways)

    def row(name: str, db: float | None) -> dict[str, object]:
        return {"name": name, "stages": {way: {"interior_gain_db": db, "mask_gain_db": 2.0} for way in ways}}

    rows = [row("edm", 1.0), {"name": "flow", "stages": {}}, {"name": "pmrf"}, row("cascade", None)]
    assert page.in_stages(rows).rstrip().splitlines()[2:] == [
        "| recipe | one step | cascade, 0 | cascade, 0.02 |",
        "|---|---|---|---|",
        "| edm, interior | +1.00 | +1.00 | +1.00 |",
        "| edm, mask | +2.00 | +2.00 | +2.00 |",
        "| cascade, interior | none | none | none |",
        "| cascade, mask | +2.00 | +2.00 | +2.00 |",
    ]
    assert page.in_stages(rows[1:3]) == ""
