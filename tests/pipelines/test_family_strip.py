"""The strip of a walk: what each picture holds, and that it is drawn for a trained member."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import head
from PIL import Image
from tiny_models import CODED, EVERYTHING, TINY, tiny_model, tiny_net, write_tiny

from medsr.diffusion.processes import PROCESSES
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.whole import Whole
from medsr.errors import ModelError, OutputError, UsageError
from medsr.model.conditioning import expected_detail
from medsr.model.nets import network_of
from medsr.model.spec import ModelSpec
from medsr.model.weights import load_model, weights_bytes
from medsr.physics.tasks import TASKS, degrade
from medsr.training.recipe import read_recipe

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "family"
QUICK = EnhanceSettings(flips=0, steps=3, noise=0.0)


@pytest.fixture
def strip(family):
    return family("strip")


@pytest.fixture(scope="module")
def reference():
    return head((24, 26, 30))


def test_a_clean_estimate_is_what_is_measured_and_what_is_prior(strip, reference):
    steps = strip.watched(reference, tiny_model(), QUICK)
    assert len(steps) == 3
    for step in steps:
        np.testing.assert_allclose(step.measured + step.prior, step.clean, atol=1e-5)
        assert np.abs(step.measured).mean() > 5 * np.abs(step.prior).mean()  # thick slices hold most of a head
    levels = PROCESSES["edm"].levels(3).tolist()
    assert [step.level for step in steps] == levels[:-1]


def test_the_data_step_leaves_the_measured_part_alone(strip, reference):
    first, second, _ = strip.watched(reference, tiny_model(), replace(QUICK, data_step="project"))
    scan, acquisition = degrade(reference, TASKS["thick5"])
    y = Whole.of(scan, QUICK, acquisition).scale.to_model(torch.from_numpy(np.array(scan.data)))
    measured = strip.middle_plane(acquisition.op.ibp(y).numpy())
    for step in (first, second):
        np.testing.assert_allclose(step.measured, measured, atol=2e-3)
    assert np.abs(first.prior - second.prior).max() > 0.05


def test_the_forward_process_takes_the_truth_to_the_noise_of_the_walk(strip, reference):
    first, *_, last = strip.watched(reference, tiny_model(), QUICK)
    noise = (first.forward - last.forward) / (first.level - last.level)
    scan, acquisition = degrade(reference, TASKS["thick5"])
    truth = Whole.of(scan, QUICK, acquisition).scale.to_model(torch.from_numpy(np.array(reference.data))).numpy()
    np.testing.assert_allclose(last.forward - last.level * noise, strip.middle_plane(truth), atol=1e-4)
    assert noise.std() == pytest.approx(expected_detail(acquisition.op), rel=0.1)
    np.testing.assert_array_equal(last.noisy, last.clean)
    assert np.std(first.noisy - first.clean) == pytest.approx(np.std(first.level * noise), rel=0.5)


def test_of_codes_the_strip_shows_details(strip, reference):
    torch.manual_seed(0)
    model = replace(
        tiny_model(), net=network_of(CODED, CODED).eval(), spec=ModelSpec("x", "0", CODED, process="latent")
    )
    steps = strip.watched(reference, model, QUICK)
    assert [step.level for step in steps] == PROCESSES["latent"].levels(3).tolist()[:-1]
    assert {step.forward.shape for step in steps} == {steps[0].clean.shape}
    scan, acquisition = degrade(reference, TASKS["thick5"])
    y = Whole.of(scan, QUICK, acquisition).scale.to_model(torch.from_numpy(np.array(scan.data)))
    np.testing.assert_allclose(steps[-1].measured, strip.middle_plane(acquisition.op.ibp(y).numpy()), atol=2e-3)


def test_more_voxels_a_slice_than_the_network_works_on_are_refused(strip):
    with pytest.raises(UsageError, match="coarser reference"):
        strip.watched(head((40, 40, 40), (0.7, 0.7, 0.7)), tiny_model(), QUICK)


def test_a_strip_is_made_of_what_is_trained(strip, tmp_path, capsys):
    recipe = (FOLDER / "flow.toml").read_text().replace("../../training_runs/family/flow", "runs/flow")
    (tmp_path / "flow.toml").write_text(recipe)
    weights = read_recipe(tmp_path / "flow.toml").run / "flow.safetensors"
    weights.parent.mkdir(parents=True)
    spec = ModelSpec("flow", "0", TINY, EVERYTHING, process="flow")
    weights.write_bytes(weights_bytes(tiny_net().state_dict(), spec))
    assert load_model(weights, "cpu").process.summary
    out = tmp_path / "out"
    assert strip.main(["flow", "pmrf", "--side", "20", "--recipes", str(tmp_path), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "pmrf: not trained yet" in told.err
    assert sorted(path.name for path in out.iterdir()) == ["walk_flow.gif", "walk_flow.png"]
    assert (out / "walk_flow.png").read_bytes()[:4] == b"\x89PNG"
    with Image.open(out / "walk_flow.gif") as movie:
        assert movie.n_frames == 10  # one for every step


def test_any_weights_can_be_watched(strip, tmp_path, capsys):
    weights = write_tiny(tmp_path / "own.safetensors")
    out = tmp_path / "out"
    assert strip.main(["--model", str(weights), "--side", "20", "--out", str(out)]) == 0, capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["walk_own.gif", "walk_own.png"]
    assert strip.main(["--model", "nobody", "--out", str(out)]) == ModelError.exit_code


def test_a_place_that_cannot_be_written_is_told(strip, reference, tmp_path):
    steps = strip.watched(reference, tiny_model(), QUICK)
    for write, name in ((strip.draw, "strip.png"), (strip.animate, "strip.gif")):
        with pytest.raises(OutputError, match="make its folder first"):
            write(steps, "tiny", tmp_path / "nowhere" / name)
