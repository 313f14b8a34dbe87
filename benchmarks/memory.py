"""Peak memory of a CT of 512 x 512 pixels enhanced on the CPU, against the rule of `medsr/enhancement/memory.py`.

    python benchmarks/memory.py [SLICES] [FACTOR] [GIB] [--float32]

The network is the shipped one with a single evaluation (no flips); flips repeat it and need no more memory.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from medsr.enhancement.assumed import acquisition_for
from medsr.enhancement.files import enhance_file
from medsr.enhancement.memory import Sizes, block_for, memory_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load, save
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import load_model
from medsr.volume import Volume

SIDE = 512
RESULT = Path("results/memory.json")


def main(n_slices: int, factor: int, gib: float, float32: bool) -> None:
    """Enhance it from file to file, and print what was expected and what was needed."""
    keep_freed_memory()
    model = load_model(device="cpu")
    model = replace(model, dtype=torch.float32) if float32 else model
    settings = EnhanceSettings(factors=(1, 1, factor), profile="trapezoid", modality="CT", flips=0, force=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ct.nii"
        write_ct(source, (SIDE, SIDE, n_slices))
        sizes = Sizes.of(acquisition_for(load(source), settings))
        block = block_for(sizes, model, settings, int(gib * 2**30))
        expected = memory_of(sizes, block, model, settings)
        print(f"blocks of {block}, expected {expected / 2**30:.1f} GiB", file=sys.stderr, flush=True)
        began = time.monotonic()
        enhance_file(source, Path(folder) / "enhanced.nii", settings, model, shown, int(gib * 2**30))
        seconds = time.monotonic() - began
    result = {
        "slices": n_slices,
        "factor": factor,
        "block": block,
        "dtype_bytes": model.dtype.itemsize,
        "seconds": round(seconds),
        "limit_gib": gib,
        "expected_gib": round(expected / 2**30, 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for key, value in result.items():
        print(f"{key:<14}{value}")


def write_ct(path: Path, shape: tuple[int, int, int]) -> None:
    """Air around a body of soft tissue with noise; its generator is not part of the peak that is reported."""
    rng = np.random.default_rng(0)
    i, j = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape[:2]], indexing="ij")
    plane = np.where(i**2 + j**2 < 0.7, 40.0, -1000.0).astype(np.float32)
    data = np.empty(shape, np.float32)
    for k in range(shape[2]):
        data[:, :, k] = plane + rng.normal(0, 10, plane.shape)
    save(Volume(data, np.diag([0.75, 0.75, 1.5, 1.0]), "CT"), path, dtype="int16")


def shown(stage: str, done: int, total: int) -> None:
    if done % 10 == 0:
        print(f"{stage} {done}/{total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("slices", nargs="?", type=int, default=60)
    parser.add_argument("factor", nargs="?", type=int, default=5)
    parser.add_argument("gib", nargs="?", type=float, default=4.0)
    parser.add_argument("--float32", action="store_true", help="as a CPU without bfloat16 computes")
    asked = parser.parse_args()
    main(asked.slices, asked.factor, asked.gib, asked.float32)
