"""The README's validation table is what was measured."""

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
def readme():
    spec = importlib.util.spec_from_file_location("readme", ROOT / "pipelines" / "validate" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_holds_medians_over_subjects_and_every_scan(readme):
    levels = {"cubic": 20.0, "ibp": 22.0, "tv": 22.5, "mean": 23.0}
    scores = tuple(made_score(f"sub-{s}_T1w", m, db + n) for n, s in enumerate("abc") for m, db in levels.items())
    text = readme.table(Findings(scores, {"name": "tiny", "version": "0", "sha256": "0" * 64}))
    assert "| iso2 | 3 | +3.00 (+3.00 to +3.00) | +1.00 (+1.00 to +1.00) | +0.50 (+0.50 to +0.50) | 100% |" in text
    assert "| sub-c_T1w | iso2 (R A S) | 22.00 | 24.00 | 24.50 | 25.00 | +1.00 | +0.50 |" in text


def test_only_the_lines_between_the_comments_are_rewritten(readme):
    findings = Findings((), {"name": "tiny", "version": "0", "sha256": "0" * 64})
    before = f"above\n{readme.BEGIN}\nold\n{readme.END}\nbelow\n"
    after = readme.rewritten(before, findings)
    assert after.startswith("above\n")
    assert after.endswith("\nbelow\n")
    assert "old" not in after
    assert readme.rewritten(after, findings) == after
    with pytest.raises(InputError, match="no place"):
        readme.rewritten("nothing", findings)


def test_the_readme_says_what_the_results_say(readme):
    result = ROOT / readme.RESULT
    if not result.is_file():
        pytest.skip("needs results/validation.json: make validation")
    text = (ROOT / readme.README).read_text(encoding="utf-8")
    assert readme.rewritten(text, Findings.from_dict(json.loads(result.read_text(encoding="utf-8")))) == text
