"""`make family` at the size of a test: two members trained, measured on a sample scan, and written down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_scans import small_scans
from tiny_models import TINY
from torch import nn

from medsr.anatomy import conform
from medsr.anatomy.meshnet import MeshNet
from medsr.diffusion.processes import PROCESSES
from medsr.enhancement.posterior import evaluations_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError, UsageError
from medsr.model.weights import load_model
from medsr.samples import sample_path
from medsr.training import budget
from medsr.training.packs import write_packs
from medsr.training.recipe import read_recipe
from medsr.validation import anatomy

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "pipelines" / "family"
SMALL = """
name = "{name}"
version = "0"
packs = "packs"
validation_packs = "held"
run = "runs/{name}"
device = "cpu"
{start}

[training]
process = "{name}"
batch = 1
patch = 12
slab = [16, 12, 12]
warmup = 1
plain_steps = 1
widening_steps = 1

[training.net]
width = 8
blocks = 2
deep_width = 8
deep_blocks = 1
embedding = 8
"""
TAUGHT = '\n[training.distil]\nteacher = "runs/edm/edm.safetensors"\nsteps = 2\n'


@pytest.fixture
def script(family):
    return family("run")


@pytest.fixture
def members(family):
    return family("members")


@pytest.fixture
def page(family):
    return family("family_page")


@pytest.fixture
def bright(family, monkeypatch):
    """A network that calls half of the largest intensity brain, which is taken for a whole one; counts its heads."""
    layer = nn.Conv3d(1, 2, 1)
    layer.weight.data = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1, 1)
    layer.bias = nn.Parameter(torch.tensor([0.5, 0.0]))
    network = MeshNet(nn.Sequential(layer), ("background", "brain"))
    anatomy_dice = family("anatomy_dice")
    heads = []
    monkeypatch.setattr(anatomy, "load_meshnet", lambda: heads.append(1) or network)
    monkeypatch.setattr(anatomy_dice, "load_meshnet", lambda: network)
    monkeypatch.setattr(anatomy, "doubt", lambda found: "")
    monkeypatch.setattr(conform, "SIDE", 96)
    return heads


@pytest.fixture
def folder(tmp_path, page):
    write_packs(small_scans(), tmp_path / "packs")
    write_packs(small_scans()[:1], tmp_path / "held")
    (tmp_path / "edm.toml").write_text(SMALL.format(name="edm", start=""))
    start = 'start = "runs/edm/edm.safetensors"'
    (tmp_path / "edm_few.toml").write_text(SMALL.format(name="edm_few", start=start) + TAUGHT)
    (tmp_path / "page.md").write_text(f"above\n{page.BEGIN}\nold\n{page.END}\nbelow\n")
    return tmp_path


def test_a_member_asks_for_its_own_weights_and_those_of_the_classifier_that_leads_it(members):
    known = {path.stem: read_recipe(path) for path in FOLDER.glob("*.toml")}
    for member in members.MEMBERS:
        settings = member.settings(known)
        assert settings.model == str(members.weights_of(known[member.recipe]))
        leader = None if member.classifier is None else str(members.weights_of(known[member.classifier]))
        assert settings.classifier == leader
        assert {name: getattr(settings, name) for name in member.asked} == dict(member.asked)
    assert any(member.classifier for member in members.MEMBERS)


def test_two_members_are_trained_measured_and_written_down_once(
    family, script, page, folder, bright, monkeypatch, capsys
):
    monkeypatch.setattr(budget, "TRIAL_STEPS", 2)
    monkeypatch.setattr(budget, "steps_within", lambda seconds, step_s: 2)
    asked = [
        "edm_few, two steps",
        "edm, Heun",
        "--minutes",
        "5",
        "--seeds",
        "2",
        "--side",
        "24",
        "--scans",
        str(sample_path()),
    ]
    arguments = [*asked, *places_in(folder)]
    assert script.main(arguments) == 0, capsys.readouterr().err
    content = json.loads((folder / "results" / "family.json").read_text())
    rows = {row["name"]: row for row in content["members"]}
    assert list(rows) == ["edm, Heun", "edm_few, two steps"]
    for row in rows.values():
        assert [run["seed"] for run in row["training"]] == [0, 1]
        assert all(run["step"] == run["steps"] == 2 for run in row["training"])
        assert row["parameters"] == sum(v.numel() for v in load_model_of(folder, row).net.state_dict().values())
        for task in row["tasks"]:
            assert task["scans"] == 1
            assert all(value is not None for key, value in task.items() if key != "interior_gain_db")
            assert 0.5 < task["dice_sample"] <= 1
    assert content["shown"] == sample_path().name
    baselines = {row["name"]: row["tasks"] for row in content["baselines"]}
    assert list(baselines) == ["cubic", "ibp"]
    assert [task["mask_gain_db"] for task in baselines["ibp"]] == [0, 0]
    assert all(task["dice_mean"] > 0.5 for task in baselines["cubic"])
    assert len(bright) == 1  # one segmentation of the whole head serves all
    assert rows["edm, Heun"]["evaluations"] == {"mean": 1, "sample": 16}
    assert load_model_of(folder, rows["edm_few, two steps"]).spec.trained["start"]["name"] == "edm"
    text = (folder / "page.md").read_text()
    assert text.startswith("above\n") and text.endswith("\nbelow\n") and "\nold\n" not in text
    assert "| edm_few, two steps | 1, 3 |" in text
    lines = text.splitlines()
    assert [lines[n + 4].split(" | ")[0] for n, line in enumerate(lines) if line.startswith("**iso2")] == ["| cubic"]
    assert "](../images/family.png)" in text
    assert "family.png" not in page.rewritten(text, content)  # where it is missing
    assert (folder / "images" / "family.png").read_bytes()[:4] == b"\x89PNG"
    assert "Not measured yet: edm; edm, ancestral; edm_few, one step; ddpm_linear; " in text
    assert "What an autoencoder leaves of details isn't measured yet." in text

    kept = {path: path.read_bytes() for path in folder.rglob("*.safetensors")}
    monkeypatch.setattr(
        family("crop_results"), "restorations", lambda *_: pytest.fail("a crop that is kept is computed again")
    )
    bright.clear()
    monkeypatch.setattr(budget, "trained", lambda *_: pytest.fail("a finished member is trained again"))
    capsys.readouterr()
    assert script.main(arguments) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*.safetensors")} == kept
    assert json.loads((folder / "results" / "family.json").read_text()) == content
    assert (folder / "page.md").read_text() == text
    assert bright == []


def test_latent_is_trained_after_its_autoencoder_and_measured_with_it(script, folder, bright, monkeypatch, capsys):
    monkeypatch.setattr(budget, "TRIAL_STEPS", 2)
    monkeypatch.setattr(budget, "steps_within", lambda seconds, step_s: 2)
    for name, named in (("autoencoder", ""), ("latent", 'autoencoder = "runs/autoencoder/autoencoder.safetensors"\n')):
        text = SMALL.format(name=name, start="") + "codes = 4\n"
        (folder / f"{name}.toml").write_text(text.replace("batch = 1\n", f'batch = 1\nweights = "target"\n{named}'))
    asked = ["latent", "--minutes", "5", "--side", "24", "--scans", str(sample_path()), *places_in(folder)]
    assert script.main(asked) == 0, capsys.readouterr().err
    (row,) = json.loads((folder / "results" / "family.json").read_text())["members"]
    assert bright  # so the Dice is that of this network
    assert row["evaluations"] == {"mean": 80, "sample": 10}
    made = load_model(folder / "runs" / "autoencoder" / "autoencoder.safetensors", "cpu")
    assert load_model_of(folder, row).spec.trained["autoencoder"]["sha256"] == made.sha256
    assert [one["task"] for one in row["autoencoder"]] == ["iso2", "thick5"]
    assert all(one["mask_psnr_db"] > 0 for one in row["autoencoder"])
    text = (folder / "page.md").read_text()
    assert "**What the autoencoder of latent leaves**" in text and "\n| thick5 | " in text


def places_in(folder):
    """Arguments that keep a run from the recipes, the results and the page of the repository."""
    names = {"recipes": "", "results": "results", "page": "page.md", "picture": "images/family.png"}
    return [text for option, name in names.items() for text in (f"--{option}", str(folder / name))]


def load_model_of(folder, row):
    return load_model(folder / "runs" / row["recipe"] / f"{row['recipe']}.safetensors", "cpu")


def test_rows_that_do_not_compare_are_dropped(script, tmp_path):
    path, here = tmp_path / "family.json", {"side": 64}
    script._with(path, here, {"name": "flow"})
    assert [row["name"] for row in script._with(path, here, {"name": "edm"})["members"]] == ["edm", "flow"]
    assert [row["name"] for row in script._with(path, {"side": 32}, {"name": "pmrf"})["members"]] == ["pmrf"]


def test_an_error_is_one_line_and_its_exit_code(script, folder, capsys):
    assert script.main(["nobody", "--recipes", str(folder)]) == UsageError.exit_code
    assert script.main(["flow", "--recipes", str(folder)]) == InputError.exit_code
    assert capsys.readouterr().err.count("\n") == 2


def test_what_others_start_from_or_are_taught_by_comes_first(members, folder):
    known = {name: read_recipe(folder / f"{name}.toml") for name in ("edm_few", "edm")}
    assert [one.name for one in members.in_order([known["edm_few"]], known)] == ["edm", "edm_few"]
    alone = replace(known["edm_few"], start=None, training=replace(known["edm_few"].training, net=TINY))
    assert [one.name for one in members.in_order([alone], {"edm_few": alone, "edm": known["edm"]})] == [
        "edm",
        "edm_few",
    ]


def test_every_recipe_is_measured_or_leads(members):
    used = {name for member in members.MEMBERS for name in member.recipes}
    assert used == {path.stem for path in FOLDER.glob("*.toml")}


def test_the_page_names_every_member_with_its_evaluations(members, page):
    text = (ROOT / page.PAGE).read_text(encoding="utf-8")
    for member in members.MEMBERS:
        recipe = read_recipe(FOLDER / f"{member.recipe}.toml")
        settings = EnhanceSettings(flips=0, **member.asked)
        process = PROCESSES[recipe.training.process]
        mean, sample = (evaluations_of(replace(settings, mode=mode), process) for mode in ("mean", "sample"))
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {member.name} | `")]
        assert f"| {mean}, {sample} |" in line
        assert f"`{settings.sampler}`, {settings.steps} step" in line
        assert all(f"`{name}.toml`" in line for name in member.recipes)


def test_the_page_says_what_was_measured(page):
    result = ROOT / page.RESULT
    text = (ROOT / page.PAGE).read_text(encoding="utf-8")
    pictured = (ROOT / page.PICTURE).is_file()
    assert (f"images/{page.PICTURE.name}" in text) <= pictured
    if result.is_file() or page.NOT_MEASURED in text:
        content = json.loads(result.read_text(encoding="utf-8")) if result.is_file() else None
        assert page.rewritten(text, content, pictured) == text
    with pytest.raises(InputError, match="no place"):
        page.rewritten("nothing", None)


def test_seeds_are_shown_from_the_least_to_the_most(page):
    assert page._span([0.5, 0.25, None], "+.2f") == "+0.25 to +0.50"
    assert page._span([0.5], "+.2f") == "+0.50"
    assert page._span([None], "+.2f") == "none"
