"""Runs of `medsr batch` killed at random moments, and two runs at once: the files must be those of a quiet run.

python benchmarks/batch_chaos.py [CASES] [KILLS] [SEED]
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medsr.io import save
from medsr.volume import Volume

SHAPE, SPACING = (12, 14, 6), (2.0, 2.0, 5.0)
TIMES = re.compile(rb'"(seconds|peak_memory_bytes)": (\{[^}]*\}|\d+)')


def main(n_cases: int, n_kills: int, seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_scans(root / "in", n_cases)
        began = time.monotonic()
        assert len(Run.begun(root / "in", root / "quiet").cases()) == n_cases
        quiet_s = time.monotonic() - began
        quiet = digests(root / "quiet")
        kills = Counter(kill_once(root / "in", root / "killed", rng, quiet_s / n_kills) for _ in range(n_kills))
        Run.begun(root / "in", root / "killed").cases()
        pair = [Run.begun(root / "in", root / "pair") for _ in range(2)]
        made = [case for run in pair for case in run.cases()]
        result = {
            "cases": n_cases,
            "quiet_s": round(quiet_s, 1),
            "kills": dict(kills),
            "killed_is_identical": digests(root / "killed") == quiet,
            "killed_leaves": leftovers(root / "killed"),
            "pair_is_identical": digests(root / "pair") == quiet,
            "pair_made": len(made),
            "pair_made_once": len(set(made)) == len(made) == n_cases,
            "pair_leaves": leftovers(root / "pair"),
        }
    Path("results").mkdir(exist_ok=True)
    Path("results/batch_chaos.json").write_text(json.dumps(result, indent=1) + "\n")
    for key, value in result.items():
        print(f"{key:<22}{value}")
    assert result["killed_is_identical"] and result["pair_is_identical"] and result["pair_made_once"]
    assert not result["killed_leaves"] and not result["pair_leaves"]


def make_scans(folder: Path, n_cases: int) -> None:
    """Small blobs with noise, each another one, a hundred in a folder."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    blob = np.exp(-2 * (grid**2).sum(0))
    for number in range(n_cases):
        place = folder / f"{number // 100:03d}" / f"scan{number:05d}.nii.gz"
        place.parent.mkdir(parents=True, exist_ok=True)
        data = (1000 * blob + rng.normal(0, 20, SHAPE)).astype(np.float32)
        save(Volume(data, np.diag([*SPACING, 1.0])), place, dtype="int16")


@dataclass(frozen=True)
class Run:
    """A run in a process of its own, and the file that gets its events: a pipe that nobody reads would stop it."""

    process: subprocess.Popen[bytes]
    events: Path

    @classmethod
    def begun(cls, source: Path, target: Path) -> Run:
        """Begin a run."""
        handle, name = tempfile.mkstemp(dir=source.parent)
        recipe = source.parent / "recipe.toml"
        recipe.write_text("[enhance]\nforce = true\nflips = 0\n")  # blobs are not anatomy, and are refused as such
        medsr = [str(Path(sys.executable).with_name("medsr")), "batch"]
        command = [*medsr, str(source), str(target), str(recipe), "--progress", "json"]
        process = subprocess.Popen(command, stdout=handle, stderr=subprocess.DEVNULL)
        os.close(handle)
        return cls(process, Path(name))

    def cases(self) -> list[str]:
        """Ids of the cases that it worked on, once it has ended well."""
        assert self.process.wait() == 0
        events = [json.loads(line) for line in self.events.read_text().splitlines()]
        return [event["case"] for event in events if event["event"] == "case"]


def kill_once(source: Path, target: Path, rng: random.Random, longest_s: float) -> str:
    """Begin or go on with a run, wait, and kill the supervisor or its computing process."""
    run = Run.begun(source, target)
    while run.process.poll() is None and not run.events.stat().st_size:
        time.sleep(0.05)  # until it is past its start
    time.sleep(rng.uniform(0, longest_s))
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
    pids = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    victim = "worker" if pids and rng.random() < 0.5 else "supervisor"
    if run.process.poll() is None:
        os.kill(pids[0] if victim == "worker" else run.process.pid, signal.SIGKILL)
    if victim == "worker":
        time.sleep(rng.uniform(0, longest_s))
        run.process.kill()
    run.process.wait()
    return victim


def digests(folder: Path) -> dict[str, str]:
    """Hash of every visible output, times and memory in records aside; tables hold them too and are left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "/" in name and not name.startswith("."):
            found[name] = hashlib.sha256(TIMES.sub(b"", path.read_bytes())).hexdigest()
    return found


def leftovers(folder: Path) -> list[str]:
    hidden = folder / ".medsr"
    found = [*(hidden / "drafts").iterdir(), *(hidden / "leases").iterdir(), *folder.rglob(".part-*")]
    return [path.name for path in found]


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*[*numbers, *(200, 20, 0)[len(numbers) :]])
