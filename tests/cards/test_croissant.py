"""Exports are what the reference implementation of Croissant accepts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from card_folders import write_card

from medsr.cards.croissant import croissant, write_croissant
from medsr.cards.manifest import read_manifest

CARDS = Path(__file__).resolve().parents[2] / "data_cards"


def test_every_scan_is_there_with_its_hash(tmp_path):
    folder = write_card(tmp_path)
    objects = {one["@id"]: one for one in croissant(folder)["distribution"]}
    for row in read_manifest(folder):
        assert objects[row.file]["sha256"] == row.sha256


@pytest.mark.parametrize("name", ["medsr-train-2026", "medsr-train-2026b", "medsr-validation-2026"])
def test_the_reference_implementation_accepts_it_and_reads_the_manifest(tmp_path, name):
    write_croissant(CARDS / name, tmp_path / "croissant.json")
    shutil.copy(CARDS / name / "manifest.tsv", tmp_path)
    script = (
        "import json, sys, mlcroissant\n"
        "found = mlcroissant.Dataset(jsonld=sys.argv[1])\n"
        "issues = found.metadata.ctx.issues\n"
        "rows = list(found.records('scans'))\n"
        "print(json.dumps([sorted(issues.errors), sorted(issues.warnings), len(rows)]))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "croissant.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    errors, warnings, n_rows = json.loads(done.stdout.splitlines()[-1])
    assert errors == []
    assert warnings == []
    assert n_rows == len(read_manifest(CARDS / name))
    assert "not standard" not in done.stderr
