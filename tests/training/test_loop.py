"""Laws of the training loop: every step is a function of the recipe and its number, whatever happened before."""

from __future__ import annotations

import dataclasses
import math
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_scans import small_scans
from tiny_models import TINY

from medsr.training import loop
from medsr.training.batches import training_scans
from medsr.training.checkpoint import facts_of
from medsr.training.loop import CHECKPOINT, TrainingSettings, learning_rate_at, patches_at, train, variety_at

CPU = torch.device("cpu")
SCANS = training_scans(small_scans())
SETTINGS = TrainingSettings(
    steps=7, batch=2, patch=8, warmup=2, plain_steps=2, widening_steps=3, mean_only_share=0.4, average_steps=4, net=TINY
)


def run(folder, settings=SETTINGS, until=None):
    """Losses and the last running mean, up to and with step `until`; then the generator is closed."""
    losses, average = {}, {}
    steps = train(SCANS, settings, folder, CPU)
    for progress in steps:
        losses[progress.step] = progress.loss
        average = {name: value.clone() for name, value in progress.average.items()}
        if progress.step == until:
            steps.close()
            break
    return losses, average


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run from beginning to end."""
    return run(tmp_path_factory.mktemp("whole"))


def test_every_step_is_told(whole):
    losses, average = whole
    assert list(losses) == list(range(1, SETTINGS.steps + 1))
    assert all(loss == loss for loss in losses.values())
    assert average


def test_a_run_is_the_same_every_time(whole, tmp_path):
    losses, average = run(tmp_path)
    assert losses == whole[0]
    assert_same(average, whole[1])


@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(whole, tmp_path, stop):
    before, _ = run(tmp_path, until=stop)
    assert facts_of(tmp_path / CHECKPOINT) == {"step": stop}
    after, average = run(tmp_path)
    assert {**before, **after} == whole[0]
    assert next(iter(after)) == stop + 1
    assert_same(average, whole[1])


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(whole, tmp_path, monkeypatch):
    """What a kill leaves is the folder as it is in the middle of a step: a checkpoint some steps old."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)
    (tmp_path / "run").mkdir()
    for progress in train(SCANS, SETTINGS, tmp_path / "run", CPU):
        if progress.step == 5:
            shutil.copytree(tmp_path / "run", tmp_path / "killed")
            break
    after, average = run(tmp_path / "killed")
    assert after == {step: loss for step, loss in whole[0].items() if step > 4}
    assert_same(average, whole[1])


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    run(tmp_path)
    assert run(tmp_path) == ({}, {})


def test_another_seed_is_another_run(whole, tmp_path):
    losses, _ = run(tmp_path, dataclasses.replace(SETTINGS, seed=1))
    assert losses != whole[0]


def test_every_step_has_patches_of_its_own(tmp_path):
    """A network that does not learn and is asked for the posterior mean: only the patches differ."""
    settings = dataclasses.replace(SETTINGS, learning_rate=0.0, mean_only_share=1.0)
    losses, _ = run(tmp_path, settings)
    assert len(set(losses.values())) == settings.steps


def test_the_loss_falls(tmp_path_factory):
    """Against a network that does not learn, on the same patches: the losses of different patches don't compare."""
    settings = dataclasses.replace(
        SETTINGS, steps=40, batch=4, plain_steps=10**6, mean_only_share=1.0, learning_rate=3e-3
    )
    learning, idle = (
        run(tmp_path_factory.mktemp("run"), dataclasses.replace(settings, learning_rate=rate))[0]
        for rate in (3e-3, 0.0)
    )
    later = range(21, 41)
    assert sum(learning[step] for step in later) < 0.9 * sum(idle[step] for step in later)


# --- schedules --------------------------------------------------------------------------------------------------------

RECIPES = st.builds(
    TrainingSettings,
    steps=st.integers(1, 5000),
    warmup=st.integers(0, 500),
    decay_share=st.floats(0, 1),
    plain_steps=st.integers(0, 500),
    widening_steps=st.integers(0, 500),
)


@given(RECIPES, st.floats(0, 1))
def test_the_learning_rate_stays_between_zero_and_its_peak(settings, share):
    step = min(int(share * settings.steps), settings.steps - 1)
    assert 0 < learning_rate_at(step, settings) <= settings.learning_rate
    assert learning_rate_at(settings.steps, settings) == 0


@given(RECIPES, st.floats(0, 1), st.floats(0, 1))
def test_a_step_has_as_many_voxels_in_slabs_as_in_cubes(settings, start, share):
    settings = dataclasses.replace(settings, slab_from=start, slab_share=share)
    steps = min(settings.steps, 400)
    seen = [patches_at(step, settings) for step in range(steps)]
    for shape, count in seen:
        assert shape in (settings.slab, (settings.patch,) * 3)
        assert math.prod(shape) * count == pytest.approx(settings.batch * settings.patch**3, rel=0.1)
    slabs = [shape == settings.slab for shape, _ in seen]
    late = [step for step in range(steps) if step >= start * settings.steps]
    assert sum(slabs) == sum(slabs[step] for step in late)
    assert abs(sum(slabs) - share * len(late)) <= 1


def test_the_learning_rate_rises_stays_and_falls():
    settings = TrainingSettings(steps=1000, warmup=100, decay_share=0.5, learning_rate=1.0)
    at = [learning_rate_at(step, settings) for step in range(1000)]
    assert at[0] == pytest.approx(0.01)
    assert at[49] == pytest.approx(0.5)
    assert set(at[99:501]) == {1.0}
    assert at[750] == pytest.approx(0.5)
    assert at == sorted(at[:300]) + sorted(at[300:], reverse=True)


@given(RECIPES, st.integers(0, 6000))
def test_variety_never_falls_and_reaches_one(settings, step):
    here, next_one = (variety_at(s, settings) for s in (step, step + 1))
    assert 0 <= here <= next_one <= 1
    assert variety_at(settings.plain_steps, settings) == 0
    assert variety_at(settings.plain_steps + max(1, settings.widening_steps), settings) == 1
