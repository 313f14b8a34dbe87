"""The acceptance sheet in words: results with their intervals and units, and the criteria beside the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsr.validation.acceptance import Acceptance, SheetRow
from medsr.validation.report.acceptance import acceptance_table, write_acceptance
from medsr.validation.scores import NAN


def row(metric: str, statistic: str, value: float, against: str = "cubic", outcome: str = "pass") -> SheetRow:
    n = 0 if outcome == "not measured" else 7
    ends = (value - 0.1, value + 0.1) if n else (None, None)
    return SheetRow(
        *("asked", "iso2", "mean", against, metric, statistic, value, n, *ends, 0.015625, ">= 0.9", "<b>source</b>"),
        *(outcome, ""),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "one, said",
    [
        (row("hfen", "share", 0.9), "better than cubic in 90% [80%, 100%]"),
        (row("psnr_interior_db", "mean", 1.25), "mean gain +1.25 [+1.15, +1.35] dB"),
        (row("psnr_interior_db", "median", 31.0, against=""), "median 31.00 [30.90, 31.10] dB"),
        (row("volume_error_percent", "ratio", 0.5), "mean over cubic 0.5 [0.4, 0.6]"),
        (row("hfen", "mean", NAN, outcome="not measured"), "–"),
    ],
)
def test_a_result_is_told_with_its_interval_and_unit(one: SheetRow, said: str) -> None:
    (cells,) = acceptance_table([one]).rows
    found = {head: cell.text for head, cell in zip(acceptance_table([one]).heads, cells, strict=True)}
    assert found["result"] == said
    assert (found["outcome"], found["n"], found["p"]) == (one.outcome, str(one.n), "0.0156")


def test_the_page_has_its_criteria_beside_it_and_escapes_what_they_say(tmp_path: Path) -> None:
    write_acceptance(
        Acceptance((row("hfen", "share", 0.9), row("hfen", "share", 0.1, outcome="fail")), "# ours"), tmp_path
    )
    page = (tmp_path / "acceptance.html").read_text()
    assert "1 passed, 1 failed" in page
    assert "&lt;b&gt;source" in page
    assert "<b>source" not in page
    assert '<strong class="bad">fail</strong>' in page
    assert (tmp_path / "acceptance.toml").read_text() == "# ours"


def test_a_sheet_without_lines_has_no_page(tmp_path: Path) -> None:
    write_acceptance(Acceptance(), tmp_path)
    assert list(tmp_path.iterdir()) == []
