import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from made_reports import RECORD, TASKS, made_findings, made_hallucination, made_verdicts

from medsr.metrics.gates import Failure, Verdict
from medsr.report.blocks import Cell, Table, number
from medsr.validation.acceptance import sheet_rows
from medsr.validation.criteria import read_sheet
from medsr.validation.findings import Findings
from medsr.validation.report.document import schema, write_document, write_gates, write_rows, write_table

SCANS: Sequence[str] = ("sub-01_T1w", "sub-02_T2w")


@pytest.fixture(scope="module")
def findings() -> Findings:
    return made_findings(SCANS, TASKS, {"scanner": "A"})


def written(path: Path, findings: Findings) -> dict[str, object]:
    verdicts = made_verdicts(made_findings(SCANS, TASKS, {}))
    hallucination = tuple(made_hallucination(SCANS, TASKS))
    acceptance = sheet_rows(read_sheet(()).criteria, findings, hallucination)
    write_document(path, findings, hallucination, verdicts, acceptance, RECORD)
    content = json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert isinstance(content, dict)
    return content


def test_the_json_keeps_its_schema_and_the_schema_names_every_key(findings: Findings, tmp_path: Path) -> None:
    content = written(tmp_path / "v.json", findings)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(content)
    assert set(schema()["properties"]) == set(content)
    rows = {
        "scores": "ScoreRow",
        "cases": "Case",
        "hallucination": "HallucinationTests",
        "verdicts": "Verdict",
        "medians": "MedianRow",
        "structures": "StructureScore",
        "anatomy": "AnatomySummary",
        "agreements": "Agreement",
        "acceptance": "SheetRow",
        "sampled": "SampledStructure",
        "unclaimed": "Unclaimed",
        "claims": "VolumeClaim",
    }
    for key, name in rows.items():
        first = content[key][0]  # type: ignore[index]
        assert set(schema()["$defs"][name]["properties"]) == set(first)


def test_numbers_that_were_not_measured_are_null_and_still_valid(findings: Findings, tmp_path: Path) -> None:
    nan = float("nan")
    scores = tuple(
        replace(score, values={**score.values, "ms_ssim": nan, "comb": float("inf")})
        for score in findings.scores
        if score.method == "mean"
    )
    content = written(tmp_path / "v.json", replace(findings, scores=scores))
    jsonschema.Draft202012Validator(schema()).validate(content)
    assert content["scores"][0]["gain_over_ibp_db"] is None  # type: ignore[index]


def test_findings_come_back_out_of_the_json(findings: Findings, tmp_path: Path) -> None:
    again = Findings.from_dict(written(tmp_path / "v.json", findings))
    assert (again.scores, again.sampled, again.unclaimed) == (findings.scores, findings.sampled, findings.unclaimed)


def test_a_document_of_another_kind_breaks_the_schema(findings: Findings, tmp_path: Path) -> None:
    content = written(tmp_path / "v.json", findings)
    for key, wrong in (("scores", [{"scan": 1}]), ("model", None), ("hallucination", "none")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema()).validate({**content, key: wrong})


def test_junit_has_a_case_a_gate_and_the_failing_rows(findings: Findings, tmp_path: Path) -> None:
    verdicts = made_verdicts(findings)
    write_gates(tmp_path / "j.xml", verdicts)
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [verdict.gate for verdict in verdicts]
    assert [case.find("failure") is None for case in cases] == [verdict.passed for verdict in verdicts]
    assert suite.get("failures") == str(sum(not verdict.passed for verdict in verdicts))


def test_junit_says_how_many_values_fail_and_where_there_were_none(tmp_path: Path) -> None:
    failure = Failure("sub-01_T1w", "iso2", "mean", 1.0)
    verdicts = [Verdict("psnr>=2", False, 3, (failure,)), Verdict("lesions", False, 0, (failure,))]
    write_gates(tmp_path / "j.xml", verdicts)
    said = [one.get("message") for one in ElementTree.parse(tmp_path / "j.xml").iter("failure")]
    assert said == ["1 of 3 values fail", "nothing was measured"]


def test_a_table_is_written_with_all_its_digits(tmp_path: Path) -> None:
    write_table(
        tmp_path / "t.csv", Table("t", ("name", "value"), ((Cell("a"), number(1 / 3)), (Cell("b"), number(None))))
    )
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["value"]) == 1 / 3
    assert rows[1]["name"] == "b"


def test_a_spreadsheet_never_runs_a_cell(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.csv", [{"a": "=cmd|' /C calc'!A0", "b": -1.5}], ["a", "b"])
    with (tmp_path / "r.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert row == {"a": "'=cmd|' /C calc'!A0", "b": "-1.5"}
