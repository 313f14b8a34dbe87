"""Factors by subject: laws of coverage on made-up subjects, and the whole way on a phantom."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import head
from scipy import stats
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.metrics.uncertainty import LEVELS, normal_width
from medsr.model.weights import load_model
from medsr.physics.tasks import TASKS
from medsr.validation.calibration import ALL, calibrate, calibrated_weights, factors
from medsr.validation.coverage import KINDS, CoverageCurve, coverage_curve, measure
from medsr.validation.trial import make_trial

SETTINGS = EnhanceSettings(mode="uncertainty", samples=3, steps=2, flips=0)
GROUP = "MR, one axis"


def curve(subject: str, ratio: float, kind: str = "samples", group: str = GROUP, scan: str = "") -> CoverageCurve:
    """A subject whose errors are normal and `ratio` times as large as stated."""
    error = ratio * stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    return CoverageCurve(subject, scan or subject, "thick5", kind, group, coverage_curve(error, np.ones_like(error)))


def curves(ratios: dict[str, float], **changes: str) -> list[CoverageCurve]:
    return [curve(subject, ratio, kind, **changes) for subject, ratio in ratios.items() for kind in KINDS]


@settings(max_examples=10)
@given(st.floats(0.3, 4))
def test_where_all_subjects_are_alike_the_factor_is_how_much_too_small_the_deviation_is(ratio):
    np.testing.assert_allclose(factors([curve("a", ratio), curve("b", ratio)]), ratio, rtol=0.02)


def test_the_mean_over_subjects_is_covered_and_scans_of_one_subject_count_once():
    many = [curve("a", 1.0, scan=f"a{number}") for number in range(5)]
    found = factors([*many, curve("b", 2.0)])
    np.testing.assert_allclose(found, factors([curve("a", 1.0), curve("b", 2.0)]))
    for factor, level in zip(found, LEVELS, strict=True):
        covered = [2 * stats.norm.cdf(factor * normal_width(level) / ratio) - 1 for ratio in (1.0, 2.0)]
        assert np.mean(covered) == pytest.approx(level, abs=0.003)


def test_a_subjects_own_errors_do_not_touch_its_held_out_coverage():
    report = calibrate(curves({"a": 1.0, "b": 1.0, "c": 3.0}), (), SETTINGS)
    row = next(row for row in report.held_out if (row.subject, row.kind, row.group) == ("c", "samples", ALL))
    expected = [2 * stats.norm.cdf(normal_width(level) / 3) - 1 for level in LEVELS]
    np.testing.assert_allclose(row.before, expected, atol=0.003)
    np.testing.assert_allclose(row.after, expected, atol=0.01)  # a and b alone need no factor
    np.testing.assert_allclose(
        report.calibration.held_out["samples"][ALL],
        np.mean([r.after for r in report.held_out if (r.kind, r.group) == ("samples", ALL)], axis=0),
    )


def test_held_out_coverage_is_near_its_level_where_subjects_come_from_one_population():
    rng = np.random.default_rng(0)
    ratios = {str(number): float(rng.lognormal(0.3, 0.2)) for number in range(20)}
    report = calibrate(curves(ratios), (), SETTINGS)
    np.testing.assert_allclose(report.calibration.held_out["variance"][ALL], LEVELS, atol=0.02)


def test_groups_have_factors_of_their_own_where_there_are_subjects_enough():
    found = calibrate(
        [
            *curves({"a": 1.0, "b": 1.0}),
            *curves({"c": 2.0, "d": 2.0}, group="CT, one axis"),
            *curves({"e": 9.0}, group="x"),
        ],
        (),
        SETTINGS,
    ).calibration
    assert set(found.factors["samples"]) == {ALL, GROUP, "CT, one axis"}
    assert found.factors_for("samples", GROUP)[0.9] == pytest.approx(1, rel=0.02)
    assert found.factors_for("samples", "CT, one axis")[0.9] == pytest.approx(2, rel=0.02)
    assert found.factors_for("samples", "x") == found.factors_for("samples", ALL)
    assert found.subjects == {ALL: 5, GROUP: 2, "CT, one axis": 2}


@pytest.mark.parametrize("n", [3, 8, 9, 25])
def test_a_guarantee_needs_subjects_enough(n):
    """(n / (n + 1)) miss + 1 / (n + 1) <= 0.1 can hold for 10 subjects or more, and for 0.2 from 5 on."""
    report = calibrate(curves({str(k): 1.0 for k in range(n)}), (), SETTINGS)
    found = report.guaranteed["samples"]
    assert (found["0.9"] is None) == (n < 10)
    assert (found["0.8"] is None) == (n < 5)
    if n == 25:
        miss = 2 - 2 * stats.norm.cdf(found["0.9"] * normal_width(0.9))
        assert 25 / 26 * miss + 1 / 26 == pytest.approx(0.1, abs=0.002)


def test_two_subjects_are_too_few():
    with pytest.raises(UsageError, match="at least 3"):
        calibrate(curves({"a": 1.0, "b": 1.0}), (), SETTINGS)


def test_calibrated_weights_hold_the_same_weights_and_widen_the_intervals(tmp_path):
    trial = make_trial(head((36, 40, 32)), TASKS["thick5"], SETTINGS)
    model = tiny_model()
    report = calibrate(curves({"a": 2.0, "b": 2.0, "c": 2.0}), (), SETTINGS)
    path = tmp_path / "calibrated.safetensors"
    path.write_bytes(calibrated_weights(model, report.calibration))
    loaded = load_model(path, "cpu")
    assert loaded.spec.calibration == report.calibration
    assert dataclasses.replace(loaded.spec, calibration=None) == model.spec
    again = tmp_path / "again.safetensors"
    again.write_bytes(calibrated_weights(loaded, report.calibration))
    assert again.read_bytes() == path.read_bytes()
    plain = dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, calibration=None), dtype=torch.float32)
    ours, theirs = (
        enhance(trial.input, one, SETTINGS, trial.acquisition)
        for one in (dataclasses.replace(loaded, dtype=torch.float32), plain)
    )
    np.testing.assert_array_equal(ours.volume.data, theirs.volume.data)
    np.testing.assert_allclose(ours.uncertainty.data, 2 * theirs.uncertainty.data, rtol=0.02)
    assert ours.record.uncertainty["calibrated"] is True
    assert ours.record.uncertainty_rms == pytest.approx(2 * theirs.record.uncertainty_rms, rel=0.02)
    assert abs(ours.record.drift) < 1e-3
    assert ours.record.uncertainty["half_widths"]["0.9"] == pytest.approx(1.6449, abs=1e-3)
    assert theirs.record.uncertainty == {"calibrated": False}
    assert any("not calibrated" in warning for warning in theirs.record.warnings)
    (samples, *_), _ = measure(trial, "sub-a_T1w", "thick5", loaded, SETTINGS)
    assert samples.calibrated["90"] > samples.coverage["90"]
