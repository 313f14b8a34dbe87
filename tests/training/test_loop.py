"""Laws of the training loop: every step is a function of the recipe and its number, whatever happened before."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch
from small_scans import small_scans
from tiny_models import TINY

from medsr.training import loop
from medsr.training.checkpoint import facts_of
from medsr.training.loop import CHECKPOINT, train
from medsr.training.scans import training_scans
from medsr.training.schedule import TrainingSettings

CPU = torch.device("cpu")
SCANS = training_scans(small_scans())
SETTINGS = TrainingSettings(
    steps=7,
    batch=2,
    patch=12,
    warmup=2,
    plain_steps=2,
    widening_steps=3,
    mean_only_share=0.4,
    average_steps=4,
    net=TINY,
)


def run(folder, settings=SETTINGS, until=None):
    """Losses and the last running mean, up to and with step `until`; then the generator is closed."""
    losses, average = {}, {}
    steps = train(SCANS, settings, folder, CPU)
    for progress in steps:
        losses[progress.step] = float(progress.loss)
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
    """What a kill leaves is the folder as it is in the middle of a step: with the checkpoint of an earlier one."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    (tmp_path / "run").mkdir()
    for progress in train(SCANS, SETTINGS, tmp_path / "run", CPU):
        if progress.step == 4:
            shutil.copytree(tmp_path / "run", tmp_path / "killed")
    after, average = run(tmp_path / "killed")
    assert after == {step: loss for step, loss in whole[0].items() if step > 4}
    assert_same(average, whole[1])


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    run(tmp_path)
    assert run(tmp_path) == ({}, {})


def test_a_run_begins_with_the_weights_it_is_given(whole, tmp_path):
    """A network that does not learn stays what it was; a checkpoint comes before the weights to start from."""
    start = {name: value.clone() for name, value in whole[1].items()}
    idle = dataclasses.replace(SETTINGS, learning_rate=0.0)
    for progress in train(SCANS, idle, tmp_path, CPU, start=start):
        assert_same(progress.average, whole[1])
    (tmp_path / "run").mkdir()
    before, _ = run(tmp_path / "run", until=4)
    after = {one.step: float(one.loss) for one in train(SCANS, SETTINGS, tmp_path / "run", CPU, start=start)}
    assert {**before, **after} == whole[0]


def test_another_seed_is_another_run(whole, tmp_path):
    losses, _ = run(tmp_path, dataclasses.replace(SETTINGS, seed=1))
    assert losses != whole[0]


def test_every_step_has_patches_of_its_own(tmp_path):
    """A network that does not learn and is asked for the posterior mean: only the patches differ."""
    settings = dataclasses.replace(SETTINGS, learning_rate=0.0, mean_only_share=1.0)
    losses, _ = run(tmp_path, settings)
    assert len(set(losses.values())) == settings.steps


def test_weights_by_the_scan_alone_are_another_run_that_learns_as_well(whole, tmp_path):
    settings = dataclasses.replace(SETTINGS, weights="scan")
    losses, average = run(tmp_path, settings)
    assert losses.keys() == whole[0].keys() and losses != whole[0]
    assert any(not torch.equal(value, whole[1][name]) for name, value in average.items())
    assert all(torch.isfinite(value).all() for value in average.values())


def test_the_loss_falls(tmp_path_factory):
    """Against a network that does not learn, on the same patches: the losses of different patches don't compare."""
    settings = dataclasses.replace(
        SETTINGS, steps=24, batch=4, plain_steps=10**6, mean_only_share=1.0, learning_rate=3e-3
    )
    learning, idle = (
        run(tmp_path_factory.mktemp("run"), dataclasses.replace(settings, learning_rate=rate))[0]
        for rate in (3e-3, 0.0)
    )
    later = range(13, 25)
    assert sum(learning[step] for step in later) < 0.9 * sum(idle[step] for step in later)
