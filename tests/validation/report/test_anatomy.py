"""The structures of the body as tables, as text and in the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from made_reports import made_findings, made_report

from medsr.validation.report.anatomy import anatomy_tables, anatomy_text
from medsr.validation.report.page import write_report

NOTHING: dict[str, Any] = dict.fromkeys(("structures", "unsegmented", "sampled", "unclaimed"), ())
SCANS = ("sub-01_T1w", "sub-02_T1w", "sub-03_T2w")


def test_methods_stand_beside_each_other_with_their_errors() -> None:
    together, each, _, missing, _ = anatomy_tables(made_findings(SCANS, ("thick5",), {}))
    rows = {row[2].text: [cell.text for cell in row] for row in together.rows}
    assert rows["cubic"][3:] == ["2", "0.840", "8.0", "0.40", "1.20", "–"]
    assert rows["mean"][3:] == ["2", "0.960", "2.0", "0.40", "1.20", "0.25"]
    assert [row[2].text for row in each.rows] == ["Caudate"] * 3 + ["Hippocampus"] * 3
    caudate = dict(zip(each.heads, (cell.text for cell in each.rows[2]), strict=True))
    assert (caudate["method"], caudate["volume error %"], caudate["bias ml"]) == ("mean", "+2.0", "+0.16")
    assert caudate["limits of agreement ml"] == "–"  # of two subjects
    assert [cell.text for cell in missing.rows[0]] == ["sub-03_T2w", "thick5", "its contrast is T2w"]


def test_three_subjects_have_limits_of_agreement() -> None:
    findings = made_findings(("sub-01_T1w", "sub-02_T1w", "sub-03_T1w"), ("thick5",), {})
    structures = list(findings.structures)
    structures[0] = replace(structures[0], volume_ml=structures[0].volume_ml + 1)
    _, each, *_ = anatomy_tables(replace(findings, structures=tuple(structures)))
    first = dict(zip(each.heads, (cell.text for cell in each.rows[0]), strict=True))
    assert first["limits of agreement ml"] == "-1.44 to +0.82"


def test_volumes_are_claimed_with_what_the_number_of_subjects_can_carry() -> None:
    _, _, claims, _, without = anatomy_tables(made_findings(SCANS, ("thick5",), {}))
    assert [row[3].text for row in claims.rows] == ["Caudate", "Hippocampus"] * 2
    first = dict(zip(claims.heads, (cell.text for cell in claims.rows[0]), strict=True))
    assert first["scan"] == "sub-01_T1w"
    assert first["claim"] == "8.16 ml, 50 % interval 8.00 to 8.32 ml (1 other subject; 90 % needs 9)"
    assert (first["reference ml"], first["reference inside"]) == ("8.00", "yes")
    assert [cell.text for cell in without.rows[0]] == ["sub-03_T2w", "thick5", "its samples are rough"]


def test_a_claim_that_can_not_be_checked_has_a_dash() -> None:
    findings = made_findings(("sub-01_T1w",), ("thick5",), {})
    _, _, claims, *_ = anatomy_tables(findings)
    assert claims.rows[0][-1].text == "–"
    assert "no interval (no other subject; 90 % needs 9)" in anatomy_text(findings)


def test_the_text_holds_the_same_numbers_and_the_reasons() -> None:
    text = anatomy_text(made_findings(SCANS, ("thick5",), {}))
    assert "0.960" in text
    assert "Hippocampus" in text
    assert "its contrast is T2w" in text


def test_nothing_is_shown_where_nothing_was_asked_for() -> None:
    plain = replace(made_findings(SCANS, ("thick5",), {}), **NOTHING)
    assert anatomy_tables(plain) == ()
    assert anatomy_text(plain) == ""


def test_the_report_has_a_section_and_its_numbers_as_csv(tmp_path: Path) -> None:
    report = made_report(tmp_path, SCANS, ("thick5",), shape=(24, 28, 22))
    text = write_report(report, tmp_path / "out").read_text()
    assert 'href="#anatomy"' in text
    assert "Hippocampus" in text.partition('id="anatomy"')[2]
    for name in ("anatomy", "structures", "claims", "unsegmented", "unclaimed"):
        assert (tmp_path / "out" / "data" / f"{name}.csv").is_file()
    without = replace(report, findings=replace(report.findings, **NOTHING))
    assert "#anatomy" not in write_report(without, tmp_path / "plain").read_text()
