"""A table of pairs out of two folders: partners by file name, or by subject, and what can't be paired is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from phantoms import head

from medsr.io import save
from medsr.physics.tasks import TASKS, degrade
from medsr.validation.plan import read_pairs

SCRIPT = Path(__file__).resolve().parents[2] / "pipelines" / "pairs" / "run.py"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    fine = head((24, 24, 24))
    coarse, _ = degrade(fine, TASKS["thick3"])
    for name, scan in (
        ("low/a/case1.nii.gz", coarse),
        ("high/b/case1.nii.gz", fine),
        ("low/sub-02_acq-low_T1w.nii.gz", coarse),
        ("high/sub-02_T1w.nii.gz", fine),
        ("high/sub-02_T2w.nii.gz", fine),
        ("low/alone.nii.gz", coarse),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save(scan, tmp_path / name)
    return tmp_path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_partners_are_found_and_validate_reads_them(folders: Path) -> None:
    table = folders / "pairs.tsv"
    done = run(folders / "low", folders / "high", table, "--thickness", 5, "--register")
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "2 pairs")
    assert "alone.nii.gz: no partner" in done.stderr
    pairs = read_pairs(table)
    assert [(one.low.name, one.high.name) for one in pairs] == [
        ("case1.nii.gz", "case1.nii.gz"),
        ("sub-02_acq-low_T1w.nii.gz", "sub-02_T1w.nii.gz"),
    ]
    assert all(one.low.is_file() and one.high.is_file() and not one.registered for one in pairs)
    assert {one.assumed.assumed_fwhm_mm for one in pairs} == {5.0}


def test_without_register_the_two_are_taken_as_they_lie(folders: Path) -> None:
    assert run(folders / "low", folders / "high", folders / "pairs.tsv").returncode == 0
    assert all(one.registered and one.assumed.assumed_fwhm_mm is None for one in read_pairs(folders / "pairs.tsv"))


def test_two_possible_partners_and_none_at_all_are_refused(folders: Path) -> None:
    save(head((24, 24, 24)), folders / "high" / "case1.nii.gz")
    twice = run(folders / "low", folders / "high", folders / "pairs.tsv")
    assert twice.returncode == 2
    assert "2 partners" in twice.stderr
    none = run(folders / "low", folders / "low" / "a", folders / "other.tsv")
    assert none.returncode == 0
    (folders / "empty").mkdir()
    none = run(folders / "low", folders / "empty", folders / "other2.tsv")
    assert none.returncode == 3
    assert len([line for line in none.stderr.splitlines() if line.startswith("error:")]) == 1
    assert not (folders / "other2.tsv").exists()
