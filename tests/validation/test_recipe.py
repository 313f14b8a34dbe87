"""The recipe of a study: what is not known is refused, what is left out is that of the named task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medsr.errors import UsageError
from medsr.physics.tasks import TASKS
from medsr.validation.recipe import StudyRecipe, read_study_recipe, study_recipe

TEXT = """
methods = ["ibp", "mean"]
gates = ["psnr>=20, median ssim>0.5"]
blend = [0, 0.5, 1]
uncertainty = true
bootstrap_seed = 7
workers = 2

[enhance]
steps = 4
seed = 3

[[tasks]]
name = "iso2"

[[tasks]]
name = "thick5, assumed too thin"
base = "thick5"
profile = "box"
assumed_profile = "gaussian"
assumed_fwhm_mm = 4

[[tasks]]
name = "noisy by three"
factor = 3
noise_share = 0.03
"""


def test_a_recipe_is_read_with_named_tasks_as_base(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(TEXT)
    recipe = read_study_recipe(path)
    assert recipe.tasks[0] == TASKS["iso2"]
    assert recipe.tasks[1] == replace(
        TASKS["thick5"], name="thick5, assumed too thin", profile="box", assumed_profile="gaussian", assumed_fwhm_mm=4
    )
    assert (recipe.tasks[2].factor, recipe.tasks[2].noise_share) == (3, 0.03)
    assert (recipe.enhance.steps, recipe.enhance.seed, recipe.bootstrap_seed) == (4, 3, 7)
    assert [gate.metric for gate in recipe.limits] == ["psnr", "ssim"]
    assert recipe.as_dict()["gates"] == ["psnr>=20", "median ssim>0.5"]


def test_a_task_may_ask_for_several_stacks():
    table = {"name": "two stacks", "base": "thick5", "stacks": 2, "moved": True}
    recipe = study_recipe({"tasks": [{"name": "thick5"}, table], "enhance": {"mode": "sample", "samples": 3}})
    assert recipe.tasks[1] == replace(TASKS["thick5"], name="two stacks", stacks=2, moved=True)
    assert recipe.stacked == ("two stacks",)


def test_files_of_a_recipe_lie_beside_it(tmp_path):
    (tmp_path / "limits.txt").write_text("psnr>=30\n")
    (tmp_path / "own.safetensors").write_bytes(b"")
    (tmp_path / "study.toml").write_text('gates = ["limits.txt"]\n[enhance]\nmodel = "own.safetensors"\n')
    recipe = read_study_recipe(tmp_path / "study.toml")
    assert [gate.text for gate in recipe.limits] == ["psnr>=30"]
    assert recipe.enhance.model == str(tmp_path / "own.safetensors")
    assert str(tmp_path) not in str(recipe.as_dict())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"task": []}, "unknown key task;"),
        ({"enhance": {"step": 3}}, "unknown key enhance.step"),
        ({"tasks": [{"name": "iso2", "factors": 2}]}, "unknown key tasks.factors"),
        ({"tasks": ["iso2"]}, r"\[\[tasks\]\]"),
        ({"tasks": [{"name": "mine"}]}, "either factor or thick_mm"),
        ({"tasks": [{"name": "mine", "base": "iso3"}]}, "'iso3'"),
        ({"tasks": [{"name": "iso2"}, {"name": "iso2"}]}, "two tasks"),
        ({"tasks": [{"name": "pair", "factor": 2}]}, "'pair'"),
        ({"tasks": [{"name": "mine", "factor": "two"}]}, "tasks.0.factor"),
        ({"methods": ["magic"]}, "'magic'"),
        ({"blend": [2]}, "blend"),
        ({"workers": -1}, "workers"),
        ({"enhance": {"factors": [2]}}, "enhance.factors"),
        ({"tasks": [{"name": "iso2", "stacks": 2}]}, "thick_mm"),
        ({"tasks": [{"name": "thick5", "stacks": "two"}]}, "tasks.0.stacks"),
        (
            {"tasks": [{"name": "thick5", "stacks": 2}], "methods": ["mean"]},
            "'thick5' has stacks, for the method 'fused'",
        ),
        ({"tasks": [{"name": "thick5", "stacks": 2}], "enhance": {"noise": 3}}, "noise"),
        ({"enhance": {"output": {"colour": 1}}}, "unknown key enhance.output.colour; known are compress"),
    ],
)
def test_what_makes_no_sense_is_refused(content, said):
    with pytest.raises(UsageError, match=said):
        study_recipe(content)


def test_a_file_that_is_no_recipe_is_refused(tmp_path):
    with pytest.raises(UsageError, match="can't be read"):
        read_study_recipe(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("tasks = [")
    with pytest.raises(UsageError, match="not TOML"):
        read_study_recipe(tmp_path / "bad.toml")


def test_a_model_is_needed_where_anything_is_measured_of_it():
    plain = StudyRecipe(methods=("cubic", "ibp"))
    assert not plain.needs_model
    assert replace(plain, methods=("mean",)).needs_model
    assert replace(plain, methods=("fused",)).needs_model
    assert replace(plain, blend=(0.5,)).needs_model
    assert replace(plain, gates=("coverage90 in [0.8,1]",)).needs_model


@pytest.mark.parametrize("change", [{"anatomy": True}, {"hallucination": True}, {"uncertainty": True}])
def test_a_case_that_is_measured_in_more_ways_is_another_case(change):
    plain = StudyRecipe(methods=("ibp",))
    assert replace(plain, **change).settings_key != plain.settings_key


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("study", {"iso2", "iso4", "thick5"}),
        ("conditions", {"noisy2", "iso2, kspace"}),
        ("lesions", {"iso2", "thick5"}),
    ],
)
def test_the_recipes_of_the_pipeline_can_be_read(name, tasks):
    recipe = read_study_recipe(Path(__file__).parents[2] / "pipelines" / "validate" / f"{name}.toml")
    assert tasks <= {task.name for task in recipe.tasks}


def test_criteria_lie_beside_the_recipe_and_are_no_gates_of_numbers(tmp_path):
    text = '[[criteria]]\ntext = "gains"\nmetric = "psnr_db"\nagainst = "ibp"\nstatistic = "mean"\ncomparison = ">"\n'
    (tmp_path / "mine.toml").write_text(f'{text}threshold = 0\nsource = "ours"\n')
    (tmp_path / "study.toml").write_text('gates = ["mine.toml", "psnr>=3"]\n')
    recipe = read_study_recipe(tmp_path / "study.toml")
    assert [one.text for one in recipe.limits] == ["psnr>=3"]
    assert [one.text for one in recipe.sheet.criteria] == ["gains"]
    assert recipe.as_dict()["gates"] == ["psnr>=3", "gains"]
    assert not StudyRecipe().sheet.asked
    assert StudyRecipe().as_dict()["gates"] == []


def test_a_reading_compares_two_methods_that_are_measured_and_pictured():
    assert StudyRecipe(reading=("mean", "cubic")).settings_key == StudyRecipe().settings_key
    for names in (("mean",), ("mean", "mean"), ("mean", "nearest"), ("mean", "cubic", "ibp")):
        with pytest.raises(UsageError, match="expected two of cubic, ibp, tv, mean, sample"):
            StudyRecipe(reading=names)
