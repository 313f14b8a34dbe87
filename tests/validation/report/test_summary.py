"""Calibration, uncertainty and hallucination tests as text."""

from __future__ import annotations

import json

from made_scores import made_score

from medsr.metrics.statistics import Interval
from medsr.model.spec import Calibration
from medsr.validation.calibration import CalibrationReport, HeldOut
from medsr.validation.findings import Findings, Uncertainty
from medsr.validation.report.export import text_of, write_json, write_plain
from medsr.validation.report.summary import calibration_of, interval_text, uncertainties_of

LEVELS = {"50": 0.45, "80": 0.7, "90": 0.8, "95": 0.85}
MORE = (0.03, 0.85, 0.9, 0.7, 1.1, 0.01)  # energy score, blocks, interior, edges, power, histogram
STATED = Uncertainty("sub-a_T1w", "iso2", "samples", LEVELS, {}, 0.02, 0.03, 0.7, *MORE, 0.05, 0.06, (0.1,), (0.1,), 8)
FOUR = (1.0, 1.1, 1.2, 1.3)
CALIBRATION = Calibration(
    (0.5, 0.8, 0.9, 0.95),
    {"samples": {"all": FOUR}},
    {"all": 3},
    {"samples": {"all": (0.5, 0.8, 0.91, 0.95)}},
    8,
    6,
    ("iso2",),
)
REPORT = CalibrationReport(
    CALIBRATION, (HeldOut("a", "samples", "all", FOUR, FOUR),), {"samples": {"0.9": None}}, (STATED,)
)


def test_coverage_is_shown_before_and_after() -> None:
    text = uncertainties_of([STATED])
    assert "0.800" in text
    assert " - " in text
    held_out = calibration_of(REPORT)
    assert "held out 90%" in held_out
    assert "0.910" in held_out
    assert "90% after" in held_out


def test_too_few_subjects_for_an_interval_are_named() -> None:
    assert interval_text(Interval(2, 0.5, None, None)) == "+0.50 (too few for an interval)"
    assert interval_text(Interval(9, 0.5, 0.1, 0.7)) == "+0.50 [+0.10, +0.70]"


def test_several_scans_are_compared_by_subject_and_the_ceiling_stands_beside_them(tmp_path) -> None:
    scores = [
        made_score(f"sub-{s}_T1w", m, 20.0 + n + k)
        for k, s in enumerate("abcdefg")
        for n, m in enumerate(("ibp", "mean"))
    ]
    findings = Findings(tuple(scores), {}, uncertainties=(STATED,))
    text = text_of(findings)
    assert "Paired differences over subjects" in text
    assert "0.0156" in text
    assert "Stated uncertainty" in text
    write_json(findings, tmp_path / "f.json", {"verdicts": []})
    assert json.loads((tmp_path / "f.json").read_text())["verdicts"] == []


def test_a_calibration_is_written_as_json(tmp_path) -> None:
    write_plain(REPORT, tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["guaranteed"]["samples"]["0.9"] is None
    assert content["calibration"]["factors"]["samples"]["all"] == list(FOUR)
