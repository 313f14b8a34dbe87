"""The structures of the body as tables, as text and in the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from made_reports import made_findings, made_report

from medsr.validation.report.anatomy import anatomy_tables, anatomy_text
from medsr.validation.report.page import write_report

SCANS = ("sub-01_T1w", "sub-02_T1w", "sub-03_T2w")


def test_methods_stand_beside_each_other_with_their_errors() -> None:
    together, each, missing = anatomy_tables(made_findings(SCANS, ("thick5",), {}))
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
    _, each = anatomy_tables(replace(findings, structures=tuple(structures)))
    first = dict(zip(each.heads, (cell.text for cell in each.rows[0]), strict=True))
    assert first["limits of agreement ml"] == "-1.44 to +0.82"


def test_the_text_holds_the_same_numbers_and_the_reasons() -> None:
    text = anatomy_text(made_findings(SCANS, ("thick5",), {}))
    assert "0.960" in text
    assert "Hippocampus" in text
    assert "its contrast is T2w" in text


def test_nothing_is_shown_where_nothing_was_asked_for() -> None:
    plain = replace(made_findings(SCANS, ("thick5",), {}), structures=(), unsegmented=())
    assert anatomy_tables(plain) == ()
    assert anatomy_text(plain) == ""


def test_the_report_has_a_section_and_its_numbers_as_csv(tmp_path: Path) -> None:
    report = made_report(tmp_path, SCANS, ("thick5",), shape=(24, 28, 22))
    text = write_report(report, tmp_path / "out").read_text()
    assert 'href="#anatomy"' in text
    assert "Hippocampus" in text.partition('id="anatomy"')[2]
    for name in ("anatomy", "structures", "unsegmented"):
        assert (tmp_path / "out" / "data" / f"{name}.csv").is_file()
    without = replace(report, findings=replace(report.findings, structures=(), unsegmented=()))
    assert "#anatomy" not in write_report(without, tmp_path / "plain").read_text()
