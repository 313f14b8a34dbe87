"""The validation table of the page of results is what was measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from made_scores import made_score

from medsr.errors import InputError
from medsr.validation.findings import Findings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results_page():
    path = ROOT / "pipelines" / "validate" / "results_page.py"
    spec = importlib.util.spec_from_file_location("results_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_holds_medians_over_subjects_and_every_scan(results_page):
    levels = {"cubic": 20.0, "ibp": 22.0, "tv": 22.5, "mean": 23.0}
    scores = tuple(made_score(f"sub-{s}_T1w", m, db + n) for n, s in enumerate("abc") for m, db in levels.items())
    text = results_page.table(Findings(scores, {"name": "tiny", "version": "0", "sha256": "0" * 64}))
    assert "| iso2 | 3 | +3.00 (+3.00 to +3.00) | +1.00 (+1.00 to +1.00) | +0.50 (+0.50 to +0.50) | 100% |" in text
    assert "| sub-c_T1w | iso2 (R A S) | 22.00 | 24.00 | 24.50 | 25.00 | +1.00 | +0.50 |" in text


def test_only_the_lines_between_the_comments_are_rewritten(results_page):
    findings = Findings((), {"name": "tiny", "version": "0", "sha256": "0" * 64})
    before = f"above\n{results_page.BEGIN}\nold\n{results_page.END}\nbelow\n"
    after = results_page.rewritten(before, findings)
    assert after.startswith("above\n")
    assert after.endswith("\nbelow\n")
    assert "old" not in after
    assert results_page.rewritten(after, findings) == after
    with pytest.raises(InputError, match="no place"):
        results_page.rewritten("nothing", findings)


def test_the_page_has_a_place_for_the_table(results_page):
    text = (ROOT / results_page.PAGE).read_text(encoding="utf-8")
    assert 0 < text.index(results_page.BEGIN) < text.index(results_page.END)


def test_the_page_says_what_the_results_say(results_page):
    result = ROOT / results_page.RESULT
    if not result.is_file():
        pytest.skip("needs results/validation.json: make validation")
    text = (ROOT / results_page.PAGE).read_text(encoding="utf-8")
    assert results_page.rewritten(text, Findings.from_dict(json.loads(result.read_text(encoding="utf-8")))) == text
