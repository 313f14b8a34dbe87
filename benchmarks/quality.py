"""What PSNR hides: texture and PSNR cost of posterior samples, blend and mean of samples; contrast of lesions."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.piece import posterior
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load
from medsr.metrics.error import foreground_mask, psnr
from medsr.metrics.sharpness import high_frequency_power_ratio
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import DEFAULT_MODEL, Model, load_model
from medsr.physics.tasks import TASKS, degradation, degrade
from medsr.validation.hallucination import central, restorers
from medsr.validation.lesions import lesion_findings
from medsr.validation.planting import choose_lesions, tissue_contrast
from medsr.validation.trial import Trial, make_trial

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
SAMPLED = ("sub-bchadult01_T1w", "sub-openms12_T2w", "sub-cmbcrc01_CT")
DIAMETERS_MM = (4.0, 6.0, 8.0)
CONTRASTS = (-0.5, 0.5)
CROP = 96


def main(model_name: str) -> None:
    keep_freed_memory()
    model = load_model(model_name)
    result: dict[str, object] = {name: samples(_trial(name), model) for name in SAMPLED}
    result["model"] = {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256}
    scans = sorted(path.name.removesuffix(".nii.gz") for path in SCANS.glob("*.nii.gz"))
    result["textures"] = [{"scan": name, **one_sample(_trial(name), model)} for name in scans]
    result["lesions"] = [row for name in scans for task in ("iso2", "thick5") for row in lesions(name, task, model)]
    Path("results").mkdir(exist_ok=True)
    Path("results/quality.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def samples(trial: Trial, model: Model) -> dict[str, float]:
    """Samples of one scan: the numbers of `texture`, the PSNR cost of blend 0.5 and that of the mean of 8 samples."""
    mean = _restored(trial, model, EnhanceSettings())
    seeds = [_restored(trial, model, EnhanceSettings(mode="sample", seed=seed)) for seed in range(8)]
    together = posterior(trial.input, model, EnhanceSettings(samples=8), trial.acquisition).samples
    one_run = [np.asarray(volume.data) for volume in together]
    half = _restored(trial, model, EnhanceSettings(mode="sample", blend=0.5))
    return {
        **texture(trial, mean, seeds[0]),
        "blend_half_cost_db": _level(trial, mean) - _level(trial, half),
        "mean_of_8_cost_db": _level(trial, mean) - _level(trial, np.mean(one_run, axis=0, dtype=np.float32)),
        "mean_of_8_seeds_cost_db": _level(trial, mean) - _level(trial, np.mean(seeds, axis=0, dtype=np.float32)),
    }


def one_sample(trial: Trial, model: Model) -> dict[str, float]:
    """The numbers of `texture` for the mean and one sample."""
    mean, sample = (
        _restored(trial, model, settings) for settings in (EnhanceSettings(), EnhanceSettings(mode="sample"))
    )
    return texture(trial, mean, sample)


def texture(trial: Trial, mean: NDArray[np.float32], sample: NDArray[np.float32]) -> dict[str, float]:
    """High-frequency power ratio of the mean and of a sample, and the PSNR of the sample below the mean in dB."""
    axes = [axis for axis, changed in enumerate(trial.acquisition.degraded) if changed]
    return {
        "high_frequency_power_ratio_mean": high_frequency_power_ratio(mean, trial.reference.data, axes, trial.mask),
        "high_frequency_power_ratio_sample": high_frequency_power_ratio(sample, trial.reference.data, axes, trial.mask),
        "sample_cost_db": _level(trial, mean) - _level(trial, sample),
    }


def lesions(name: str, task: str, model: Model) -> list[dict[str, object]]:
    """Contrast of planted lesions in the mean over that in the IBP estimate, a row per size.

    Each row holds the worst and the median lesion, both for the contrast, brighter or darker, of which less is kept.
    """
    reference = central(load(SCANS / f"{name}.nii.gz").to_ras(), CROP)
    mask = foreground_mask(reference.data, reference.modality)
    chosen = choose_lesions(reference, mask, diameters_mm=DIAMETERS_MM, shapes=("ball",))
    acquisition = degradation(reference, TASKS[task])
    ibp, mean = (
        lesion_findings(
            method,
            lambda scan, restore=restore: restore(*degrade(scan, TASKS[task])),
            reference,
            acquisition,
            chosen,
            tissue_contrast(reference, mask),
            CONTRASTS,
        )
        for method, restore in restorers(model, EnhanceSettings(), ("ibp", "mean")).items()
    )
    rows: list[dict[str, object]] = []
    for diameter in DIAMETERS_MM if chosen else ():
        pairs = [(a, b) for a, b in zip(ibp, mean, strict=True) if a.diameter_mm == diameter]
        rows.append(
            {
                "scan": name,
                "task": task,
                "diameter_mm": diameter,
                "n": pairs[0][0].n,
                "worst": round(min(b.least / a.least for a, b in pairs), 3),
                "median": round(min(b.recovered / a.recovered for a, b in pairs), 3),
                "ibp_worst": round(min(a.least for a, _ in pairs), 3),
                "ibp_median": round(min(a.recovered for a, _ in pairs), 3),
            }
        )
    return rows


def _trial(name: str) -> Trial:
    return make_trial(central(load(SCANS / f"{name}.nii.gz").to_ras(), CROP), TASKS["iso2"], EnhanceSettings())


def _level(trial: Trial, x: NDArray[np.float32]) -> float:
    return psnr(x, trial.reference.data, trial.mask, trial.data_range)


def _restored(trial: Trial, model: Model, settings: EnhanceSettings) -> NDArray[np.float32]:
    return np.asarray(enhance(trial.input, model, settings, trial.acquisition).volume.data)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL)
