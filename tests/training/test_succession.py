"""Weights take the place of others only where they measure better, and a leg of training goes on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
import torch
from phantoms import head
from tiny_models import EVERYTHING, TINY, tiny_net

from medsr.errors import UsageError
from medsr.metrics.error import body_mask
from medsr.model.spec import Calibration, ModelSpec
from medsr.model.weights import load_model, weights_bytes
from medsr.training import budget, succession
from medsr.training.checkpoint import facts_of
from medsr.training.curve import TASKS, by_task, gains_db, make_probes, read_curve
from medsr.training.loop import CHECKPOINT
from medsr.training.packs import packed, read_packs, write_packs
from medsr.training.recipe import TrainingRecipe
from medsr.training.run import store_weights
from medsr.training.schedule import TrainingSettings
from medsr.training.succession import LEGS, Row, improves, interior, judge, run_leg

CPU = torch.device("cpu")
LEVELS = (0.5, 0.9)
CALIBRATION = Calibration(
    LEVELS, {kind: {"all": LEVELS} for kind in ("samples", "variance")}, {"all": 1}, {}, 8, 16, ("iso2",)
)


def harmful():
    """A network that makes every scan worse."""
    net = tiny_net()
    net.tail.weight *= 8
    return net


def stored(path: Path, net, **facts) -> Path:
    spec = ModelSpec("tiny", "1.0.0", net.spec, EVERYTHING, **facts)
    return store_weights(path, weights_bytes(net.state_dict(), spec))


@pytest.fixture
def recipe(tmp_path: Path) -> TrainingRecipe:
    """One scan to train on, an MR and a CT held out, and harmful weights to start from."""
    write_packs([packed(head((48, 48, 48)), "sub-a_T1w", "sub-a")], tmp_path / "train")
    held = [
        packed(head((30, 32, 34)), "sub-b_T1w", "sub-b"),
        packed(head((30, 32, 34), modality="CT"), "sub-c_CT", "sub-c"),
    ]
    write_packs(held, tmp_path / "held")
    card = tmp_path / "card"
    card.mkdir()
    (card / "manifest.tsv").write_text("file\n")
    (tmp_path / "shipped").mkdir()
    start = stored(tmp_path / "shipped" / "tiny.safetensors", harmful(), calibration=CALIBRATION)
    training = TrainingSettings(
        steps=40, batch=2, patch=16, warmup=2, plain_steps=0, widening_steps=1, mean_only_share=0.0, net=TINY
    )
    return TrainingRecipe(
        "tiny",
        "1.1.0",
        tmp_path / "train",
        tmp_path / "held",
        tmp_path / "run",
        start=str(start),
        cards=(card,),
        curve_every=1000,
        training=training,
    )


def with_steps(monkeypatch, steps: int) -> float:
    """Minutes within which a leg takes that many steps, whatever the machine."""
    monkeypatch.setattr(succession, "step_seconds", lambda *_: (0.899 * 3600 / steps, 0.0))
    return 60.0


def legs(recipe: TrainingRecipe) -> list[dict]:
    return json.loads((recipe.run / LEGS).read_text())


def is_whole(path: Path) -> bool:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.with_suffix(".sha256").read_text() == f"{digest}  {path.name}\n"


# --- the rule ---------------------------------------------------------------------------------------------------------


def rows(*changes: float, kind: str = "whole") -> list[Row]:
    return [Row("MR", f"task{n}", kind, 1, 1.0, 1.0 + change) for n, change in enumerate(changes)]


@pytest.mark.parametrize(
    ("changes", "better"),
    [
        ((0.1, 0.2), True),
        ((0.1, -0.049), True),
        ((0.1, -0.051), False),
        ((0.03, 0.005), False),
        ((0.0, 0.0), False),
        ((), False),
    ],
)
def test_the_mean_has_to_rise_and_no_row_may_fall_by_much(changes, better):
    assert improves(rows(*changes)) is better


def test_every_kind_of_row_has_to_rise():
    assert improves(rows(0.1) + rows(0.03, kind="interior"))
    assert not improves(rows(0.3) + rows(0.01, kind="interior"))
    assert not improves(rows(0.3) + rows(0.01, kind="told wrong"))


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_interior_of_a_probe_is_deeper_than_its_surface(recipe):
    for probe in make_probes(read_packs(recipe.validation_packs), CPU):
        deep = interior(probe)[0, 0].numpy()
        scan = probe.truth[0, 0].numpy()
        whole = body_mask(2000 * scan - 1000 if probe.modality == "CT" else scan, probe.modality)
        assert 0 < deep.sum() < 0.9 * whole.sum()
        assert not (deep & ~whole).any()


def test_the_table_holds_the_gains_of_both(recipe):
    before, after = tiny_net(), tiny_net(seed=1)
    held_out = read_packs(recipe.validation_packs)
    table = succession.table_of(before, after, held_out, CPU)
    assert len(table) == 2 * len(TASKS) * 3
    for net, column in ((before, "before"), (after, "after")):
        mr = by_task(gains_db(net, make_probes(held_out[:1], CPU)))
        for task in TASKS:
            ours = {row.kind: getattr(row, column) for row in table if (row.modality, row.task) == ("MR", task)}
            assert ours["whole"] == pytest.approx(mr[task], abs=1e-5)
            assert len(set(ours.values())) == 3
    assert {row.kind: row.probes for row in table} == {"whole": 1, "interior": 1, "told wrong": 2}


# --- a candidate ------------------------------------------------------------------------------------------------------


def test_better_weights_take_the_place_and_worse_ones_do_not(recipe, tmp_path):
    shipped = Path(recipe.start)
    recipe.run.mkdir()
    silent = stored(tmp_path / "silent.safetensors", tiny_net(silent=True))
    harm = shipped.read_bytes()
    outcome = judge(recipe, silent)
    assert outcome.better and outcome.replaced == shipped
    assert shipped.read_bytes() == silent.read_bytes()
    assert is_whole(shipped)
    (tmp_path / "harmful.safetensors").write_bytes(harm)
    outcome = judge(recipe, tmp_path / "harmful.safetensors")
    assert not outcome.better and outcome.replaced is None
    assert shipped.read_bytes() == silent.read_bytes()
    first, second = legs(recipe)
    assert (first["better"], second["better"]) == (True, False)
    assert first["replaced"] == str(shipped) and second["replaced"] is None
    assert first["candidate_sha256"] == second["start"]["sha256"] == hashlib.sha256(silent.read_bytes()).hexdigest()
    assert {row["kind"] for row in first["table"]} == {"whole", "interior", "told wrong"}


def test_weights_of_another_network_are_refused(recipe, tmp_path):
    recipe.run.mkdir()
    other = stored(tmp_path / "other.safetensors", tiny_net(dataclasses.replace(TINY, width=12)))
    with pytest.raises(UsageError, match="has another network than"):
        judge(recipe, other)


@pytest.mark.parametrize("run", [lambda recipe: run_leg(recipe, 1.0), lambda recipe: judge(recipe, Path("x"))])
def test_a_recipe_has_to_name_what_it_succeeds(recipe, run):
    with pytest.raises(UsageError, match="starts from nothing"):
        run(dataclasses.replace(recipe, start=None))


# --- a leg ------------------------------------------------------------------------------------------------------------


def test_a_leg_that_learns_replaces_what_it_started_from(recipe, monkeypatch):
    minutes = with_steps(monkeypatch, 40)
    training = dataclasses.replace(recipe.training, learning_rate=3e-3, weights="scan")
    before = load_model(recipe.start, "cpu")
    outcome = run_leg(dataclasses.replace(recipe, training=training), minutes)
    assert outcome.better, outcome.rows
    after = load_model(recipe.start, "cpu")
    assert is_whole(Path(recipe.start))
    assert after.sha256 == hashlib.sha256(outcome.candidate.read_bytes()).hexdigest() != before.sha256
    assert (after.spec.name, after.spec.version, after.spec.envelope) == ("tiny", "1.1.0", before.spec.envelope)
    assert after.spec.trained["start"]["sha256"] == before.sha256
    assert after.spec.trained["steps"] == 40
    (leg,) = legs(recipe)
    assert (leg["steps"], leg["of_steps"], leg["minutes"]) == (40, 40, minutes)


def test_a_leg_that_learns_nothing_changes_nothing_and_its_curve_is_that_of_its_start(recipe, monkeypatch):
    minutes = with_steps(monkeypatch, 3)
    idle = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, learning_rate=0.0))
    content = Path(recipe.start).read_bytes()
    outcome = run_leg(idle, minutes)
    assert not outcome.better
    assert Path(recipe.start).read_bytes() == content
    assert all(row.change == pytest.approx(0, abs=1e-6) for row in outcome.rows)
    assert load_model(outcome.candidate, "cpu").spec.calibration is None  # it was measured on the weights before
    header, curve = read_curve(recipe.run / "curve.csv")
    assert [point[0] for point in curve] == [0, 3]
    assert curve[0][2:] == curve[1][2:]
    start = gains_db(load_model(recipe.start, "cpu").net, make_probes(read_packs(recipe.validation_packs), CPU))
    assert dict(zip(header[2:], curve[0][2:], strict=True)) == pytest.approx(start, abs=6e-4)


def test_a_leg_that_was_stopped_goes_on_and_a_finished_one_is_followed_by_another(recipe, monkeypatch):
    with_steps(monkeypatch, 5)
    monkeypatch.setattr(succession, "improves", lambda rows: False)
    plan = recipe.run / succession.LEG

    def run_for(minutes):
        monkeypatch.setattr(succession, "step_seconds", lambda *_: (0.899 * 60 * minutes / 5, 0.0))
        run_leg(recipe, minutes)
        return json.loads(plan.read_text())["seed"], facts_of(recipe.run / CHECKPOINT)["step"]

    first, step = run_for(1e-9)
    assert 0 < step < 5
    assert run_for(60.0) == (first, 5)
    assert run_for(60.0) == (first + 2, 5)  # each leg on the list has a seed of its own
    assert [leg["steps"] for leg in legs(recipe)] == [step, 5, 5]


def test_a_leg_from_other_weights_begins_anew(recipe, monkeypatch):
    monkeypatch.setattr(succession, "improves", lambda rows: False)
    monkeypatch.setattr(succession, "step_seconds", lambda *_: (0.899 * 6e-8 / 5, 0.0))
    run_leg(recipe, 1e-9)
    other = stored(Path(recipe.start), tiny_net(seed=3))
    minutes = with_steps(monkeypatch, 2)
    run_leg(recipe, minutes)
    assert json.loads((recipe.run / succession.LEG).read_text())["steps"] == 2
    assert load_model(recipe.run / "tiny.safetensors", "cpu").spec.trained["start"]["sha256"] == (
        hashlib.sha256(other.read_bytes()).hexdigest()
    )
    assert [point[0] for point in read_curve(recipe.run / "curve.csv")[1]] == [0, 2]


def test_the_time_of_a_step_is_measured_and_the_trial_leaves_nothing_behind(recipe, monkeypatch):
    monkeypatch.setattr(succession, "improves", lambda rows: False)
    monkeypatch.setattr(budget, "TRIAL_STEPS", 3)
    run_leg(recipe, 0.01)
    plan = json.loads((recipe.run / succession.LEG).read_text())
    assert plan["step_seconds"] > 0 and plan["steps"] >= 1
    assert {path.name for path in recipe.run.iterdir()} == {
        CHECKPOINT,
        "curve.csv",
        "curve.png",
        LEGS,
        succession.LEG,
        "tiny.safetensors",
        "tiny.sha256",
    }
