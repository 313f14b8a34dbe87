"""A recipe trained path to path, in legs: weights at the end, a curve as it goes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import head

from medsr.enhancement.envelope import judge
from medsr.errors import InputError, UsageError
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import NetSpec
from medsr.model.weights import load_model
from medsr.physics.acquisition import acquisition_of
from medsr.training.curve import gains_db, make_probes, read_curve
from medsr.training.packs import packed, read_packs, write_packs
from medsr.training.recipe import TrainingRecipe
from medsr.training.run import train_recipe
from medsr.training.schedule import TrainingSettings

CPU = torch.device("cpu")
NET = NetSpec(N_MAPS, N_CONDITIONS, width=8, blocks=2, deep_width=8, deep_blocks=1, embedding=8)


@pytest.fixture
def recipe(tmp_path: Path) -> TrainingRecipe:
    write_packs([packed(head((48, 48, 48)), "sub-a_T1w", "sub-a")], tmp_path / "train")
    write_packs([packed(head((40, 40, 40)), "sub-b_T1w", "sub-b")], tmp_path / "held")
    card = tmp_path / "card"
    card.mkdir()
    (card / "manifest.tsv").write_text("file\n")
    training = TrainingSettings(steps=4, batch=2, patch=16, warmup=1, plain_steps=1, net=NET)
    return TrainingRecipe(
        "tiny", "0", tmp_path / "train", tmp_path / "held", tmp_path / "run", cards=(card,), training=training
    )


def test_a_whole_run_leaves_weights_that_load_and_a_curve(recipe: TrainingRecipe) -> None:
    seen: list[int] = []
    weights = train_recipe(recipe, on_step=lambda progress, steps, gains: seen.append(progress.step))
    assert seen == [1, 2, 3, 4]
    assert weights is not None
    model = load_model(weights, "cpu")
    assert model.spec.trained["steps"] == 4
    assert set(model.spec.trained["cards_sha256"]) == {"card"}
    header, rows = read_curve(recipe.run / "curve.csv")
    assert header[2:] == [f"sub-b_T1w {task}" for task in ("iso2", "iso4", "thick5")]
    assert [row[0] for row in rows] == [4]
    assert (recipe.run / "curve.png").exists()


def test_the_weights_know_what_is_usual_in_their_packs(recipe: TrainingRecipe) -> None:
    weights = train_recipe(recipe)
    assert weights is not None
    envelope = load_model(weights, "cpu").spec.envelope
    assert envelope.modalities == ("MR",)
    usual = head((48, 48, 48))
    acquisition = acquisition_of(usual)
    assert judge(usual, acquisition, envelope).level == "inside"
    noise = np.random.default_rng(0).standard_normal(usual.shape).astype(np.float32)
    assert judge(usual.with_data(noise), acquisition, envelope).level == "outside"
    other = head((48, 48, 48), modality="CT")
    assert "modality CT" in judge(other, acquisition, envelope).objections[0]


def test_a_leg_stops_early_and_the_next_one_goes_on(recipe: TrainingRecipe) -> None:
    assert train_recipe(recipe, minutes=0) is None
    seen: list[int] = []
    assert train_recipe(recipe, on_step=lambda progress, steps, gains: seen.append(progress.step)) is not None
    assert seen == [2, 3, 4]


def test_a_finished_run_gives_its_weights_again(recipe: TrainingRecipe) -> None:
    first = train_recipe(recipe)
    assert first is not None
    content = first.read_bytes()
    first.unlink()
    again = train_recipe(recipe)
    assert again == first
    assert again.read_bytes() == content


def test_a_finished_run_takes_over_the_scale_of_its_samples(recipe: TrainingRecipe) -> None:
    first = train_recipe(recipe)
    assert first is not None
    assert load_model(first, "cpu").spec.sample_scale == 1.0
    again = train_recipe(replace(recipe, sample_scale=1.25))
    assert again is not None
    assert load_model(again, "cpu").spec.sample_scale == 1.25


def test_a_recipe_goes_on_from_the_weights_of_another(recipe: TrainingRecipe, tmp_path: Path) -> None:
    first = train_recipe(recipe)
    assert first is not None
    idle = replace(recipe.training, learning_rate=0.0, steps=2)
    second = train_recipe(replace(recipe, name="later", run=tmp_path / "later", start=str(first), training=idle))
    assert second is not None
    before, after = (load_model(path, "cpu") for path in (first, second))
    for name, value in before.net.state_dict().items():
        np.testing.assert_allclose(after.net.state_dict()[name], value, rtol=1e-6, atol=1e-7)
    assert after.spec.trained["start"] == {"name": "tiny", "sha256": before.sha256, "steps": 4}


def test_a_curve_that_goes_on_from_weights_begins_with_what_they_gain(recipe: TrainingRecipe, tmp_path: Path) -> None:
    first = train_recipe(recipe)
    later = replace(recipe, name="later", run=tmp_path / "later", start=str(first))
    assert train_recipe(later, minutes=0) is None
    assert train_recipe(later) is not None
    header, rows = read_curve(later.run / "curve.csv")
    assert [row[0] for row in rows] == [0, 1, 4]
    shipped = gains_db(load_model(str(first), "cpu").net, make_probes(read_packs(recipe.validation_packs), CPU))
    assert dict(zip(header[2:], rows[0][2:], strict=True)) == pytest.approx(shipped, abs=6e-4)
    assert rows[0][2:] != rows[2][2:]


def test_weights_of_another_network_are_no_start(recipe: TrainingRecipe, tmp_path: Path) -> None:
    first = train_recipe(recipe)
    wider = replace(recipe.training, net=replace(NET, width=16))
    with pytest.raises(UsageError, match=r"another network .*width=8.* than the recipe .*width=16"):
        train_recipe(replace(recipe, run=tmp_path / "later", start=str(first), training=wider))


def test_a_probe_that_is_not_held_out_is_refused(recipe: TrainingRecipe) -> None:
    with pytest.raises(UsageError, match="sub-x"):
        train_recipe(replace(recipe, probes=("sub-x_T1w",)))


def test_missing_packs_are_refused(recipe: TrainingRecipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="prepare_training"):
        train_recipe(replace(recipe, packs=tmp_path / "nowhere"))
