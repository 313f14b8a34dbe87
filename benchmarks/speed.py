"""Seconds and memory for a 1 mm head in mode `mean`, and how near that is to what the machine can do."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.model.allocator import keep_freed_memory
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.weights import DEFAULT_MODEL, Model, load_model
from medsr.physics.tasks import TASKS, degrade
from medsr.volume import Volume

SHAPE = (180, 220, 180)
REPEATS = 3
MADE_UP = EnhanceSettings(force=True)  # the envelope knows noise when it sees it


def head() -> Volume:
    """A smooth ellipsoid with texture, 1 mm, so that the benchmark needs no scan."""
    rng = np.random.default_rng(0)
    i, j, k = (np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE)
    inside = (i[:, None, None] ** 2 + j[None, :, None] ** 2 + k[None, None, :] ** 2) < 0.8
    texture = rng.normal(500, 60, SHAPE).astype(np.float32)
    return Volume(np.where(inside, texture, 5).astype(np.float32), np.eye(4))


def network_flops(model: Model) -> float:
    """FLOP of one evaluation on SHAPE: two per multiplication of every convolution."""
    counted = 0.0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, nn.Conv3d)
        counted += 2.0 * layer.weight.numel() * output[0, 0].numel()

    hooks = [m.register_forward_hook(count) for m in model.net.modules() if isinstance(m, nn.Conv3d)]
    small = (48, 48, 48)
    model(torch.zeros(1, N_MAPS, *small), torch.zeros(1, N_CONDITIONS))
    for hook in hooks:
        hook.remove()
    return counted * float(np.prod(SHAPE)) / float(np.prod(small))


def convolution_rate(model: Model) -> float:
    """FLOP per second of one large convolution, 64 to 64 channels on the half grid of SHAPE, in the model's type."""
    half = [n // 2 for n in SHAPE]
    conv = nn.Conv3d(64, 64, 3, padding=1).to(model.device, model.dtype).to(memory_format=torch.channels_last_3d)
    x = torch.randn(1, 64, *half).to(model.device, model.dtype).to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        conv(x)
        best = min(_seconds(lambda: float(conv(x)[0, 0, 0, 0, 0])) for _ in range(REPEATS))  # waits for the device
    return 2.0 * conv.weight.numel() * float(np.prod(half)) / best


def main(device: str = "cpu", weights: str = DEFAULT_MODEL) -> None:
    """Measure on a device ("cpu" or "cuda") with packaged weights or a file."""
    keep_freed_memory()
    model = load_model(weights, device)
    degraded, acquisition = degrade(head(), TASKS["thick5"])
    runs = [enhance(degraded, model, MADE_UP, acquisition).record for _ in range(REPEATS)]
    best = min(runs, key=lambda record: sum(record.seconds.values()))
    total = sum(best.seconds.values())
    flops = network_flops(model) * 2 ** EnhanceSettings().flips
    rate = convolution_rate(model)
    result = {
        "model": {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {best.device}",
        "voxels": int(np.prod(SHAPE)),
        "seconds": {**best.seconds, "total": round(total, 2)},
        "share": {stage: round(seconds / total, 3) for stage, seconds in best.seconds.items()},
        "evaluations": 2 ** EnhanceSettings().flips,
        "network_tflop": round(flops / 1e12, 2),
        "convolution_tflop_per_s": round(rate / 1e12, 2),
        "flop_floor_s": round(flops / rate, 2),
        "total_over_floor": round(total * rate / flops, 2),
        "peak_memory_gib": round(runs[0].peak_memory_bytes / 2**30, 2),  # a process that enhances one scan
    }
    Path("results").mkdir(exist_ok=True)
    Path("results/speed.json").write_text(json.dumps(result, indent=1) + "\n")
    for key, value in result.items():
        print(f"{key:<26}{value}")


def _seconds(call: object) -> float:
    assert callable(call)
    began = time.monotonic()
    call()
    return time.monotonic() - began


if __name__ == "__main__":
    main(*sys.argv[1:])
