"""What PSNR hides: the texture of draws and its price, the dial, the mean of draws, and what becomes of lesions."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.acquisition import TASKS, degrade
from medsr.allocator import keep_freed_memory
from medsr.enhancement import EnhanceSettings, enhance
from medsr.io import load
from medsr.metrics.error import psnr
from medsr.metrics.sharpness import upper_half_band_ratio
from medsr.models import DEFAULT_MODEL, Model, load_model
from medsr.validation import Trial, make_trial
from medsr.volume import Volume

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
DRAWN = ("sub-bchadult01_T1w", "sub-openms12_T2w", "sub-cmbcrc01_CT")
DIAMETERS_MM = (4.0, 6.0, 8.0)
N_LESIONS = 6
CROP = 96


def main(model_name: str) -> None:
    keep_freed_memory()
    model = load_model(model_name)
    result = {name: draws(name, model) for name in DRAWN}
    result["lesions"] = {task: lesions("sub-bchadult01_T1w", task, model) for task in ("iso2", "thick5")}
    Path("results").mkdir(exist_ok=True)
    Path("results/quality.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def draws(name: str, model: Model) -> dict[str, float]:
    """Draws of one scan under iso2: upper band and PSNR against the mean, the dial at 0.5, the mean of 8."""
    trial = make_trial(_central(load(SCANS / f"{name}.nii.gz")), TASKS["iso2"], EnhanceSettings())
    mean = _restored(trial, model, EnhanceSettings())
    samples = [_restored(trial, model, EnhanceSettings(mode="sample", seed=seed)) for seed in range(8)]
    half = _restored(trial, model, EnhanceSettings(mode="sample", dial=0.5))
    axes = [axis for axis, changed in enumerate(trial.acquisition.degraded) if changed]

    def level(x: NDArray[np.float32]) -> float:
        return psnr(x, trial.reference.data, trial.mask, trial.data_range)

    return {
        "upper_band_mean": upper_half_band_ratio(mean, trial.reference.data, axes, trial.mask),
        "upper_band_sample": upper_half_band_ratio(samples[0], trial.reference.data, axes, trial.mask),
        "sample_cost_db": level(mean) - level(samples[0]),
        "dial_half_cost_db": level(mean) - level(half),
        "mean_of_8_cost_db": level(mean) - level(np.mean(samples, axis=0, dtype=np.float32)),
    }


def lesions(name: str, task: str, model: Model) -> dict[str, float]:
    """Contrast of planted soft blobs in the result over that in the plain start, per diameter: least and median."""
    reference = _central(load(SCANS / f"{name}.nii.gz")).to_ras()
    places = _places(reference)
    kept = {}
    for diameter in DIAMETERS_MM:
        blobs = _blobs(reference, places, diameter)
        ratios = []
        clean = _pair(reference, task, model)
        planted = _pair(reference.with_data(reference.data + blobs), task, model)
        for place in places:
            core = _core(reference, place, diameter)
            start, answer = (float((p - c)[core].mean()) for p, c in zip(planted, clean, strict=True))
            ratios.append(answer / start)
        kept[f"{diameter:g} mm, least"] = round(min(ratios), 3)
        kept[f"{diameter:g} mm, median"] = round(float(np.median(ratios)), 3)
    return kept


def _pair(reference: Volume, task: str, model: Model) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Plain start and mean of a reference under a task."""
    coarse, acquisition = degrade(reference, TASKS[task])
    start = acquisition.op.start(torch.from_numpy(np.array(coarse.data))).numpy()
    return start, np.asarray(enhance(coarse, model, acquisition=acquisition).volume.data)


def _restored(trial: Trial, model: Model, settings: EnhanceSettings) -> NDArray[np.float32]:
    return np.asarray(enhance(trial.coarse, model, settings, trial.acquisition).volume.data)


def _central(volume: Volume) -> Volume:
    """The central part, at most CROP voxels a side, so that 60 evaluations stay quick."""
    turned = volume.to_ras()
    starts = [max(0, (n - CROP) // 2) for n in turned.shape]
    i, j, k = (slice(s, s + min(n, CROP)) for s, n in zip(starts, turned.shape, strict=True))
    affine = turned.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ starts
    return replace(turned, data=np.array(turned.data[i, j, k]), affine=affine)


def _places(reference: Volume) -> list[tuple[int, int, int]]:
    """Spots deep in bright tissue, the same on every run."""
    rng = np.random.default_rng(1)
    bright = np.argwhere(reference.data > np.percentile(reference.data, 75))
    edge = 16
    inner = bright[np.all((bright >= edge) & (bright < np.array(reference.shape) - edge), axis=1)]
    chosen: list[tuple[int, int, int]] = []
    for spot in inner[rng.permutation(len(inner))]:
        if all(np.linalg.norm(spot - np.array(other)) > 20 for other in chosen):
            chosen.append((int(spot[0]), int(spot[1]), int(spot[2])))
        if len(chosen) == N_LESIONS:
            break
    return chosen


def _distance_mm(reference: Volume, place: tuple[int, int, int]) -> NDArray[np.float64]:
    axes = np.ogrid[tuple(slice(0, n) for n in reference.shape)]
    squares = [((a - p) * h) ** 2 for a, p, h in zip(axes, place, reference.spacing_mm, strict=True)]
    return np.asarray(np.sqrt(squares[0] + squares[1] + squares[2]))


def _blobs(reference: Volume, places: list[tuple[int, int, int]], diameter: float) -> NDArray[np.float32]:
    """Dark balls with a soft edge of 1 mm, a fifth of the tissue's brightness deep."""
    depth = -0.2 * float(np.percentile(reference.data, 90))
    total = np.zeros(reference.shape, np.float32)
    for place in places:
        total += np.clip(diameter / 2 - _distance_mm(reference, place) + 0.5, 0, 1).astype(np.float32)
    return np.float32(depth) * total


def _core(reference: Volume, place: tuple[int, int, int], diameter: float) -> NDArray[np.bool_]:
    return np.asarray(_distance_mm(reference, place) <= diameter / 4 + 0.5)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL)
