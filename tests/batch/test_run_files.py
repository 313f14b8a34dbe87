"""Pages and tables of a run: hostile text stays text, numbers add up, nothing needs a network."""

import csv
import json
from html import unescape
from xml.etree import ElementTree

from medsr.batch.run_files import write_cases, write_junit_of_run, write_run
from medsr.batch.run_page import time_text, write_page
from medsr.engine.outcome import Outcome, Row, Tally

HOSTILE = '<script>alert("x")</script> & \x07 "'
ROWS = [
    Row("a" * 16, "done", "sub-1_T1w.nii.gz", Outcome("a" * 16, "done", seconds={"read": 1.0}, checks={"ssim": 0.9})),
    Row("b" * 16, "failed", "", Outcome("b" * 16, "failed", "crash", HOSTILE, "read", log=(HOSTILE,))),
    Row("c" * 16, "failed", "", Outcome("c" * 16, "failed", "limit", "residual is 2", "check")),
    Row("d" * 16, "planned", "", None),
]
TALLY = Tally(4, 1, 2, 3, 100, 75, 10.0, 50, {"crash": 1, "limit": 1})


def test_junit_counts_what_it_lists(tmp_path):
    write_junit_of_run(tmp_path / "junit.xml", ROWS, 10.0)
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    assert [len(suite.findall(f"testcase/{word}")) for word in ("failure", "error", "skipped")] == [1, 1, 1]
    assert suite.find("testcase/failure").get("type") == "limit"


def test_the_table_has_a_row_for_every_case(tmp_path):
    write_cases(tmp_path / "cases.csv", ROWS)
    with (tmp_path / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["done", "failed", "failed", "planned"]
    assert (rows[0]["ssim"], rows[0]["read_s"], rows[1]["reason"]) == ("0.9", "1.0", HOSTILE)


def test_the_run_tells_counts_and_what_kinds_mean(tmp_path):
    write_run(tmp_path / "run.json", TALLY, {"name": "m"}, {"names": "hash"})
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["tally"]["left"] == 1
    assert set(content["kinds"]) == {"crash", "limit"}
    assert "Research software" in content["notice"]


def test_the_page_escapes_and_reloads_only_while_the_run_goes_on(tmp_path):
    for running in (True, False):
        write_page(tmp_path / "index.html", TALLY, ROWS, "m 1", running=running)
        html = (tmp_path / "index.html").read_text()
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert ('http-equiv="refresh"' in html) == running
        assert "http://" not in html
        assert "https://" not in html


def test_the_policy_of_the_page_allows_its_own_style_and_the_pictures_beside_it_alone(tmp_path):
    write_page(tmp_path / "index.html", TALLY, ROWS, "m 1", running=True)
    html = (tmp_path / "index.html").read_text()
    allowed = unescape(html.partition('Content-Security-Policy" content="')[2].partition('"')[0])
    assert "unsafe" not in allowed
    assert "script-src 'none'" in allowed
    assert "img-src 'self' file: data:" in allowed
    assert " style=" not in html  # the policy would drop it


def test_time_left_comes_from_voxels():
    assert TALLY.seconds_left == 5.0
    assert Tally(3).seconds_left is None
    assert [time_text(value) for value in (None, 40, 61, 7500)] == ["not known", "40 s", "1 min", "2 h 05 min"]
