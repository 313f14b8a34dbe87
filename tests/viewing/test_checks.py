"""The viewer's numbers are those of the reports."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from phantoms import affine, grainy, head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.region import Box, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.physics.tasks import TASKS, degrade
from medsr.validation.trial import make_trial, restorations, score
from medsr.viewing.checks import Question, against_reference, against_scan, rows_of, write_report

TRUTH = head((24, 26, 30), (1.0, 1.0, 1.0))
MODEL = tiny_model()
COARSE, ACQUISITION = degrade(TRUTH, TASKS["thick3"])
RESULT = enhance(COARSE, MODEL, EnhanceSettings(), ACQUISITION)
QUESTION = Question(COARSE, RESULT.volume, "gaussian")


def by_method(rows, where="whole"):
    return {row["method"]: row for row in rows if row["where"] == where}


def test_scores_are_those_of_validate():
    trial = make_trial(TRUTH, TASKS["thick3"], EnhanceSettings())
    methods = ("cubic", "ibp", "mean")
    restored = restorations(trial, MODEL, methods, EnhanceSettings())
    theirs = {method: score(trial, "head", "thick3", method, x, s) for method, x, s in restored}
    ours = by_method(rows_of(against_reference(QUESTION, TRUTH, {}).findings))
    for method, name in (("cubic", "cubic"), ("ibp", "ibp"), ("result", "mean")):
        assert ours[method]["psnr_db"] == pytest.approx(theirs[name]["psnr_db"], abs=1e-6)
        assert ours[method]["ssim"] == pytest.approx(theirs[name]["ssim"], abs=1e-9)
    assert ours["result"]["over_cubic_db"] == pytest.approx(theirs["mean"]["psnr_db"] - theirs["cubic"]["psnr_db"])


def test_a_region_is_scored_beside_the_whole():
    low, high = (
        np.array([-6.0, -6.0, -6.0]) + TRUTH.affine[:3, 3] + 12,
        np.array([6.0, 6.0, 6.0]) + TRUTH.affine[:3, 3] + 12,
    )
    findings = against_reference(QUESTION, TRUTH, {}, (low, high)).findings
    whole, region = (by_method(rows_of(findings), where) for where in ("whole", "region"))
    assert set(whole) == set(region) == {"cubic", "ibp", "result"}
    assert region["cubic"]["psnr_db"] != whole["cubic"]["psnr_db"]
    everything = (TRUTH.affine[:3, 3] - 1, TRUTH.affine[:3, 3] + 100)
    same = by_method(rows_of(against_reference(QUESTION, TRUTH, {}, everything).findings), "region")
    assert same["cubic"]["psnr_db"] == whole["cubic"]["psnr_db"]


def test_orientation_changes_no_score():
    turned = affine((1.0, 1.0, 1.0), axes=(2, 0, 1), flips=(-1, 1, -1), origin_mm=(5, 6, 7))
    truth = head((30, 24, 26), (1.0, 1.0, 1.0)).with_data(np.array(TRUTH.data.transpose(2, 0, 1)), turned)
    coarse, acquisition = degrade(truth, TASKS["thick3"])
    question = Question(coarse, enhance(coarse, MODEL, None, acquisition).volume)
    rows = rows_of(against_reference(question, truth, {}).findings)
    assert all(np.isfinite(row["psnr_db"]) for row in rows)


def test_a_reference_on_another_grid_or_place_is_refused():
    with pytest.raises(UsageError, match="as in another layer"):
        against_reference(QUESTION, COARSE, {})
    with pytest.raises(UsageError, match="own truth"):
        against_reference(QUESTION, crop(TRUTH, Box((0, 0, 3), (24, 26, 30))), {})


def test_a_region_without_body_is_refused():
    with pytest.raises(UsageError, match="nothing of the body"):
        against_reference(QUESTION, TRUTH, {}, (np.full(3, 500.0), np.full(3, 510.0)))


def test_the_residual_is_that_of_the_record():
    assert against_scan(QUESTION).residual == pytest.approx(RESULT.record.residual, abs=1e-3)


def test_the_worst_place_is_where_the_result_was_spoilt():
    data = np.array(RESULT.volume.data)
    data[10:14, 12:16, 6:12] += 300
    fidelity = against_scan(Question(COARSE, RESULT.volume.with_data(data)))
    ijk = np.linalg.inv(TRUTH.affine) @ [*fidelity.worst_mm, 1]
    assert np.all(np.abs(ijk[:3] - [11.5, 13.5, 8.5]) < 3)
    assert fidelity.worst > fidelity.residual
    assert fidelity.map.shape == COARSE.shape


def test_a_report_is_that_of_validate(tmp_path):
    checked = against_reference(replace(QUESTION, method="mean"), TRUTH, {"name": "tiny"})
    page = write_report(checked, tmp_path / "report")
    assert page.name == "index.html"
    content = json.loads((page.parent / "validation.json").read_text())
    assert [score["method"] for score in content["scores"]] == ["cubic", "ibp", "mean"]
    assert "No intensity fit" in content["convention"]


def test_the_residual_is_that_of_the_record_where_the_plane_of_slices_is_refined():
    """There noise that is correlated in it counts in neither."""
    scan = grainy((48, 48, 12), (1.0, 1.0, 4.0))
    result = enhance(scan, MODEL, EnhanceSettings(flips=0, profile="gaussian", factors=(2, 2, 1)))
    found = against_scan(Question(scan, result.volume, "gaussian"))
    assert found.residual == pytest.approx(result.record.residual, rel=1e-2)
