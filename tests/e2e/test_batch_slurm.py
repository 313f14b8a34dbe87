"""A run as a job array of a real Slurm on this machine: `make test-slurm`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from batches import leftovers, scans
from loopback_slurm import is_possible, slurm

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(is_possible()), reason=is_possible() or "can run")]
NAMES = [f"{number}.nii.gz" for number in range(6)]


def test_every_shard_is_done_by_a_task(tmp_path: Path) -> None:
    source, out = scans(tmp_path / "in", NAMES), tmp_path / "out"
    (source / "broken.nii.gz").write_bytes(b"no scan")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[enhance]\nforce = true\n")  # a small phantom is not a usual scan
    asked = [str(source), str(out), str(recipe), "--engine", "slurm", "--tasks", "2"]
    command = [sys.executable, "-m", "medsr.cli", "batch", *asked]
    with tempfile.TemporaryDirectory() as folder, slurm(Path(folder)) as environment:
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    logs = [path.read_text() for path in (out / ".medsr" / "logs").glob("slurm-*")]
    assert answer.returncode == 7, (answer.stderr, logs)
    assert sorted(path.name for path in out.glob("*.nii.gz")) == NAMES
    assert leftovers(out) == []
    tally = json.loads((out / "run.json").read_text())["tally"]
    assert (tally["done"], tally["failed"], tally["left"]) == (6, 1, 0)
    assert len(logs) == 2
