import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_reports import TASKS, made_report

from medsr.errors import InputError, OutputError
from medsr.validation.findings import Findings
from medsr.validation.report.page import StudyReport, case_stem, write_report

SCANS = ("sub-01_T1w", "sub-02_T1w", "sub-03_T2w")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    return made_report(tmp_path_factory.mktemp("views"), SCANS, shape=(24, 28, 22))


@pytest.fixture(scope="module")
def index(made: StudyReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(made, tmp_path_factory.mktemp("report") / "deep" / "out")


def test_every_file_is_there_and_every_link_leads_somewhere(index: Path) -> None:
    folder = index.parent
    stems = [f"{scan}_{task}" for scan in SCANS for task in TASKS]
    expected = {f"cases/{stem}{end}.html" for stem in stems for end in ("", "_3d")}
    expected |= {"index.html", "validation.json", "schema.json", "scores.csv", "junit.xml"}
    expected |= {"acceptance.html", "acceptance.toml"}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert expected == {name for name in found if not name.startswith("data/")}
    assert dead_links(folder) == []


def dead_links(folder: Path) -> list[tuple[str, str]]:
    """Pages and what they lead to that is not there."""
    return [
        (page.name, link)
        for page in folder.rglob("*.html")
        for link in re.findall(r'href="([^"#][^"]*)"', page.read_text().partition("<body>")[2])
        if not (page.parent / link).is_file()
    ]


def test_the_first_screen_says_verdict_model_versions_subjects_and_what_it_is_not(index: Path) -> None:
    text = index.read_text().partition("</header>")[0]
    for words in (
        "1 of 3 gates failed",
        "made-up",
        "abababab",
        "0.1.0",
        "subjects",
        "not for diagnosis",
        "gain_over_ibp",
    ):
        assert words in text


def test_the_same_report_is_written_to_the_byte(made: StudyReport, index: Path, tmp_path: Path) -> None:
    again = write_report(made, tmp_path / "other")
    for path in index.parent.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again.parent / path.relative_to(index.parent)).read_bytes(), path.name


def test_every_figure_leads_to_its_numbers(index: Path) -> None:
    links = re.findall(r'<a class="soft screen" href="(data/[^"]+)"', index.read_text())
    assert {f"data/{name}.csv" for name in ("paired_psnr_db", "shells", "blend", "coverage", "lesions")} <= set(links)
    for link in links:
        with (index.parent / link).open(newline="") as file:
            assert list(csv.DictReader(file)), link


def test_no_page_names_anything_beyond_itself(index: Path) -> None:
    for page in (index, *index.parent.glob("cases/*_T1w_iso2.html")):
        text = page.read_text()
        assert "://" not in text
        assert "style=" not in text
        assert "onclick" not in text


def test_the_worst_the_median_and_the_best_case_stand_in_the_overview(made: StudyReport, index: Path) -> None:
    order = [(s.scan, s.task) for s in made.findings.worst_first()]
    shown = re.findall(r"<h3>(Worst|Median|Best): <a href=\"[^\"]+\">([^<]+)</a>", index.read_text())
    assert shown == [
        (word, ", ".join(order[n])) for word, n in (("Worst", 0), ("Median", (len(order) - 1) // 2), ("Best", -1))
    ]


def test_sections_without_numbers_are_left_out(made: StudyReport, tmp_path: Path) -> None:
    bare = Findings(tuple(s for s in made.findings.scores if s.method in ("cubic", "ibp")), {})
    text = write_report(StudyReport(bare, (), (), {}, {}), tmp_path).read_text()
    assert "No gates were set" in text
    for words in (
        'id="hallucination"',
        'id="pictures"',
        "Sharpness and error",
        "Coverage",
        "Not measured",
        "Real pairs",
    ):
        assert words not in text
    assert dead_links(tmp_path) == []
    page = (tmp_path / "cases" / f"{SCANS[0]}_iso2.html").read_text()
    assert "No pictures were kept" in page
    assert write_report(StudyReport(Findings((), {}), (), (), {}, {}), tmp_path / "empty").is_file()


def test_names_of_files_hold_no_names_that_are_no_words() -> None:
    for name in ("../../etc/passwd", "<script>", "Jane Doe", "a/b", "", ".hidden", "x" * 300):
        assert re.fullmatch(r"[0-9a-f]{10}_iso2", case_stem(name, "iso2"))
    assert case_stem("sub-01_T1w", "iso2") == "sub-01_T1w_iso2"
    assert case_stem("a b", "iso2") != case_stem("a  b", "iso2")


def test_damaged_views_are_named_and_no_overview_is_left(made: StudyReport, tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"junk")
    with pytest.raises(InputError, match=r"bad\.npz"):
        write_report(replace(made, views={(SCANS[0], "iso2"): bad}), tmp_path / "out")
    assert not (tmp_path / "out" / "index.html").exists()


def test_a_folder_that_cannot_be_made_is_an_error_of_its_own(made: StudyReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_report(made, tmp_path / "file" / "out")
