"""Training within a time: steps that fit, legs that add up, weights even where the time ran out."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
import torch
from small_scans import small_scans
from tiny_models import TINY

from medsr.errors import InputError
from medsr.model.weights import load_model
from medsr.training import budget
from medsr.training.budget import BUDGET, clock_of, read_budget, steps_within, train_within
from medsr.training.checkpoint import average_of, facts_of
from medsr.training.loop import CHECKPOINT
from medsr.training.packs import write_packs
from medsr.training.recipe import TrainingRecipe
from medsr.training.schedule import TrainingSettings


@pytest.fixture
def recipe(tmp_path):
    write_packs(small_scans(), tmp_path / "train")
    write_packs(small_scans()[:1], tmp_path / "held")
    training = TrainingSettings(
        steps=9999, batch=1, patch=12, slab=(16, 12, 12), warmup=1, plain_steps=1, widening_steps=1, net=TINY
    )
    packs = (tmp_path / "train", tmp_path / "held")
    return TrainingRecipe("tiny", "0", *packs, tmp_path / "run", device="cpu", curve_every=10000, training=training)


def allow(monkeypatch, minutes: float, steps: int) -> float:
    """A budget that so many steps fit in, whatever the machine."""
    monkeypatch.setattr(budget, "step_seconds", lambda *_: (0.9 * 60 * minutes / (steps + 0.5), 0.0))
    return minutes


def test_as_many_steps_as_fit_and_no_more_training_after_them(recipe, monkeypatch):
    weights, spent = train_within(recipe, allow(monkeypatch, 60.0, 4))
    assert spent.step == spent.steps == 4
    assert spent.finished and 0 < spent.spent_minutes < 60.0
    spec = load_model(weights, "cpu").spec
    assert spec.trained["steps"] == spec.trained["settings"]["steps"] == 4
    content = weights.read_bytes()
    monkeypatch.setattr(budget, "trained", lambda *_: pytest.fail("a finished run is trained again"))
    assert train_within(recipe, 120.0) == (weights, spent)
    assert weights.read_bytes() == content


def test_a_run_that_is_out_of_time_gives_the_running_mean(recipe, monkeypatch):
    weights, spent = train_within(recipe, allow(monkeypatch, 1e-9, 50))
    assert (spent.step, spent.steps) == (1, 50)
    average, net = average_of(recipe.run / CHECKPOINT), load_model(weights, "cpu").net.state_dict()
    assert all(average[name].bfloat16().allclose(net[name].bfloat16()) for name in net if net[name].ndim > 1)


def test_a_run_that_was_stopped_goes_on_with_its_own_budget(recipe, monkeypatch):
    def stop(progress, steps, gains):
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_within(recipe, allow(monkeypatch, 60.0, 5), stop)
    left = read_budget(recipe.run / BUDGET)
    assert not left.finished and left.spent_minutes > 0 and facts_of(recipe.run / CHECKPOINT)["step"] == 2
    assert not (recipe.run / "tiny.safetensors").exists()
    steps = []
    _, spent = train_within(recipe, 7.0, lambda progress, *_: steps.append(progress.step))
    assert steps == [3, 4, 5]
    assert (spent.minutes, spent.step) == (60.0, 5)
    assert spent.spent_minutes > left.spent_minutes


def test_time_that_was_spent_before_counts(recipe, monkeypatch):
    recipe.run.mkdir()
    spent = budget.Budget(60.0, steps=5, step_seconds=1.0, device="cpu", spent_minutes=60.0)
    budget._write(recipe.run / BUDGET, spent)
    assert train_within(recipe, 60.0)[1].step == 1


def test_the_time_of_a_step_is_measured(recipe, monkeypatch):
    monkeypatch.setattr(budget, "TRIAL_STEPS", 2)
    _, spent = train_within(replace(recipe, training=replace(recipe.training, steps=3)), 1e-3)
    assert spent.step_seconds > 0
    assert {path.name for path in recipe.run.iterdir()} >= {BUDGET, CHECKPOINT, "tiny.safetensors", "tiny.sha256"}


def test_steps_leave_some_time_for_the_rest():
    assert steps_within(100.0, 1.0) == 90
    assert steps_within(0.1, 1.0) == steps_within(-1.0, 1.0) == 1


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"minutes": 1})])
def test_another_file_is_not_taken_for_a_budget(recipe, content):
    recipe.run.mkdir()
    (recipe.run / BUDGET).write_text(content)
    with pytest.raises(InputError, match="not the budget of a run"):
        train_within(recipe, 1.0)


@pytest.mark.parametrize(("device", "clock"), [("cpu", time.process_time), ("cuda", time.monotonic)])
def test_other_work_on_a_cpu_costs_no_part_of_a_budget(device, clock):
    assert clock_of(torch.device(device)) is clock
