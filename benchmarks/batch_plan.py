"""Planning, supervising and asking after 50,000 cases, with a case function that only copies.

python benchmarks/batch_plan.py [CASES] [COPIED]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, work_on
from medsr.engine.outcome import Outcome, Tally
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import save
from medsr.volume import Volume

MODEL = {"name": "copy", "version": "0", "sha256": "0" * 64}
TESTS = Path(__file__).resolve().parents[1] / "tests"  # holds the case function that copies


def main(n_cases: int, n_copied: int) -> None:
    os.environ["PYTHONPATH"] = str(TESTS)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_tree(root / "in", n_cases)
        began, cpu = time.monotonic(), time.process_time()
        plan = make_plan(root / "in", root / "out", BatchRecipe(EnhanceSettings(device="cpu")), MODEL)
        store = begin(plan, root / "out")
        plan_s, plan_cpu_s = time.monotonic() - began, time.process_time() - cpu
        assert len(plan.cases) == n_cases

        def on_change(tally: Tally, outcome: Outcome | None, running: int) -> None:
            if outcome is not None and tally.done % 1000 == 0:
                print(f"{tally.done} copied, {tally.seconds:.0f} s", file=sys.stderr, flush=True)

        part = replace(plan, cases=plan.cases[:n_copied])
        began = time.monotonic()
        tally = work_on(part, store, on_change, module="copying")
        copy_s = time.monotonic() - began
        assert tally.done == n_copied
        began = time.monotonic()
        work_on(part, store, on_change, module="copying")
        again_s = time.monotonic() - began
        command = [str(Path(sys.executable).with_name("medsr")), "batch", "status", str(root / "out")]
        began, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        status_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        status_cpu_s = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    result = {
        "cases": n_cases,
        "plan_s": round(plan_s, 1),
        "plan_cpu_s": round(plan_cpu_s, 1),
        "copied": n_copied,
        "copy_s": round(copy_s, 1),
        "ms_per_case": round(1000 * copy_s / n_copied, 2),
        "run_again_s": round(again_s, 1),
        "status_s": round(status_s, 2),
        "status_cpu_s": round(status_cpu_s, 2),
        "supervisor_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    Path("results").mkdir(exist_ok=True)
    Path("results/batch_plan.json").write_text(json.dumps(result, indent=1) + "\n")
    for key, value in result.items():
        print(f"{key:<22}{value}")


def make_tree(folder: Path, n_cases: int) -> None:
    """Links to one small scan, a thousand in a folder: to a plan they are as many scans."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    save(Volume(rng.normal(500, 50, (8, 9, 4)).astype(np.float32), np.diag([1, 1, 2.5, 1])), folder / "0.nii.gz")
    for number in range(1, n_cases):
        place = folder / f"{number // 1000:03d}" / f"scan{number:06d}.nii.gz"
        place.parent.mkdir(exist_ok=True)
        place.hardlink_to(folder / "0.nii.gz")


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*[*numbers, *(50_000, 50_000)[len(numbers) :]])
