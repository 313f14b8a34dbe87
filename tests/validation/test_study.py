"""A study from files to a folder: nothing measured twice, nothing lost to one bad scan, no name that tells who."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import pytest
from made_scores import untimed
from phantoms import head
from tiny_models import EVERYTHING, TINY, tiny_net, write_tiny

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import CasesFailedError, GateError, InputError, ResourceError, UsageError
from medsr.io import load, save
from medsr.model.spec import ModelSpec
from medsr.model.weights import load_model, weights_bytes
from medsr.physics.tasks import TASKS, degrade
from medsr.validation.recipe import StudyRecipe
from medsr.validation.study import Division, check_study, read_pairs, validate, write_study
from medsr.validation.trial import make_trial, measured, restorations

QUICK = EnhanceSettings(samples=2, steps=2, flips=0)
TIMES = {"seconds", "measured_before"}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    save(head((28, 30, 30)), folder / "sub-a_T1w.nii.gz")
    save(head((30, 28, 30)), folder / "sub-b_T1w.nii.gz")
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    weights = write_tiny(tmp_path_factory.mktemp("weights") / "tiny.safetensors")
    tasks = (TASKS["iso2"], TASKS["thick3"])
    return StudyRecipe(tasks=tasks, methods=("ibp", "mean"), enhance=replace(QUICK, model=str(weights), device="cpu"))


@pytest.fixture(scope="module")
def done(scans, recipe, tmp_path_factory):
    """A finished study with everything in it."""
    folder = tmp_path_factory.mktemp("study") / "out"
    full = replace(recipe, blend=(0.0, 0.5, 1.0), uncertainty=True, gates=("psnr>=0",))
    return folder, full, validate([scans], full, folder, facts={"sub-a_T1w": {"scanner": "one"}})


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return "nan" if value != value else value  # which would differ from itself


def test_a_classifier_leads_what_is_measured_and_another_one_is_measured_anew(scans, recipe, tmp_path):
    def led(seed):
        path = tmp_path / f"{seed}.safetensors"
        spec = ModelSpec("leader", "0", TINY, EVERYTHING, process="sharpness")
        path.write_bytes(weights_bytes(tiny_net(seed=seed).state_dict(), spec))
        settings = replace(recipe.enhance, classifier=str(path), classifier_scale=50.0, steps=2)
        asked = replace(recipe, tasks=recipe.tasks[:1], methods=("sample",), uncertainty=True, enhance=settings)
        found = validate([scans / "sub-a_T1w.nii.gz"], asked, tmp_path / "study")
        (stated,) = [one for one in found.findings.uncertainties if one.method == "samples"]
        return found.record["measured_before"], found.findings.scores[0]["psnr_db"], stated.crps

    first, second, again = led(1), led(2), led(2)
    assert (first[0], second[0], again[0]) == (0, 0, 1)
    assert first[1] != second[1] and first[2] != second[2]
    assert again[1:] == second[1:]


def test_a_path_is_enough_and_scores_are_those_of_each_trial(scans, recipe):
    path = scans / "sub-a_T1w.nii.gz"
    found = validate([str(path)], recipe)
    model = load_model(recipe.enhance.model, "cpu")
    scores, shells = [], []
    for task in recipe.tasks:
        trial = make_trial(load(path), task, QUICK)
        for method, x, seconds in restorations(trial, model, recipe.methods, QUICK):
            score, along = measured(trial, "sub-a_T1w", task.name, method, x, seconds)
            scores.append(score)
            shells += along
    assert untimed(found.findings.scores) == untimed(scores)
    assert found.findings.shells == tuple(shells)
    assert repr(found) == (
        "Study(Findings(cases: 2; scores: 4; not measured: 0; methods: ibp, mean); hallucination tests: 0; "
        "gates passed: 0 of 0)"
    )


def test_the_report_lies_in_the_folder_and_holds_everything(done):
    folder, _, found = done
    assert (folder / "index.html").is_file()
    content = json.loads((folder / "validation.json").read_text())
    assert len(content["scores"]) == 8
    assert {(p["scan"], p["blend"]) for p in content["blend"] if p["task"] == "iso2"} == {
        (f"sub-{s}_T1w", d) for s in "ab" for d in (0.0, 0.5, 1.0)
    }
    assert len(content["uncertainties"]) == 12
    assert content["cases"][0]["facts"] == {"scanner": "one"}
    assert all(path.is_file() for path in found.views.values())
    check_study(found)


def test_the_ends_of_the_blend_are_mean_and_sample(scans, recipe):
    methods = ("mean", "sample")
    chosen = replace(recipe, blend=(0.0, 1.0), methods=methods, tasks=(TASKS["iso2"],))
    found = validate([scans / "sub-a_T1w.nii.gz"], chosen).findings
    ends = dict(zip(methods, found.blend, strict=True))
    for score in found.scores:
        end, ratio = ends[score.method], score["high_frequency_power_ratio"]
        assert end.psnr_db == pytest.approx(score["psnr_db"], abs=1e-4)
        assert end.high_frequency_power_ratio == pytest.approx(ratio, rel=1e-4)


def test_a_second_run_measures_nothing_and_gives_the_same(done, scans):
    folder, full, found = done
    before = json.loads((folder / "validation.json").read_text())
    parts = {path: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()}
    again = validate([scans], full, folder, facts={"sub-a_T1w": {"scanner": "one"}})
    assert again.record["measured_before"] == 4
    assert str(again.findings.as_dict()) == str(found.findings.as_dict())
    assert without_times(json.loads((folder / "validation.json").read_text())) == without_times(before)
    assert {path: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()} == parts


def test_changing_a_task_measures_that_task_alone(done, scans):
    folder, full, _ = done
    changed = replace(full, tasks=(TASKS["iso2"], replace(TASKS["thick3"], profile="box", assumed_profile="gaussian")))
    found = validate([scans], changed, folder)
    assert found.record["measured_before"] == 2
    assert [case.degraded_by.partition(",")[0] for case in found.findings.cases] == ["", "box", "", "box"]


@pytest.mark.parametrize("content", [b"{}", b"not JSON", b""])
def test_a_damaged_part_is_measured_again(scans, recipe, tmp_path, content):
    chosen = replace(recipe, methods=("ibp",))
    first = validate([scans / "sub-a_T1w.nii.gz"], chosen, tmp_path)
    spoilt = next((tmp_path / "parts").glob("*.json"))
    spoilt.write_bytes(content)
    next((tmp_path / "parts").glob(f"{spoilt.stem}.npz")).with_name(".part-0123.npz").write_bytes(b"half written")
    again = validate([scans / "sub-a_T1w.nii.gz"], chosen, tmp_path)
    assert again.record["measured_before"] == 1
    assert without_times(again.findings.as_dict()) == without_times(first.findings.as_dict())
    assert len(list((tmp_path / "parts").iterdir())) == 4


def test_one_bad_scan_among_many_is_named_by_its_code_and_the_others_are_measured(scans, recipe, tmp_path):
    bad = tmp_path / "Jane Doe.nii.gz"
    bad.write_bytes((scans / "sub-a_T1w.nii.gz").read_bytes()[:900])
    chosen = replace(recipe, methods=("ibp",), tasks=(TASKS["iso2"],))
    found = validate([scans / "sub-a_T1w.nii.gz", bad], chosen, tmp_path / "out")
    assert [score.scan for score in found.findings.scores] == ["sub-a_T1w"]
    (missing,) = found.findings.unmeasured
    assert missing.scan.startswith("scan-")
    assert "truncated" in missing.reason
    written = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file() and p.suffix != ".npz")
    assert b"Jane" not in written
    assert str(tmp_path).encode() not in written
    with pytest.raises(CasesFailedError, match="1 of 2 cases"):
        check_study(found)


def test_a_failed_gate_says_more_than_a_failed_case(scans, recipe, tmp_path):
    chosen = replace(recipe, methods=("ibp",), tasks=(TASKS["iso2"],), gates=("ibp.psnr>=99",))
    with pytest.raises(GateError, match=r"1 of 1 gates failed.*1 cases could not be measured"):
        check_study(validate([scans / "sub-a_T1w.nii.gz", tmp_path / "missing.nii.gz"], chosen))
    with pytest.raises(GateError):
        check_study(validate([tmp_path / "one.nii.gz", tmp_path / "two.nii.gz"], chosen))


def test_a_gate_on_coverage_has_samples_made_and_one_on_what_is_not_measured_is_refused(scans, recipe):
    one = replace(recipe, tasks=(TASKS["iso2"],), gates=("coverage90 in [2,3]",))
    found = validate([scans / "sub-a_T1w.nii.gz"], one)
    assert [u.method for u in found.findings.uncertainties] == ["samples", "variance", "white noise"]
    assert [verdict.passed for verdict in found.verdicts] == [False]
    for unknown in ("lpips<=1", "gain_over_tv>0", "coverage91>0"):
        with pytest.raises(UsageError, match="nothing is called"):  # before the missing scan is looked for
            validate([scans / "missing.nii"], replace(one, methods=("ibp",), gates=(unknown,)))


def test_an_only_case_fails_as_itself(recipe, tmp_path):
    with pytest.raises(InputError, match=r"missing\.nii"):
        validate([tmp_path / "missing.nii"], replace(recipe, tasks=(TASKS["iso2"],)), tmp_path / "out")
    assert not (tmp_path / "out" / "index.html").exists()


def test_nothing_to_measure_is_refused(recipe):
    with pytest.raises(UsageError, match="no case"):
        validate([], recipe)


def test_hallucination_tests_are_run_for_the_methods_asked_for(scans, recipe):
    chosen = replace(recipe, methods=("ibp", "wiener"), tasks=(TASKS["thick3"],), hallucination=True)
    found = validate([scans / "sub-a_T1w.nii.gz"], chosen)
    assert [one.method for one in found.hallucination] == ["ibp"]
    assert json.loads(json.dumps(found.further()))["hallucination"][0]["task"] == "thick3"


def test_a_real_pair_is_measured_beside_references(scans, recipe, tmp_path):
    coarse, _ = degrade(load(scans / "sub-a_T1w.nii.gz"), TASKS["thick3"])
    save(coarse.with_data(coarse.data * 3 + 50), tmp_path / "low.nii.gz")
    (tmp_path / "pairs.tsv").write_text(
        f"low\thigh\tscan\tprofile\nlow.nii.gz\t{scans / 'sub-a_T1w.nii.gz'}\tsub-p_T1w\tgaussian\n"
    )
    chosen = replace(recipe, tasks=(TASKS["thick3"],))
    pairs = read_pairs(tmp_path / "pairs.tsv")
    found = validate([scans / "sub-a_T1w.nii.gz"], chosen, tmp_path / "out", pairs=pairs)
    by_pair, by_task = ({s.method: s for s in found.findings.scores if s.task == t} for t in ("pair", "thick3"))
    for method in chosen.methods:
        assert by_pair[method]["psnr_db"] == pytest.approx(by_task[method]["psnr_db"], abs=1)  # but for the faces
    (fit,) = found.findings.fits
    assert (fit.scan, fit.task) == ("sub-p_T1w", "pair")
    assert fit.slope == pytest.approx(1 / 3, rel=1e-3)
    assert "Real pairs" in found.findings.convention
    assert validate([], chosen, tmp_path / "out", pairs=pairs).record["measured_before"] == 1


def test_a_study_that_can_register_no_pair_ends_before_any_case(recipe, tmp_path, monkeypatch):
    (tmp_path / "pairs.tsv").write_text("low\thigh\tregister\nlow.nii.gz\thigh.nii.gz\tyes\n")
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(InputError, match="registration needs SimpleITK"):
        validate([], recipe, tmp_path / "out", pairs=read_pairs(tmp_path / "pairs.tsv"))
    assert not (tmp_path / "out").exists()


def test_a_study_in_worker_processes_is_the_same(done, scans, tmp_path):
    _, full, found = done
    one = replace(full, workers=1, tasks=full.tasks[:1])
    again = validate([scans / "sub-a_T1w.nii.gz"], one, tmp_path / "out", facts={"sub-a_T1w": {"scanner": "one"}})
    expected = [s for s in found.findings.scores if (s.scan, s.task) == ("sub-a_T1w", "iso2")]
    assert untimed(again.findings.scores) == untimed(expected)


def test_shards_give_the_report_of_one_run_when_the_last_has_ended(done, scans, tmp_path):
    _, full, found = done
    whole, out = tmp_path / "whole", tmp_path / "out"
    write_study(found, whole)
    facts = {"sub-a_T1w": {"scanner": "one"}}
    for number in (1, 2, 3):
        part = validate([scans], full, out, facts=facts, division=Division(shard=(number, 3)))
        assert (out / "index.html").is_file() == (part.left == 0)
        assert bool(part.verdicts) == (part.left == 0)  # gates judge the whole
    assert part.left == 0
    assert untimed(part.findings.scores) == untimed(found.findings.scores)
    one, shared = (json.loads((place / "validation.json").read_text()) for place in (whole, out))
    assert without_times(shared) == without_times(one)


def test_a_part_of_a_study_needs_a_folder(scans, recipe):
    with pytest.raises(UsageError, match="need a folder"):
        validate([scans], recipe, division=Division(shard=(1, 2)))


def test_an_older_folder_of_parts_is_taken_over(scans, recipe, tmp_path):
    chosen = replace(recipe, methods=("ibp",), tasks=(TASKS["iso2"],))
    validate([scans], chosen, tmp_path)
    shutil.rmtree(tmp_path / ".medsr")
    assert validate([scans], chosen, tmp_path).record["measured_before"] == 2
    next((tmp_path / "parts").glob("*.json")).unlink()
    again = validate([scans], chosen, tmp_path)
    assert (again.record["measured_before"], again.failures) == (1, ())


def test_a_scan_too_large_for_the_memory_of_a_process_is_refused_as_a_batch_refuses_it(scans, recipe, tmp_path):
    with pytest.raises(ResourceError, match=r"needs about .* GiB and 0\.1 GiB may be used"):
        validate([scans / "sub-a_T1w.nii.gz"], replace(recipe, tasks=(TASKS["iso2"],), memory_gib=0.1), tmp_path)


def test_stacks_need_registration_before_any_work(scans, recipe, monkeypatch):
    monkeypatch.setattr("medsr.registration.rigid.find_spec", lambda name: None)
    stacked = replace(recipe, tasks=(replace(TASKS["thick3"], stacks=2),), methods=("ibp", "fused"))
    asked = []
    with pytest.raises(InputError, match="SimpleITK"):
        validate([scans], stacked, on_case=lambda *case: asked.append(case))
    assert asked == []


def test_a_scan_that_is_coarse_along_an_axis_is_told_with_its_reason_or_left_out(recipe, tmp_path):
    save(head((30, 32, 30)), tmp_path / "sub-a_T1w.nii.gz")
    save(head((30, 32, 10), (1.0, 1.0, 3.0)), tmp_path / "sub-b_T1w.nii.gz")
    task = replace(TASKS["thick3"], stacks=2)
    stacked = replace(recipe, tasks=(task,), methods=("ibp", "fused"))
    found = validate([tmp_path], stacked)
    assert [(one.scan, one.method) for one in found.findings.scores] == [("sub-a_T1w", "ibp"), ("sub-a_T1w", "fused")]
    (missing,) = found.findings.unmeasured
    assert missing.scan == "sub-b_T1w"
    assert "fine along every axis; this one has 1 x 1 x 3 mm" in missing.reason
    assert validate([tmp_path], replace(stacked, tasks=(replace(task, all_axes=True),))).findings.unmeasured == ()
