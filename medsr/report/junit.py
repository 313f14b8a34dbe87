"""JUnit XML, the format in which continuous integration shows what passed, failed or was skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from medsr.io import files

Ending = Literal["passed", "failure", "error", "skipped"]
"""A failure is a check that did not hold, an error is work that could not be done."""


@dataclass(frozen=True)
class JUnitCase:
    """One test case of a suite.

    Attributes:
        name: Name within the suite.
        ending: What became of it.
        kind: Sort of failure or error, such as "gate" or "timeout".
        message: One line on why it did not pass.
        details: Longer text below the message; "" for none.
        seconds: Time it took; None where it was not measured.
    """

    name: str
    ending: Ending = "passed"
    kind: str = ""
    message: str = ""
    details: str = ""
    seconds: float | None = None


def write_junit(
    path: Path, suite: str, classname: str, cases: Iterable[JUnitCase], seconds: float | None = None
) -> None:
    """Write one suite of test cases as JUnit XML, a line for each case.

    Args:
        path: File to write.
        suite: Name of the suite, such as "medsr batch".
        classname: Dotted name under which viewers group the cases.
        cases: Cases in the order of the file; taken one at a time, since there may be many.
        seconds: Time of the whole suite; None where it was not measured.

    Raises:
        OutputError: the file can't be written.
    """
    endings: Counter[Ending] = Counter()
    lines = []
    for case in cases:
        endings[case.ending] += 1
        lines.append(ElementTree.tostring(_element(case, classname)))
    with files.atomic(path) as file:
        file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n' + _opening(suite, endings, seconds) + b"\n")
        file.writelines(line + b"\n" for line in lines)
        file.write(b"</testsuite>\n")


def _opening(suite: str, endings: Counter[Ending], seconds: float | None) -> bytes:
    counts = {
        "tests": endings.total(),
        "failures": endings["failure"],
        "errors": endings["error"],
        "skipped": endings["skipped"],
    }
    attributes = {"name": suite} | {name: str(count) for name, count in counts.items()} | _time(seconds)
    element = ElementTree.Element("testsuite", attributes)
    return ElementTree.tostring(element, short_empty_elements=False).removesuffix(b"</testsuite>")


def _element(case: JUnitCase, classname: str) -> ElementTree.Element:
    element = ElementTree.Element(
        "testcase", {"classname": classname, "name": _printable(case.name), **_time(case.seconds)}
    )
    if case.ending == "skipped":
        ElementTree.SubElement(element, "skipped")
    elif case.ending != "passed":
        why = ElementTree.SubElement(element, case.ending, type=case.kind, message=_printable(case.message))
        why.text = _printable(case.details) or None
    return element


def _time(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"time": f"{seconds:.3f}"}


def _printable(text: str) -> str:
    """XML has no way to write control characters."""
    return "".join(sign for sign in text if sign.isprintable())
