"""What a batch costs beside enhancing: the same small scans alone in one process, by the local engine, and on dask.

    python benchmarks/batch_engines.py [CASES] [SIDE]

Timed from the first result to the last, so that no start of a process counts.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, plan_batch, work_on
from medsr.engine.outcome import Outcome, Tally
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load, save
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import load_model
from medsr.physics.acquisition import acquisition_of
from medsr.volume import Volume

RECIPE = BatchRecipe(EnhanceSettings(device="cpu", noise=20.0, force=True))


def main(n_cases: int, side: int) -> None:
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_scans(root / "in", n_cases, side)
        local, share = batch(root, "local")
        seconds = {"local": local, "alone": alone(root / "in"), "dask": batch(root, "dask")[0]}
    result = {
        "cases": n_cases,
        "fine_voxels": side**3,
        **{f"{name}_ms_per_case": round(1000 * value, 1) for name, value in seconds.items()},
        "local_enhancing_share": round(share, 3),
        "alone_over_local": round(seconds["alone"] / seconds["local"], 3),
        "dask_over_local": round(seconds["dask"] / seconds["local"], 3),
    }
    Path("results").mkdir(exist_ok=True)
    Path("results/batch_engines.json").write_text(json.dumps(result, indent=1) + "\n")
    for key, value in result.items():
        print(f"{key:<26}{value}")


def make_scans(folder: Path, n_cases: int, side: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (side, side, side // 4)], indexing="ij"))
    blob = 1000 * np.exp(-2 * (grid**2).sum(0))
    for number in range(n_cases):
        data = (blob + rng.normal(0, 20, blob.shape)).astype(np.float32)
        save(Volume(data, np.diag([1.0, 1.0, 4.0, 1.0])), folder / f"{number:04d}.nii.gz", dtype="int16")


def alone(folder: Path) -> float:
    """Seconds a case of `enhance` in this process, reading and writing not counted."""
    model = load_model(device="cpu")
    volumes = [load(path) for path in sorted(folder.iterdir())]
    enhance(volumes[0], model, RECIPE.enhance, acquisition_of(volumes[0]))
    began = time.monotonic()
    for volume in volumes[1:]:
        enhance(volume, model, RECIPE.enhance, acquisition_of(volume))
    return (time.monotonic() - began) / (len(volumes) - 1)


def batch(root: Path, engine: str) -> tuple[float, float]:
    """Seconds a case of a run, from the first outcome to the last, and the share of them spent in enhancing.

    The share compares times of one run, so that other work on the machine weighs on both.
    """
    plan = plan_batch(root / "in", root / engine, RECIPE)
    store = begin(plan, root / engine)
    times: list[float] = []
    enhancing: list[float] = []

    def on_change(tally: Tally, outcome: Outcome | None, running: int) -> None:
        if outcome is not None:
            times.append(time.monotonic())
            enhancing.append(outcome.seconds["enhance"])

    tally = work_on(plan, store, on_change, engine=engine)
    if engine == "local":
        first, last = times[0], times[-1]
        n_between = len(times) - 1
    else:
        batches = sorted(set(times))
        n_first = sum(moment - batches[0] < 0.1 for moment in times)  # a task reports all its cases at its end
        first, last, n_between = batches[0], batches[-1], len(times) - n_first
    assert tally.done == len(plan.cases)
    return (last - first) / n_between, sum(enhancing[2:]) / (
        last - first
    )  # the first outcome comes after the second enhancing


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*[*numbers, *(40, 48)[len(numbers) :]])
