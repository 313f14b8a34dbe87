"""Structures of the results of one case: which are compared, and which scans are passed over, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import affine, head
from torch import nn

from medsr.anatomy.meshnet import MeshNet
from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.tasks import TASKS
from medsr.validation import anatomy
from medsr.validation.anatomy import Samples, anatomy_of, reference_anatomy
from medsr.validation.trial import Trial, make_trial, restorations, score
from medsr.volume import Source, Volume

METHODS = ("nearest", "cubic", "ibp")


def chest() -> Volume:
    """Soft tissue around one egg of lung, whose top and bottom thick slices blur."""
    place = np.moveaxis(np.indices((40, 36, 30)), 0, -1) - np.array([19.5, 17.5, 14.5])
    data = np.full((40, 36, 30), -1000.0, np.float32)
    data[(place / [17, 15, 30] * place / [17, 15, 30]).sum(-1) < 1] = 40
    data[(place / [10, 9, 8] * place / [10, 9, 8]).sum(-1) < 1] = -850
    return Volume(data, affine(), "CT")


def tried(reference: Volume, task: str = "thick5"):
    trial = make_trial(reference, TASKS[task], EnhanceSettings())
    return trial, {name: x for name, x, _ in restorations(trial, None, METHODS, EnhanceSettings())}


def of(trial: Trial, results):
    found = anatomy_of(trial, reference_anatomy(trial.reference), "sub-a_CT", "thick5", results)
    assert (found.sampled, found.unclaimed) == ((), ())  # not asked for
    return found.structures, found.unsegmented


def with_samples(trial: Trial, results, samples, fault: str = ""):
    reference = reference_anatomy(trial.reference)
    return anatomy_of(trial, reference, "sub-a_CT", "thick5", results, Samples(lambda: fault, samples))


def must_not_be_computed():
    raise AssertionError("a sample was computed that nobody needs")
    yield


def test_a_ct_is_compared_by_its_body_and_the_air_inside():
    trial, results = tried(chest())
    rows, missing = of(trial, results)
    assert missing == ()
    assert [(row.method, row.structure) for row in rows] == [
        (method, structure) for method in ("cubic", "ibp") for structure in ("body", "lung and air inside")
    ]
    assert {row.part for row in rows} == {"body"}
    lung = {row.method: row for row in rows if row.structure == "lung and air inside"}
    assert lung["cubic"].reference_ml == pytest.approx(4 / 3 * np.pi * 10 * 9 * 8 / 1000, rel=0.03)
    assert 0.8 < lung["cubic"].dice < lung["ibp"].dice < 1


def test_the_reference_itself_has_no_error():
    trial, _ = tried(chest())
    rows, _ = of(trial, {"mean": np.array(trial.reference.data)})
    assert [(row.dice, row.volume_error_percent, row.surface_mm, row.surface95_mm) for row in rows] == [
        (1, 0, 0, 0)
    ] * 2


@pytest.mark.parametrize(("contrast", "said"), [("FLAIR", "its contrast is FLAIR"), ("", "nothing says its contrast")])
def test_a_scan_that_is_no_t1w_is_passed_over(contrast, said):
    trial, results = tried(head((24, 26, 24), source=Source(contrast=contrast)))
    rows, (missing,) = of(trial, results)
    assert rows == ()
    assert (missing.scan, missing.task) == ("sub-a_CT", "thick5")
    assert missing.reason == f"{said}; the network knows T1w heads"


@pytest.fixture
def bright(monkeypatch):
    """A network that calls half of the largest intensity brain: what a case goes through, in seconds."""
    layer = nn.Conv3d(1, 2, 1)
    layer.weight.data = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1, 1)
    layer.bias = nn.Parameter(torch.tensor([0.5, 0.0]))
    monkeypatch.setattr(anatomy, "load_meshnet", lambda: MeshNet(nn.Sequential(layer), ("background", "brain")))


def t1w(shape) -> Volume:
    return head(shape, source=Source(contrast="T1w"))


@pytest.mark.usefixtures("bright")
def test_a_t1w_head_is_compared_by_the_network():
    trial, _ = tried(t1w((144, 168, 136)))
    cubic = np.roll(trial.reference.data, 3, axis=0)
    rows, missing = of(trial, {"cubic": cubic, "mean": np.array(trial.reference.data)})
    assert missing == ()
    assert [(row.method, row.part, row.structure) for row in rows] == [
        ("cubic", "head", "brain"),
        ("mean", "head", "brain"),
    ]
    assert 0.9 < rows[0].dice < rows[1].dice == 1


@pytest.mark.usefixtures("bright")
def test_the_errors_in_the_brain_are_measured_in_the_mask_of_the_reference():
    trial, _ = tried(t1w((144, 168, 136)))
    brain = reference_anatomy(trial.reference).brain
    assert brain.shape == trial.reference.shape
    assert 700 < brain.sum() * np.prod(trial.reference.spacing_mm) / 1000 < 2200
    known = replace(trial, brain=brain)
    outside = np.where(brain, trial.reference.data, trial.reference.data + 50).astype(np.float32)
    found = score(known, "sub-a_T1w", "thick5", "mean", outside, 0.0)
    assert (found["nrmse_brain"], found["mae_brain"]) == (0, 0)
    assert found["nrmse_interior"] > 0
    assert np.isnan(score(trial, "sub-a_T1w", "thick5", "mean", outside, 0.0)["nrmse_brain"])


@pytest.mark.usefixtures("bright")
def test_what_is_no_whole_t1w_head_has_no_brain():
    assert reference_anatomy(chest()).brain is None
    assert reference_anatomy(t1w((90, 90, 80))).brain is None
    assert reference_anatomy(head((144, 168, 136), source=Source(contrast="T2w"))).brain is None


@pytest.mark.usefixtures("bright")
def test_a_t1w_of_something_else_is_passed_over():
    trial, results = tried(t1w((90, 90, 80)))
    rows, (missing,) = of(trial, results)
    assert rows == ()
    assert "the segmentation of the reference can't be right: its brain has" in missing.reason


@pytest.mark.usefixtures("bright")
def test_a_scan_without_contrast_is_passed_over_with_the_reason():
    trial, _ = tried(t1w((90, 90, 80)))
    flat = replace(trial, reference=trial.reference.with_data(np.ones_like(trial.reference.data)))
    rows, (missing,) = of(flat, {})
    assert rows == ()
    assert "head in air" in missing.reason


def test_samples_are_segmented_by_the_same_instrument_beside_the_mean():
    trial, results = tried(chest())
    truth = np.array(trial.reference.data)
    found = with_samples(trial, {**results, "mean": results["ibp"]}, (truth, results["cubic"], results["ibp"]))
    of_method = {(row.method, row.structure): row.volume_ml for row in found.structures}
    assert [row.structure for row in found.sampled] == ["body", "lung and air inside"]
    for row in found.sampled:
        cubic, ibp = of_method["cubic", row.structure], of_method["ibp", row.structure]
        assert (row.part, row.volume_ml) == ("body", ibp)
        assert row.samples_ml == (row.reference_ml, cubic, ibp)
    assert found.unclaimed == ()


def test_samples_that_are_refused_are_not_computed_and_the_reason_is_given():
    trial, results = tried(chest())
    found = with_samples(trial, {"mean": results["ibp"]}, must_not_be_computed(), "its samples are rough")
    assert found.structures
    assert found.sampled == ()
    assert found.unclaimed[0].reason == (
        "its samples are rough, so none was segmented; to go on, set force = true under [enhance] in a recipe"
    )


def test_nothing_is_claimed_where_the_mean_was_not_run():
    trial, results = tried(chest())
    found = with_samples(trial, results, must_not_be_computed())
    assert "it is not among the methods" in found.unclaimed[0].reason
    assert found.structures


def test_no_sample_is_computed_where_the_reference_can_not_be_segmented():
    trial, results = tried(head((24, 26, 24), source=Source(contrast="FLAIR")))
    found = with_samples(trial, {"mean": results["ibp"]}, must_not_be_computed())
    assert (len(found.unsegmented), found.structures, found.unclaimed) == (1, (), ())


def test_a_sample_that_shows_no_body_is_a_reason_and_no_end():
    trial, results = tried(chest())
    air = np.full_like(trial.reference.data, -1000)
    found = with_samples(trial, {"mean": results["ibp"]}, (air,))
    assert found.structures
    assert "a sample can't be segmented: no voxel lies above" in found.unclaimed[0].reason
