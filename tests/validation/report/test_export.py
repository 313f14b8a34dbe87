import csv
import json
from pathlib import Path

import pytest
from made_scores import made_score

from medsr.validation.findings import Findings, Score
from medsr.validation.report.export import aligned, markdown_of, text_of, write_csv, write_json


def a_score(method: str, psnr_db: float, scan: str = "a") -> Score:
    return made_score(scan, method, psnr_db)


@pytest.fixture
def findings() -> Findings:
    scores = (a_score("cubic", 20.0), a_score("ibp", 22.0), a_score("mean", 23.5), a_score("band_limited", 30.0))
    return Findings(scores, {"name": "m", "version": "1", "sha256": "0"})


def test_text_shows_gains_beside_the_convention_and_marks_the_ceiling(findings: Findings) -> None:
    text = text_of(findings)
    assert "+1.50" in text
    assert "band_limited (a ceiling)" in text
    assert findings.convention in text
    assert "Medians" not in text


def test_text_and_markdown_tell_of_the_interior_first_and_of_scans_that_have_none(findings: Findings) -> None:
    thin = [made_score("thin", m, 20.0 + n, psnr_interior_db=float("nan")) for n, m in enumerate(("ibp", "mean"))]
    found = Findings((*findings.scores, *thin), findings.model)
    text = text_of(found)
    assert text.index("PSNR interior dB") < text.index("PSNR dB")
    assert "Scans without an interior (nowhere deeper than 3 mm), which medians of it leave out: thin\n" in text
    assert "nan" not in text
    assert "without an interior" not in text_of(findings)
    rows = {line.split(" | ")[0].strip("| "): line for line in markdown_of(found).splitlines()}
    assert "| – | – |  | – |  | +1.00 |" in rows["thin"]
    assert "| 20.00 | 22.00 | 23.50 | 30.00 | +1.50 |  | +1.50 |" in rows["a"]


def test_several_scans_get_medians(findings: Findings) -> None:
    more = Findings((*findings.scores, a_score("ibp", 25.0, "b"), a_score("mean", 25.5, "b")), findings.model)
    assert "Medians over scans" in text_of(more)
    assert "Paired differences over subjects" in text_of(more)


def test_baselines_alone_have_no_empty_table_of_paired_differences() -> None:
    text = text_of(Findings(tuple(a_score(method, 20.0, scan) for scan in "ab" for method in ("cubic", "ibp")), {}))
    assert "Medians over scans" in text
    assert "Paired differences" not in text


def test_json_and_csv_hold_the_same_scores(findings: Findings, tmp_path: Path) -> None:
    write_json(findings, tmp_path / "f.json")
    write_csv(findings, tmp_path / "f.csv")
    content = json.loads((tmp_path / "f.json").read_text())
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == [score["method"] for score in content["scores"]]
    assert [float(row["psnr_db"]) for row in rows] == [score["psnr_db"] for score in content["scores"]]
    assert list(rows[0]) == list(content["scores"][0])


def test_a_gain_that_was_not_measured_is_null_in_json(tmp_path: Path) -> None:
    write_json(Findings((a_score("mean", 20.0),), {}), tmp_path / "f.json")
    assert json.loads((tmp_path / "f.json").read_text())["scores"][0]["gain_over_ibp_db"] is None


def test_columns_line_up() -> None:
    lines = aligned([("a", "1"), ("long", "22")]).splitlines()
    assert len({len(line) for line in lines}) == 1
