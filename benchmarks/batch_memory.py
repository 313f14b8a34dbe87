"""Peak memory of a 512 x 512 x 800 CT at twice its slices on CPU, against the rule of `medsr/enhancement/slabs.py`.

    python benchmarks/batch_memory.py [SLICES] [GIB]

The network is the shipped one with a single evaluation (no flips); flips repeat it and need no more memory.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from medsr.enhancement.files import enhance_file
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.slabs import Cut, cut_for, memory_of
from medsr.io import save
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import load_model
from medsr.volume import Volume

SIDE = 512


def main(n_slices: int, gib: float) -> None:
    keep_freed_memory()
    coarse, fine = (SIDE, SIDE, n_slices), (SIDE, SIDE, 2 * n_slices)
    model = load_model(device="cpu")
    net, n_bytes = model.net.spec, model.dtype.itemsize
    cut = cut_for(coarse, fine, None, net, n_bytes, int(gib * 2**30)) or Cut(0, fine[0])
    expected = memory_of(coarse, fine, cut, net, n_bytes)
    print(f"{cut}, expected {expected / 2**30:.1f} GiB", file=sys.stderr, flush=True)
    settings = EnhanceSettings(factors=(1, 1, 2), modality="CT", flips=0, force=True)
    with tempfile.TemporaryDirectory() as folder:
        write_ct(Path(folder) / "ct.nii", coarse)
        began = time.monotonic()
        enhance_file(Path(folder) / "ct.nii", Path(folder) / "enhanced.nii", settings, model, shown, int(gib * 2**30))
        seconds = time.monotonic() - began
    result = {
        "slices": n_slices,
        "slab_vox": cut.slab_vox,
        "dtype_bytes": n_bytes,
        "seconds": round(seconds),
        "limit_gib": gib,
        "expected_gib": round(expected / 2**30, 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    Path("results").mkdir(exist_ok=True)
    Path("results/batch_memory.json").write_text(json.dumps(result, indent=1) + "\n")
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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 800, float(sys.argv[2]) if len(sys.argv) > 2 else 12.0)
