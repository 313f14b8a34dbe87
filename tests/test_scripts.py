"""The scripts of benchmarks/ and pipelines/ import what is there and say what they do."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "pipelines").glob("*/*.py")))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_imports_and_says_what_it_does(path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
    assert runpy.run_path(str(path), run_name="imported")["__doc__"]
