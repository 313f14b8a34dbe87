"""`make train-gpu` on a tiny network: weights replaced where a leg is better, left where it is worse, and both told."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from phantoms import head
from tiny_models import EVERYTHING, TINY, tiny_net

from medsr.model.spec import ModelSpec
from medsr.model.weights import load_model, weights_bytes
from medsr.training.packs import packed, write_packs
from medsr.training.recipe import read_recipe
from medsr.training.run import store_weights

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "train_gpu"
RECIPE = """
name = "tiny"
version = "1.1.0"
start = "shipped.safetensors"
packs = "train"
validation_packs = "held"
run = "run"

[training]
batch = 1
patch = 16
learning_rate = 0.0
weights = "scan"

[training.net]
width = 8
blocks = 2
deep_width = 8
deep_blocks = 1
embedding = 8
"""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("train_gpu_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(path: Path, gain: float) -> Path:
    """A network that makes scans worse, the more the larger its gain."""
    net = tiny_net()
    net.tail.weight *= gain
    return store_weights(path, weights_bytes(net.state_dict(), ModelSpec("tiny", "1.0.0", TINY, EVERYTHING)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_packs([packed(head((40, 40, 40)), "sub-a_T1w", "sub-a")], tmp_path / "train")
    write_packs([packed(head((28, 28, 28)), "sub-b_T1w", "sub-b")], tmp_path / "held")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    stored(tmp_path / "shipped.safetensors", 8.0)
    return tmp_path


def test_a_leg_that_learns_nothing_leaves_the_weights_and_prints_the_table(script, folder, capsys):
    before = (folder / "shipped.safetensors").read_bytes()
    assert script.main([str(folder / "recipe.toml"), "--minutes", "0.01", "--run", str(folder / "leg")]) == 0
    told = capsys.readouterr().out
    assert "MR thick5 told wrong" in told
    assert "the shipped weights stay" in told
    assert (folder / "shipped.safetensors").read_bytes() == before
    (leg,) = json.loads((folder / "leg" / "legs.json").read_text())
    assert leg["better"] is False
    assert len(leg["table"]) == 9


def test_better_weights_replace_and_worse_ones_do_not(script, folder, capsys):
    mild = stored(folder / "mild.safetensors", 1.0)
    harmful = folder / "harmful.safetensors"
    harmful.write_bytes((folder / "shipped.safetensors").read_bytes())
    for candidate, words in ((mild, "are replaced"), (harmful, "the shipped weights stay")):
        assert script.main([str(folder / "recipe.toml"), "--judge", str(candidate)]) == 0
        assert words in capsys.readouterr().out
        assert load_model(folder / "shipped.safetensors", "cpu").sha256 == load_model(mild, "cpu").sha256


def test_an_error_is_one_line_and_its_exit_code(script, folder, capsys):
    assert script.main([str(folder / "nowhere.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_no_time_to_train_is_refused_before_anything_is_made(script, folder, capsys, minutes):
    with pytest.raises(SystemExit, match="2"):
        script.main([str(folder / "recipe.toml"), "--minutes", minutes])
    assert "expected a time above 0" in capsys.readouterr().err
    assert not (folder / "run").exists()


def test_the_recipe_goes_on_from_the_shipped_weights(script):
    recipe = read_recipe(script.RECIPE)
    assert recipe.start == "medsr-base"
    assert recipe.training.net == load_model("medsr-base", "cpu").spec.net
    assert recipe.training.weights == "scan"
    assert all((card / "manifest.tsv").is_file() for card in recipe.cards)
    assert recipe.training.slab[0] >= 8 * 12  # eight slices of the largest factor
