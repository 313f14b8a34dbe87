"""Every job from request to answer, with a model small enough for a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from fusion_stacks import motion, stack, truth
from phantoms import head
from tiny_models import EVERYTHING, TINY, tiny_model, tiny_net, write_tiny

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError, ModelError, UsageError
from medsr.fusion.fusion import fuse
from medsr.fusion.grid import Grid
from medsr.model.spec import Envelope, ModelSpec
from medsr.model.weights import weights_bytes
from medsr.physics.acquisition import acquisition_of
from medsr.physics.tasks import TASKS, degrade
from medsr.viewing import jobs, watching
from medsr.viewing.exchange import facts_of, packed, unpacked
from medsr.volume import Volume

TRUTH = head((24, 26, 30), (1.0, 1.0, 1.0))
COARSE, _ = degrade(TRUTH, TASKS["thick3"])
MODEL = tiny_model()


@pytest.fixture
def ask(tmp_path):
    """A function that does a job as the child does, through JSON; `reports` collects what it says on the way."""
    ready = jobs.Ready(MODEL, 1e6, tmp_path)

    def do(job, reports=None, **request):
        def report(kind, content):
            (reports if reports is not None else []).append((kind, json.loads(json.dumps(content))))

        return json.loads(json.dumps(jobs.JOBS[job](ready, json.loads(json.dumps(request)), report)))

    do.folder = tmp_path
    return do


def test_a_plan_tells_what_the_run_then_does(ask):
    for settings in (
        EnhanceSettings(),
        EnhanceSettings(factors=(1, 1, 3)),
        EnhanceSettings(region=((4, 4, 2), (14, 15, 7))),
    ):
        plan = ask("plan", scan=facts_of(COARSE), settings=settings.to_dict())
        answer = ask("enhance", scan=packed(COARSE, ask.folder), settings=settings.to_dict())
        assert list(unpacked(answer["enhanced"]).shape) == plan["result_shape"]
        assert plan["objections"] == []


def test_a_plan_takes_the_grid_of_a_layer(ask):
    plan = ask("plan", scan=facts_of(COARSE), onto=facts_of(TRUTH), settings=EnhanceSettings().to_dict())
    assert plan["result_shape"] == list(TRUTH.shape)
    assert plan["factors"] == pytest.approx([1, 1, 3])


def test_enhancing_is_the_library_s_own(ask):
    answer = ask(
        "enhance",
        scan=packed(COARSE, ask.folder),
        settings=EnhanceSettings(mode="uncertainty", samples=2, steps=2).to_dict(),
    )
    theirs = enhance(COARSE, MODEL, EnhanceSettings(mode="uncertainty", samples=2, steps=2), acquisition_of(COARSE))
    np.testing.assert_array_equal(unpacked(answer["enhanced"]).data, theirs.volume.data)
    np.testing.assert_array_equal(unpacked(answer["uncertainty"]).data, theirs.uncertainty.data)
    assert answer["record"]["residual"] == theirs.record.residual
    unpacked(answer["residual"])
    assert not list(ask.folder.iterdir())


def test_stacks_are_fused_as_the_library_fuses_them(ask):
    scans, settings = [stack(truth(36), axis) for axis in (2, 1)], EnhanceSettings(mode="uncertainty", flips=0)
    packs = [packed(scan, ask.folder) for scan in scans]
    answer = ask("enhance", scan=packs[0], stacks=packs[1:], settings=settings.to_dict())
    theirs = fuse(scans, MODEL, settings)
    np.testing.assert_array_equal(unpacked(answer["enhanced"]).data, theirs.volume.data)
    np.testing.assert_array_equal(unpacked(answer["uncertainty"]).data, theirs.uncertainty.data)
    assert [one["residual"] for one in answer["record"]["stacks"]] == [one["residual"] for one in theirs.record.stacks]
    unpacked(answer["residual"])
    assert not list(ask.folder.iterdir())


def test_stacks_are_fused_on_the_grid_of_another_layer(ask):
    scans, settings = [stack(truth(36), axis) for axis in (2, 1)], EnhanceSettings(flips=0)
    turned = motion(truth(36), (8, -5, 12), (1, 2, 0)) @ [[0, -1, 0, 30], [0, 0, -1, 31], [-1, 0, 0, 32], [0, 0, 0, 1]]
    layer = facts_of(Volume(np.zeros((25, 26, 27), np.float32), turned))
    request = {"stacks": [facts_of(scans[1])], "settings": settings.to_dict()}
    plan = ask("plan", scan=facts_of(scans[0]), onto=layer, **request)
    assert (plan["result_shape"], plan["factors"], plan["n_stacks"]) == ([25, 26, 27], None, 2)
    packs = [packed(scan, ask.folder) for scan in scans]
    answer = ask("enhance", scan=packs[0], stacks=packs[1:], onto=layer, settings=settings.to_dict())
    theirs = fuse(scans, MODEL, settings, grid=Grid((25, 26, 27), turned))
    found = unpacked(answer["enhanced"])
    np.testing.assert_array_equal(found.data, theirs.volume.data)
    np.testing.assert_array_equal(found.affine, turned)
    with pytest.raises(UsageError, match="none that are finer"):
        ask("plan", scan=facts_of(scans[0]), onto=facts_of(scans[0]), **request)


def test_the_plan_of_several_stacks_counts_the_time_of_all(ask):
    scan, other = (facts_of(stack(truth(36), axis)) for axis in (2, 1))
    settings = EnhanceSettings(spacing_mm=(0.8,)).to_dict()
    alone = [ask("plan", scan=one, settings=EnhanceSettings().to_dict()) for one in (scan, other)]
    both = ask("plan", scan=scan, stacks=[other], settings=settings)
    assert both["seconds"] == pytest.approx(sum(one["seconds"] for one in alone))
    assert (alone[0]["n_stacks"], both["n_stacks"]) == (1, 2)
    with pytest.raises(UsageError, match="no posterior samples"):
        ask("plan", scan=scan, stacks=[other], settings=EnhanceSettings(mode="sample").to_dict())


def test_progress_is_reported_per_step_with_the_time_left(ask):
    reports = []
    ask("enhance", reports, scan=packed(COARSE, ask.folder), settings=EnhanceSettings(mode="sample", steps=3).to_dict())
    steps = [content for kind, content in reports if kind == "progress"]
    assert [content["done"] for content in steps] == list(range(1, steps[0]["total"] + 1))
    assert steps[-1]["seconds_left"] == 0


def test_a_watched_sample_shows_every_step(ask):
    reports = []
    settings = EnhanceSettings(mode="sample", steps=3)
    answer = ask("enhance", reports, scan=packed(COARSE, ask.folder), settings=settings.to_dict(), watch=True)
    states = [content for kind, content in reports if kind == "state"]
    assert [state["number"] for state in states] == [0, 1, 2]
    scans = [{name: unpacked(state[name]) for name in ("noisy", "clean", "measured", "prior")} for state in states]
    finer = unpacked(answer["enhanced"])
    np.testing.assert_allclose(scans[-1]["noisy"].data, finer.data, atol=1e-3)
    for step in scans:
        np.testing.assert_allclose(step["measured"].data + step["prior"].data, step["clean"].data, atol=1e-3)
        assert all(scan.shape == finer.shape for scan in step.values())
    unpacked(answer["residual"])
    assert not list(ask.folder.iterdir())


def test_a_sample_too_large_to_watch_is_refused(ask, monkeypatch):
    asked = {"settings": EnhanceSettings(mode="sample", steps=3, factors=(1, 1, 7)).to_dict(), "watch": True}
    needed = 4 * 4 * 3 * 24 * 26 * 70  # of every voxel of the result, which has more than the network's grid
    for limit in (needed, needed - 1):
        monkeypatch.setattr(watching, "MOST_BYTES", limit)
        if limit == needed:
            ask("enhance", scan=packed(COARSE, ask.folder), **asked)
            continue
        with pytest.raises(UsageError, match=r"3 steps of this scan are .* GiB; choose a region"):
            ask("enhance", scan=packed(COARSE, ask.folder), **asked)


def test_a_sample_that_is_computed_in_blocks_can_not_be_watched(ask):
    scan, settings = stack(truth(48), 2), EnhanceSettings(mode="sample", tile=16, factors=(2, 2, 4)).to_dict()
    plain = ask("plan", scan=facts_of(scan), settings=settings)
    limit = int(plain["memory_bytes"] * 0.9)
    assert ask("plan", scan=facts_of(scan), settings=settings, memory_limit=limit)["n_blocks"] > 1
    with pytest.raises(UsageError, match="have no steps in common; choose a region"):
        ask("enhance", scan=packed(scan, ask.folder), settings=settings, watch=True, memory_limit=limit)


def test_the_envelope_is_judged_before_and_kept_in_the_run(tmp_path):
    narrow = jobs.Ready(tiny_model(envelope=Envelope(max_factor=2.0)), 1e6, tmp_path)
    plan = jobs.plan(
        narrow, {"scan": facts_of(COARSE), "settings": EnhanceSettings().to_dict()}, lambda kind, content: None
    )
    assert plan["objections"]
    request = {"scan": packed(COARSE, tmp_path), "settings": EnhanceSettings().to_dict()}
    with pytest.raises(EnvelopeError):
        jobs.enhance_scan(narrow, request, lambda kind, content: None)


def test_a_plan_refuses_what_the_model_can_not_do(ask, tmp_path):
    settings = EnhanceSettings(mode="sample", classifier=str(write_tiny(tmp_path / "edm.safetensors")))
    with pytest.raises(ModelError, match="not a classifier"):
        ask("plan", scan=facts_of(COARSE), settings=settings.to_dict())
    led = replace(settings, classifier=str(write_tiny(tmp_path / "sharp.safetensors", process="sharpness")))
    alone, with_it = (
        ask("plan", scan=facts_of(COARSE), settings=one.to_dict()) for one in (replace(led, classifier=None), led)
    )
    assert with_it["memory_bytes"] > alone["memory_bytes"]  # of what a gradient through the classifier keeps


def test_a_weights_file_is_used_as_it_is_now(ask):
    path = ask.folder / "own.safetensors"
    settings = EnhanceSettings(model=str(path)).to_dict()
    for version in ("1", "2"):
        path.write_bytes(weights_bytes(tiny_net(seed=1).state_dict(), ModelSpec("own", version, TINY, EVERYTHING)))
        assert ask("plan", scan=facts_of(COARSE), settings=settings)["model"] == "own"
        record = ask("enhance", scan=packed(COARSE, ask.folder), settings=settings)["record"]
        assert (record["model"]["name"], record["model"]["version"]) == ("own", version)
    assert ask("judge", scan=packed(COARSE, ask.folder), model=str(path))["objections"] == []
    path.unlink()
    for job, request in (("plan", {"settings": settings}), ("judge", {"model": str(path)})):
        with pytest.raises(ModelError, match="no such weights file"):
            ask(job, scan=packed(COARSE, ask.folder), **request)


def test_the_voxels_are_judged_apart_from_the_grid(ask):
    assert ask("judge", scan=packed(COARSE, ask.folder)) == {"objections": [], "notices": []}


def test_comparing_and_checking_answer_with_maps(ask):
    after = unpacked(
        ask("enhance", scan=packed(COARSE, ask.folder), onto=facts_of(TRUTH), settings=EnhanceSettings().to_dict())[
            "enhanced"
        ]
    )

    def pair():
        return {"scan": packed(COARSE, ask.folder), "result": packed(after, ask.folder)}

    compared = ask("compare", **pair())
    before, difference = unpacked(compared["cubic"]), unpacked(compared["difference"])
    np.testing.assert_allclose(before.data + difference.data, after.to_ras().data, atol=1e-3)
    alone = ask("check", **pair())
    assert alone["rows"] == []
    assert unpacked(alone["map"]).shape == COARSE.shape
    report = ask.folder / "report"
    scored = ask("check", **pair(), reference=packed(TRUTH, ask.folder), report=str(report))
    assert {row["method"] for row in scored["rows"]} == {"cubic", "ibp", "result"}
    assert scored["written"] == [str(report / "index.html")]


def test_a_batch_tells_of_every_case_and_does_none_twice(ask):
    source, target = ask.folder / "in", ask.folder / "out"
    source.mkdir()
    nib.save(nib.Nifti1Image(COARSE.data, COARSE.affine), source / "head.nii.gz")
    (source / "cut.nii.gz").write_bytes((source / "head.nii.gz").read_bytes()[:1000])
    write_tiny(ask.folder / "tiny.safetensors")
    settings = EnhanceSettings(model=str(ask.folder / "tiny.safetensors"), device="cpu").to_dict()
    written = []
    for _ in range(2):
        reports = []
        answer = ask("batch", reports, source=str(source), target=str(target), settings=settings)
        assert answer == {"done": 1, "failed": 1}
        ((kind, first), *changes) = reports
        assert kind == "cases"
        cases = first["cases"]
        for kind, content in changes:
            assert kind == "case"
            cases[content["number"]] = content["case"]
        assert {case["name"]: case["state"] for case in cases} == {"head.nii.gz": "done", "cut.nii.gz": "failed"}
        made = next(case for case in cases if case["state"] == "done")
        assert made["grid"].startswith("1 x 1")
        assert made["residual"] is not None
        written.append(Path(made["target"]).stat().st_mtime_ns)
        assert next(case["message"] for case in cases if case["state"] == "failed")
    assert written[0] == written[1]


def test_the_start_loads_the_shipped_model(tmp_path):
    ready = jobs.start({"folder": str(tmp_path)})
    assert ready.model.spec.name == EnhanceSettings.model
    assert ready.voxels_per_s > 0
