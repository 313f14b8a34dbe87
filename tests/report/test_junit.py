from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.report.junit import JUnitCase, write_junit

ENDINGS = st.sampled_from(["passed", "failure", "error", "skipped"])
CASES = st.lists(st.builds(JUnitCase, st.text(), ENDINGS, st.just("gate"), st.text(), st.text()), max_size=6)


def written(folder: Path, cases: list[JUnitCase], seconds: float | None = None) -> ElementTree.Element:
    write_junit(folder / "junit.xml", "medsr", "medsr.tests", iter(cases), seconds)
    return ElementTree.parse(folder / "junit.xml").getroot()


@given(cases=CASES)
def test_any_text_can_be_written_and_the_suite_counts_its_cases(
    cases: list[JUnitCase], tmp_path_factory: pytest.TempPathFactory
) -> None:
    suite = written(tmp_path_factory.mktemp("j"), cases)
    count = Counter(case.ending for case in cases)
    stated = [int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")]
    assert stated == [len(cases), count["failure"], count["error"], count["skipped"]]
    elements = [[child.tag for child in case] for case in suite.findall("testcase")]
    assert elements == [[] if case.ending == "passed" else [case.ending] for case in cases]


def test_what_was_said_is_in_the_file(tmp_path: Path) -> None:
    failure = JUnitCase("<a>", "failure", "gate", '2 "rows"', "row 1\x07 & 2", seconds=1.5)
    suite = written(tmp_path, [failure, JUnitCase("b")], 3.0)
    first, second = suite
    assert (suite.get("time"), first.get("time"), second.get("time")) == ("3.000", "1.500", None)
    assert (first.get("name"), first.get("classname")) == ("<a>", "medsr.tests")
    why = first.find("failure")
    assert why is not None
    assert (why.get("type"), why.get("message"), why.text) == ("gate", '2 "rows"', "row 1 & 2")
