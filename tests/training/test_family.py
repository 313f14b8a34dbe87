"""Every recipe of the family trains and enhances a real scan, at the size of a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_scans import small_scans
from tiny_models import CODED, EVERYTHING, TINY, write_autoencoder, write_tiny

import medsr
from medsr.diffusion.processes import PROCESSES
from medsr.enhancement.posterior import last_of, posterior_mean, prepared, sample_steps
from medsr.enhancement.region import Box, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.whole import Whole
from medsr.errors import ModelError, UsageError
from medsr.io import load
from medsr.model.spec import ModelSpec
from medsr.model.weights import load_model, weights_bytes
from medsr.physics.acquisition import acquisition_of
from medsr.samples import sample_path
from medsr.training.curve import read_curve
from medsr.training.distil import Distil
from medsr.training.extras import NO_EXTRAS, Extras
from medsr.training.loop import train
from medsr.training.packs import write_packs
from medsr.training.recipe import TrainingRecipe, read_recipe
from medsr.training.run import train_recipe
from medsr.training.scans import training_scans

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "family"
RECIPES = sorted(FOLDER.glob("*.toml"))
PROCESS = {path: PROCESSES[read_recipe(path).training.process] for path in RECIPES}
ENHANCING = [path for path, process in PROCESS.items() if not (process.classifies or process.encodes)]
each_recipe = pytest.mark.parametrize("path", ENHANCING, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    write_packs(small_scans(), folder / "train")
    write_packs(small_scans()[:1], folder / "held")
    return folder


@pytest.fixture(scope="module")
def part():
    """The middle of the sample scan with slices of 5 mm."""
    scan = load(sample_path("bchadult01_T1w_thick5"))
    start = [n // 2 - 6 if n > 12 else 0 for n in scan.shape]
    stop = [min(n, a + 12) for a, n in zip(start, scan.shape, strict=True)]
    return crop(scan, Box(tuple(start), tuple(stop)))


def small(path: Path, packs: Path, folder: Path, **changes) -> TrainingRecipe:
    """The recipe on small packs, with a tiny network and few steps."""
    recipe = read_recipe(path)
    net = CODED if recipe.training.net.codes else TINY
    maker = None if recipe.training.autoencoder is None else str(write_autoencoder(folder / "maker.safetensors"))
    training = replace(
        recipe.training,
        steps=3,
        batch=2,
        patch=12,
        slab=(16, 12, 12),
        plain_steps=1,
        widening_steps=1,
        autoencoder=maker,
        net=net,
    )
    if training.distil is not None:
        teacher = write_tiny(folder / "teacher.safetensors")
        training = replace(training, distil=replace(training.distil, teacher=str(teacher)))
    return replace(
        recipe,
        packs=packs / "train",
        validation_packs=packs / "held",
        run=folder / recipe.name,
        start=None,
        probes=(),
        cards=(),
        training=replace(training, **changes),
    )


def trained(path: Path, packs: Path, folder: Path, **changes) -> Path:
    weights = train_recipe(small(path, packs, folder, **changes))
    assert weights is not None
    return weights


def asked(weights: Path, **changes) -> EnhanceSettings:
    return replace(
        EnhanceSettings(model=str(weights), device="cpu", steps=2, force=True, flips=0, thickness_mm=5.0), **changes
    )


def test_every_member_has_a_recipe_of_the_same_size_and_budget():
    recipes = {path.stem: read_recipe(path) for path in RECIPES}
    assert {recipe.training.process for recipe in recipes.values()} >= {"edm", "edm_few", "flow", "pmrf", "prior"}
    families = {name.partition("_")[0] for name in PROCESSES}
    assert {recipe.training.process.partition("_")[0] for recipe in recipes.values()} == families
    for name, recipe in recipes.items():
        assert recipe.name == name
        process, net, edm = PROCESSES[recipe.training.process], recipe.training.net, recipes["edm"].training
        assert (net.codes > 0) == (process.coded or process.encodes)
        net = edm.net if process.encodes else replace(net, codes=0)  # an autoencoder has sizes of its own
        plain = {"process": "edm", "weights": "scan", "drop_condition": 0.0, "distil": None, "autoencoder": None}
        assert replace(recipe.training, net=net, extras=NO_EXTRAS, **plain) == edm
        assert recipe.training.extras == (Extras(stages=0.5) if name == "cascade" else NO_EXTRAS)
        assert recipe.packs.resolve() == (FOLDER.parents[1] / "packs" / "train").resolve()


@each_recipe
def test_a_member_trains_and_enhances_a_real_scan_by_its_recipe(path, packs, part, tmp_path):
    weights = trained(path, packs, tmp_path)
    model, process = load_model(weights, "cpu"), read_recipe(path).training.process
    assert model.spec.process == process
    _, rows = read_curve(tmp_path / path.stem / "curve.csv")
    assert np.all(np.isfinite(rows))
    for mode in ("mean", "sample"):
        result = medsr.enhance(part, settings=asked(weights, mode=mode))
        data = result.volume.data
        assert data.shape[2] > part.shape[2]
        assert np.all(np.isfinite(data))
        if model.process.tells_mean or model.process.models == "scan":  # three steps teach a network no noise
            assert abs(data.mean() - part.data.mean()) < 0.15 * np.ptp(part.data)
        assert result.record.model["name"] == path.stem
    again = medsr.enhance(part, settings=asked(weights, mode="sample")).volume.data
    np.testing.assert_array_equal(again, data)


def test_a_sample_passes_the_states_of_its_walk(packs, part, tmp_path):
    """What a viewer draws: one state a step, noise included."""
    states = []
    settings = asked(trained(FOLDER / "flow.toml", packs, tmp_path), mode="sample", steps=4, sampler="euler")
    medsr.enhance(part, settings=settings, on_state=lambda number, step: states.append((number, step.noisy.data.std())))
    assert len(states) == 4
    assert states[0][1] > 10 * states[-1][1]


@pytest.mark.parametrize("name", ["ddpm_linear", "prior"])
def test_where_no_mean_is_told_it_is_that_of_samples(name, packs, part, tmp_path):
    model = load_model(trained(FOLDER / f"{name}.toml", packs, tmp_path), "cpu")
    settings, acquisition = EnhanceSettings(samples=2, noise=3.0, steps=2), acquisition_of(part)
    problem = prepared(part, model, acquisition, settings, Whole.of(part, settings, acquisition), None)
    mean = posterior_mean(problem, model, settings)
    first, second = (last_of(sample_steps(problem, mean, model, settings, number)) for number in range(2))
    torch.testing.assert_close(mean.unraised, (first + second) / 2)
    torch.testing.assert_close(mean.variance, (first - second) ** 2 / 2, rtol=1e-2, atol=1e-3 * float(first.var()))


def test_as_many_evaluations_are_told_as_are_made(packs, part, tmp_path):
    weights = trained(FOLDER / "ddpm_linear.toml", packs, tmp_path)
    for changes in ({"mode": "mean"}, {"mode": "sample"}, {"mode": "uncertainty", "samples": 2}):
        told = []
        acquisition = acquisition_of(part)
        medsr.enhance(
            part,
            settings=asked(weights, **changes),
            acquisition=acquisition,
            on_progress=lambda stage, done, total, told=told: told.append((done, total)),
        )
        n_samples = {"mean": 8, "sample": 1, "uncertainty": 4}[changes["mode"]]
        assert told[-1] == (n_samples * 2 * 3, n_samples * 2 * 3)  # samples, steps, blocks of the network


# --- guidance ---------------------------------------------------------------------------------------------------------


def test_a_network_that_was_trained_without_the_scan_too_can_be_guided(packs, part, tmp_path):
    weights = trained(FOLDER / "guided.toml", packs, tmp_path)
    assert load_model(weights, "cpu").spec.drop_condition == pytest.approx(0.15)
    found = [
        medsr.enhance(part, settings=asked(weights, mode="sample", guidance=w)).volume.data for w in (1.0, 1.0, 2.0)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("name", ["edm", "prior"])
def test_guidance_is_refused_where_the_scan_was_never_or_always_dropped(name, packs, part, tmp_path):
    weights = trained(FOLDER / f"{name}.toml", packs, tmp_path)
    with pytest.raises(UsageError, match=r"guidance is 2; .*leave it at 1"):
        medsr.enhance(part, settings=asked(weights, mode="sample", guidance=2.0))


@pytest.mark.parametrize("name", ["prior", "edm"])
def test_every_data_step_ties_a_sample_to_the_scan(name, packs, part, tmp_path):
    weights = trained(FOLDER / f"{name}.toml", packs, tmp_path)
    found = {
        step: medsr.enhance(part, settings=asked(weights, mode="sample", data_step=step, noise=3.0, steps=3))
        for step in ("prox", "project", "gradient")
    }
    assert all(np.all(np.isfinite(one.volume.data)) for one in found.values())
    if name == "prior":  # nothing else rescales its samples
        assert found["project"].record.residual < found["prox"].record.residual < 1.3
    assert not np.array_equal(found["gradient"].volume.data, found["prox"].volume.data)


def test_a_classifier_leads_samples_as_far_as_it_is_told(packs, part, tmp_path):
    weights = trained(FOLDER / "edm.toml", packs, tmp_path)
    leader = trained(FOLDER / "sharpness.toml", packs, tmp_path)
    settings = asked(weights, mode="sample", classifier=str(leader))
    found = [
        medsr.enhance(part, settings=replace(settings, classifier_scale=scale)).volume.data for scale in (0.0, 1.0)
    ]
    alone = medsr.enhance(part, settings=replace(settings, classifier=None)).volume.data
    np.testing.assert_array_equal(found[0], alone)
    assert not np.array_equal(found[1], alone)
    record = medsr.enhance(part, settings=settings).record
    assert record.model["classifier_sha256"] == load_model(leader, "cpu").sha256
    assert "classifier" not in record.settings and str(tmp_path) not in str(record)


def test_a_classifier_learns_to_tell_sharp_from_blurred(packs, tmp_path):
    settings = small(
        FOLDER / "sharpness.toml", packs, tmp_path, steps=90, batch=8, learning_rate=3e-3, warmup=5
    ).training
    losses = [float(one.loss) for one in train(training_scans(small_scans()), settings, tmp_path, torch.device("cpu"))]
    assert np.mean(losses[-20:]) < 0.9 * np.log(2)


def test_models_and_classifiers_are_not_taken_for_each_other(packs, part, tmp_path):
    weights = trained(FOLDER / "edm.toml", packs, tmp_path)
    leader = trained(FOLDER / "sharpness.toml", packs, tmp_path)
    with pytest.raises(ModelError, match="is a classifier"):
        medsr.enhance(part, settings=asked(leader))
    with pytest.raises(ModelError, match="is not a classifier"):
        medsr.enhance(part, settings=asked(weights, classifier=str(weights)))
    prior = trained(FOLDER / "prior.toml", packs, tmp_path)
    with pytest.raises(UsageError, match="classifiers know details"):
        medsr.enhance(part, settings=asked(prior, mode="sample", classifier=str(leader)))
    with pytest.raises(UsageError, match="knows whole scans and no detail"):
        medsr.enhance(part, settings=asked(prior, strength=0.5))


# --- distillation -----------------------------------------------------------------------------------------------------


def test_more_steps_than_were_taught_are_refused_before_any_work(packs, part, tmp_path):
    weights = trained(FOLDER / "edm_few.toml", packs, tmp_path)
    with pytest.raises(UsageError, match="distilled to 2"):
        medsr.enhance(part, settings=asked(weights, mode="sample", steps=3))
    medsr.enhance(part, settings=asked(weights, mode="mean", steps=6))


def test_a_network_of_codes_teaches_no_other(packs, tmp_path):
    codes = trained(FOLDER / "latent.toml", packs, tmp_path)
    recipe = small(FOLDER / "edm_few.toml", packs, tmp_path)
    recipe = replace(recipe, training=replace(recipe.training, distil=Distil(str(codes))))
    with pytest.raises(UsageError, match="can't teach"):
        train_recipe(recipe)


def test_a_network_of_codes_goes_on_with_the_codes_that_it_knows(packs, tmp_path):
    first = trained(FOLDER / "latent.toml", packs, tmp_path)
    again = small(FOLDER / "latent.toml", packs, tmp_path)
    again = replace(again, start=str(first), run=tmp_path / "again")
    assert train_recipe(again) is not None
    other = write_autoencoder(tmp_path / "other.safetensors", seed=1)
    changed = replace(again, run=tmp_path / "other", training=replace(again.training, autoencoder=str(other)))
    with pytest.raises(UsageError, match="codes of another autoencoder"):
        train_recipe(changed)
    maker = replace(small(FOLDER / "autoencoder.toml", packs, tmp_path), start=str(first))
    with pytest.raises(UsageError, match="has another network"):
        train_recipe(maker)


def test_a_teacher_of_another_kind_is_refused(packs, tmp_path):
    prior = tmp_path / "prior.safetensors"
    spec = ModelSpec("prior", "0", TINY, EVERYTHING, process="prior")
    prior.write_bytes(weights_bytes(load_model(write_tiny(tmp_path / "t.safetensors"), "cpu").net.state_dict(), spec))
    recipe = small(FOLDER / "edm_few.toml", packs, tmp_path)
    recipe = replace(recipe, training=replace(recipe.training, distil=Distil(str(prior))))
    with pytest.raises(UsageError, match="can't teach"):
        train_recipe(recipe)
