"""One case from files to numbers: what is asked for is measured, wherever the scan lies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import head
from tiny_models import TINY, tiny_net

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError
from medsr.io import save
from medsr.model.spec import Envelope, ModelSpec
from medsr.model.weights import weights_bytes
from medsr.physics.tasks import TASKS, Task, degrade
from medsr.validation import measure
from medsr.validation.anatomy import SEGMENTED_SAMPLES, ReferenceAnatomy
from medsr.validation.measure import measure_trial
from medsr.validation.plan import plan_trials, read_pairs
from medsr.validation.recipe import StudyRecipe
from medsr.validation.stages import given_of, trial_of

FINE = head((24, 26, 24))
NARROW = Envelope(max_factor=1.5, max_factor_several=1.5, max_coarse_mm=1.5, fine_mm=(0.5, 2.0))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A model that takes nothing coarse, so that every task lies outside its envelope."""
    weights = tmp_path_factory.mktemp("weights") / "narrow.safetensors"
    weights.write_bytes(weights_bytes(tiny_net().state_dict(), ModelSpec("narrow", "0", TINY, NARROW)))
    quick = EnhanceSettings(samples=2, steps=2, flips=0, model=str(weights), device="cpu")
    return StudyRecipe((TASKS["iso2"],), ("ibp",), enhance=quick)


def measured(source, recipe):
    (planned,) = plan_trials([source], recipe, "")
    return measure_trial(planned, recipe)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scans") / "sub-a_T1w.nii.gz"
    save(FINE, path)
    return path


def test_scans_outside_the_envelope_are_measured_in_everything(scan, recipe):
    full = replace(recipe, methods=("ibp", "mean"), uncertainty=True, hallucination=True, blend=(0.0, 1.0))
    found = measured(scan, full)
    assert [score.method for score in found.findings.scores] == ["ibp", "mean"]
    assert [one.method for one in found.findings.uncertainties] == ["samples", "variance", "white noise"]
    assert [one.method for one in found.hallucination] == ["ibp", "mean"]
    assert [point.blend for point in found.findings.blend] == [0.0, 1.0]
    assert found.findings.model["name"] == "narrow"


def test_one_mask_of_the_brain_is_made_for_all_methods_before_they_run(scan, recipe, monkeypatch):
    asked = []

    def found(reference):
        asked.append(reference)
        brain = np.zeros(reference.shape, dtype=bool)
        brain[8:16, 8:18, 8:16] = True
        return ReferenceAnatomy(brain=brain, fault="this phantom has a brain and nothing else")

    monkeypatch.setattr(measure, "reference_anatomy", found)
    scores = measured(scan, replace(recipe, methods=("cubic", "ibp"), anatomy=True)).findings.scores
    assert len(asked) == 1
    assert [np.isfinite(score["psnr_brain_db"]) for score in scores] == [True, True]
    plain = measured(scan, replace(recipe, methods=("cubic", "ibp"))).findings.scores
    assert [np.isnan(score["psnr_brain_db"]) for score in plain] == [True, True]
    assert [score["psnr_interior_db"] for score in plain] == [score["psnr_interior_db"] for score in scores]
    assert len(asked) == 1


def test_the_anatomy_is_measured_where_it_is_asked_for(scan, recipe, tmp_path):
    plain = measured(scan, recipe).findings
    assert (plain.structures, plain.unsegmented) == ((), ())
    small = measured(scan, replace(recipe, anatomy=True)).findings
    assert (small.structures, small.unsegmented[0].scan) == ((), "sub-a_T1w")  # too small for a head
    save(head((24, 26, 24), modality="CT"), tmp_path / "sub-b_CT.nii.gz")
    of_ct = measured(tmp_path / "sub-b_CT.nii.gz", replace(recipe, anatomy=True)).findings
    assert {(one.method, one.structure) for one in of_ct.structures} == {
        ("ibp", "body"),
        ("ibp", "lung and air inside"),
    }
    assert of_ct.unsegmented == ()


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    path = tmp_path_factory.mktemp("scans") / "sub-b_CT.nii.gz"
    save(head((24, 26, 24), modality="CT"), path)
    return path


def test_volumes_get_intervals_where_anatomy_and_uncertainty_are_asked_for(ct, recipe):
    asked = replace(recipe, methods=("mean",), anatomy=True, uncertainty=True)
    found = measured(ct, asked).findings
    means = {row.structure: row.volume_ml for row in found.structures}
    assert {row.structure: row.volume_ml for row in found.sampled} == means
    body = next(row for row in found.sampled if row.structure == "body")
    assert len(body.samples_ml) == SEGMENTED_SAMPLES
    assert len(set(body.samples_ml)) > 1  # each has noise of its own
    for less in (replace(asked, uncertainty=False), replace(asked, anatomy=False)):
        plain = measured(ct, less).findings
        assert (plain.sampled, plain.unclaimed) == ((), ())


def test_samples_that_enhance_would_refuse_are_a_reason_unless_they_are_forced(ct, recipe, tmp_path):
    weights = tmp_path / "rough.safetensors"
    spec = ModelSpec("rough", "0", TINY, NARROW, sample_scale=300.0)
    weights.write_bytes(weights_bytes(tiny_net().state_dict(), spec))
    quick = replace(recipe.enhance, model=str(weights))
    asked = replace(recipe, tasks=(TASKS["thick3"],), methods=("mean",), anatomy=True, uncertainty=True, enhance=quick)
    found = measured(ct, asked).findings
    assert found.sampled == ()
    assert "times as rough as the scan" in found.unclaimed[0].reason
    forced = measured(ct, replace(asked, enhance=replace(quick, force=True))).findings
    assert (len(forced.sampled), forced.unclaimed) == (len(forced.structures), ())


@pytest.mark.parametrize("asked", ["yes", "no"])
def test_a_pair_is_registered_in_a_computing_process_where_its_row_asks_for_it(asked, recipe, tmp_path):
    fine = head((28, 30, 42))
    save(fine, tmp_path / "high.nii.gz")
    save(degrade(fine, TASKS["thick3"])[0], tmp_path / "low.nii.gz")
    (tmp_path / "pairs.tsv").write_text(f"low\thigh\tprofile\tregister\nlow.nii.gz\thigh.nii.gz\tgaussian\t{asked}\n")
    (planned,) = plan_trials([], recipe, "", pairs=read_pairs(tmp_path / "pairs.tsv"))
    sent = trial_of(json.loads(json.dumps(given_of(planned))))
    assert sent == planned
    (fit,) = measure_trial(sent, recipe).findings.fits
    assert fit.was_registered == (asked == "yes")


def test_the_line_goes_to_the_whole_sample_whatever_blend_the_method_sample_has(scan, recipe):
    half = replace(recipe, methods=("sample",), blend=(0.5, 1.0), enhance=replace(recipe.enhance, blend=0.5))
    found = measured(scan, half).findings
    assert found.blend[0].psnr_db == pytest.approx(found.scores[0]["psnr_db"], abs=1e-4)
    assert found.blend[1].psnr_db < found.blend[0].psnr_db


def test_nothing_is_loaded_or_sampled_where_nothing_of_the_model_is_asked(scan, recipe):
    found = measured(scan, replace(recipe, enhance=replace(recipe.enhance, model="no such model")))
    assert found.findings.model == {}
    assert (found.findings.blend, found.findings.uncertainties, found.hallucination) == ((), (), ())
    assert found.views.scan == "sub-a_T1w"


def test_a_dicom_series_gives_what_its_voxels_give(tmp_path, recipe):
    data = np.rint(FINE.data).astype(np.int16)
    write_classic(tmp_path / "series", data, FINE.affine)
    (tmp_path / "nifti").mkdir()
    save(FINE.with_data(data.astype(np.float32)), tmp_path / "nifti" / "sub-a_T1w.nii.gz")
    folder, one_file, nifti = (
        measured(path, recipe).findings.scores[0]["psnr_db"]
        for path in (tmp_path / "series", next((tmp_path / "series").iterdir()), tmp_path / "nifti")
    )
    assert folder == one_file == pytest.approx(nifti, abs=1e-3)


def test_several_volumes_in_one_file_are_refused(tmp_path, recipe):
    save([FINE, FINE], tmp_path / "sub-a_bold.nii.gz")
    with pytest.raises(InputError, match="2 volumes"):
        measured(tmp_path / "sub-a_bold.nii.gz", recipe)


def test_a_task_of_several_stacks_goes_to_a_computing_process_and_is_tested_on_the_first(recipe, tmp_path):
    save(head((30, 32, 30)), tmp_path / "sub-a_T1w.nii.gz")
    task = Task("stacks", thick_mm=4, stacks=2, moved=True)
    asked = replace(recipe, tasks=(task,), methods=("ibp", "mean", "fused"), hallucination=True)
    (planned,) = plan_trials([tmp_path / "sub-a_T1w.nii.gz"], asked, "")
    sent = trial_of(json.loads(json.dumps(given_of(planned))))
    assert sent == planned
    found = measure_trial(sent, asked)
    assert [score.method for score in found.findings.scores] == ["ibp", "mean", "fused"]
    assert [one.method for one in found.hallucination] == ["ibp", "mean"]
    assert "fused" in found.views.planes[0].images
