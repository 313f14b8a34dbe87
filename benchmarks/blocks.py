"""Our network against MONAI's diffusion U-Net of like size: microseconds per voxel of one evaluation, in bfloat16."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from monai.networks.nets import DiffusionModelUNet

from medsr.model.allocator import keep_freed_memory
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.weights import load_model

SIDE = 64
REPEATS = 3


def main() -> None:
    keep_freed_memory()
    ours = load_model(device="cpu")
    theirs = DiffusionModelUNet(
        spatial_dims=3,
        in_channels=N_MAPS,
        out_channels=2,
        num_res_blocks=1,
        channels=(32, 64, 64),
        attention_levels=(False, False, False),
        norm_num_groups=16,
    ).eval()
    maps, step = torch.randn(1, N_MAPS, SIDE, SIDE, SIDE), torch.zeros(1, dtype=torch.long)

    def run_theirs() -> None:
        with torch.inference_mode(), torch.autocast("cpu", ours.dtype, enabled=ours.dtype != torch.float32):
            theirs(maps, step)

    networks = {
        "medsr DetailNet": (lambda: ours(maps, torch.zeros(1, N_CONDITIONS)), ours.net),
        "MONAI DiffusionModelUNet (32, 64, 64)": (run_theirs, theirs),
    }
    result = {}
    for name, (run, net) in networks.items():
        run()
        best = min(_seconds(run) for _ in range(REPEATS))
        millions = sum(weight.numel() for weight in net.parameters()) / 1e6
        result[name] = {"parameters_million": round(millions, 2), "us_per_voxel": round(1e6 * best / SIDE**3, 3)}
        print(f"{name:<40}{millions:6.2f} M parameters{1e6 * best / SIDE**3:8.3f} us a voxel")
    Path("results").mkdir(exist_ok=True)
    Path("results/blocks.json").write_text(json.dumps(result, indent=1) + "\n")


def _seconds(run: object) -> float:
    assert callable(run)
    began = time.monotonic()
    run()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
