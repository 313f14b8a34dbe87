"""The validation table of docs/explanation/results.md, between two comments, out of results/validation.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from medsr.io import files
from medsr.metrics.statistics import Interval
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.report.text import written_between
from medsr.validation.findings import Findings
from medsr.validation.report.export import markdown_of, no_interior

PAGE = Path("docs/explanation/results.md")
RESULT = Path("results/validation.json")
BEGIN = "<!-- validation: make validation writes the lines up to the next comment -->"
END = "<!-- end of validation -->"


def rewritten(page: str, findings: Findings) -> str:
    """The page with the table of these findings.

    Raises:
        InputError: the two marker comments are not there.
    """
    return written_between(page, BEGIN, END, table(findings))


def table(findings: Findings) -> str:
    """What is gained over subjects, and every scan in a fold below it."""
    model = findings.model
    left_out = f"{no_interior(findings)}.\n\n" if findings.without_interior() else ""
    return (
        f"Measured of {model['name']} {model['version']} (`{model['sha256'][:12]}`), in the body's interior:\n\n"
        + "".join(f"{line}\n" for line in _medians(findings))
        + f"\n<details><summary>every scan</summary>\n\n{left_out}{markdown_of(findings)}\n</details>\n\n"
    )


def _medians(findings: Findings) -> Iterator[str]:
    """Gains in the interior, and beside them the gain over ibp in the whole mask."""
    names = ("cubic", "ibp", "tv")
    heads = " | ".join(f"over {name}, dB" for name in names)
    yield f"| task | subjects | {heads} | subjects improved over tv | whole mask: over ibp, dB |"
    yield f"|---|---|{'---|' * len(names)}---|---|"
    inside, whole = (
        {(one.task, one.baseline): one.test for one in findings.comparisons(metric.name, names)}
        for metric in (INTERIOR, WHOLE)
    )
    for task in dict.fromkeys(score.task for score in findings.scores):
        tests = [inside[task, name] for name in names]
        gains = " | ".join(_shown(test.interval) for test in tests)
        beside = _shown(whole[task, "ibp"].interval)
        yield f"| {task} | {tests[0].interval.n} | {gains} | {tests[2].improved:.0%} | {beside} |"


def _shown(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.median:+.2f}"
    return f"{interval.median:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"


if __name__ == "__main__":
    content = Findings.from_dict(json.loads(RESULT.read_text(encoding="utf-8")))
    text = rewritten(PAGE.read_text(encoding="utf-8"), content)
    with files.atomic(PAGE) as file:
        file.write(text.encode())
