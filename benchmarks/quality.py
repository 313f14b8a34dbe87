"""What PSNR hides: texture of posterior samples, their scores beside a control's, blend; contrast of lesions."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load
from medsr.metrics.error import foreground_mask, psnr
from medsr.metrics.sharpness import high_frequency_power_ratio
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import DEFAULT_MODEL, Model, load_model
from medsr.physics.tasks import TASKS, degradation, degrade
from medsr.validation.coverage import CONTROL, measure
from medsr.validation.hallucination import central, restorers
from medsr.validation.lesions import lesion_findings
from medsr.validation.planting import choose_lesions, tissue_contrast
from medsr.validation.trial import Trial, degraded_axes, make_trial

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
SAMPLED = ("sub-bchadult01_T1w", "sub-openms12_T2w", "sub-cmbcrc01_CT")
DIAMETERS_MM = (4.0, 6.0, 8.0)
CONTRASTS = (-0.5, 0.5)
CROP = 96
SAMPLE = EnhanceSettings(mode="sample", force=True)  # of scans too whose samples are rougher than they are


def main(model_name: str) -> None:
    keep_freed_memory()
    model = load_model(model_name)
    result: dict[str, object] = {name: samples(name, _trial(name), model) for name in SAMPLED}
    result["model"] = {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256}
    scans = sorted(path.name.removesuffix(".nii.gz") for path in SCANS.glob("*.nii.gz"))
    result["textures"] = [{"scan": name, **one_sample(_trial(name), model)} for name in scans]
    result["lesions"] = [row for name in scans for task in ("iso2", "thick5") for row in lesions(name, task, model)]
    Path("results").mkdir(exist_ok=True)
    Path("results/quality.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def samples(name: str, trial: Trial, model: Model) -> dict[str, float]:
    """Samples of one scan: the numbers of `texture`, the PSNR cost of blend 0.5, and scores beside the control's."""
    mean, half, one = (
        _restored(trial, model, settings) for settings in (EnhanceSettings(), replace(SAMPLE, blend=0.5), SAMPLE)
    )
    stated = measure(trial, name, "iso2", model, EnhanceSettings(), side_vox=CROP)[0]
    found = {row.method: row for row in stated}
    drawn, control = found["samples"], found[CONTROL]
    return {
        **texture(trial, mean, one),
        "blend_half_cost_db": _level(trial, mean) - _level(trial, half),
        "energy_score_over_white_noise": drawn.energy_score / control.energy_score,
        "crps_over_white_noise": drawn.crps / control.crps,
        "coverage90_blocks": drawn.coverage90_blocks,
        "coverage90_blocks_white_noise": control.coverage90_blocks,
        "histogram_distance_percent": 100 * drawn.histogram_distance,
    }


def one_sample(trial: Trial, model: Model) -> dict[str, float]:
    """The numbers of `texture` for the mean and one sample."""
    mean, sample = (_restored(trial, model, settings) for settings in (EnhanceSettings(), SAMPLE))
    return texture(trial, mean, sample)


def texture(trial: Trial, mean: NDArray[np.float32], sample: NDArray[np.float32]) -> dict[str, float]:
    """High-frequency power ratio of the mean and of a sample."""
    axes, truth = degraded_axes(trial), trial.reference.data
    return {
        "high_frequency_power_ratio_mean": high_frequency_power_ratio(mean, truth, axes, trial.mask),
        "high_frequency_power_ratio_sample": high_frequency_power_ratio(sample, truth, axes, trial.mask),
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
