"""Packs by the command line, and what can't be packed in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from phantoms import head

from medsr.io import save

SCRIPT = Path(__file__).resolve().parents[2] / "pipelines" / "prepare_training" / "run.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    save(head((40, 40, 40)), tmp_path / "scans" / "sub-01_T1w.nii.gz")
    return tmp_path / "scans"


def test_packs_stay_within_the_limit(scans, tmp_path):
    made = run(str(scans), str(tmp_path / "packs"), "--limit", "0.05")
    assert made.returncode == 0, made.stderr
    sizes = [path.stat().st_size for path in (tmp_path / "packs").iterdir()]
    assert 0 < sum(sizes) <= 0.05 * 2**20


@pytest.mark.parametrize("limit", ["0", "-5", "nan", "inf"])
def test_a_limit_that_is_no_size_is_refused(scans, tmp_path, limit):
    refused = run(str(scans), str(tmp_path / "packs"), "--limit", limit)
    assert refused.returncode == 2
    assert "expected a size in MiB above 0" in refused.stderr
    assert not (tmp_path / "packs").exists()


def test_an_error_is_one_line_and_its_exit_code(tmp_path):
    refused = run(str(tmp_path), str(tmp_path / "packs"))
    assert refused.returncode == 3
    assert refused.stderr.count("\n") == 1
