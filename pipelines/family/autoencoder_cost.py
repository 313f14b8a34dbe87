"""What the autoencoder of latent diffusion costs by itself: true details encoded and decoded, nothing predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.model.conditioning import roughness
from medsr.model.intensity import scale_of
from medsr.model.nets import Autoencoder
from medsr.physics.tasks import TASKS, Task, degrade
from medsr.training.autoencoding import autoencoded
from medsr.validation.lesions import lesion_findings
from medsr.validation.planting import DIAMETERS_MM, choose_lesions, tissue_contrast
from medsr.validation.trial import make_trial, measured, restorations
from medsr.volume import Volume

Array = NDArray[np.float32]


def costs(autoencoder: Autoencoder, scans: Sequence[Path], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Medians over scans of what is left of the truth, for each task.

    Args:
        autoencoder: Trained autoencoder.
        scans: High-resolution scans.
        tasks: Names of tasks.
    """
    found = []
    for task in tasks:
        each = [cost(autoencoder, load(path), TASKS[task]) for path in scans]
        found.append(
            {"task": task, "scans": len(each), **{key: _median([one[key] for one in each]) for key in each[0]}}
        )
    return found


def cost(autoencoder: Autoencoder, reference: Volume, task: Task) -> dict[str, float]:
    """What is left of one scan: PSNR in dB, shares of planted lesions, and the residual in units of the noise.

    Args:
        autoencoder: Trained autoencoder.
        reference: High-resolution scan.
        task: Task that takes the details away.
    """
    trial = make_trial(reference, task, EnhanceSettings())
    results = {name: x for name, x, _ in restorations(trial, None, ("ibp",), EnhanceSettings())}
    results["left"] = decoded(autoencoder, trial.reference, task, trial.noise)
    scores = {name: measured(trial, "", task.name, name, x, 0.0)[0] for name, x in results.items()}
    left = scores["left"]
    lesions = choose_lesions(trial.reference, trial.mask, axis=trial.acquisition.coarsest_axis)
    findings = lesion_findings(
        "autoencoder",
        lambda planted: decoded(autoencoder, planted, task, trial.noise),
        trial.reference,
        trial.acquisition,
        lesions,
        tissue_contrast(trial.reference, trial.mask),
    )
    return {
        "interior_psnr_db": left[INTERIOR.name],
        "mask_psnr_db": left[WHOLE.name],
        "mask_gain_db": left[WHOLE.name] - scores["ibp"][WHOLE.name],
        "lesions": _median([one.recovered for one in findings]),
        "smallest_lesions": _median([one.recovered for one in findings if one.diameter_mm == min(DIAMETERS_MM)]),
        "residual": left["residual"],
    }


def decoded(autoencoder: Autoencoder, reference: Volume, task: Task, noise: float) -> Array:
    """The scan whose detail went through the autoencoder and through no data step, (I, J, K) in its own unit.

    Args:
        autoencoder: Trained autoencoder.
        reference: High-resolution scan in RAS order.
        task: Task that takes the details away.
        noise: Standard deviation of the noise in what it makes of the scan, in the model range.
    """
    scan, acquisition = degrade(reference, task)
    scale, op = scale_of(scan.data, scan.modality), acquisition.op
    truth, y = (scale.to_model(torch.from_numpy(np.array(one.data)))[None, None] for one in (reference, scan))
    found = autoencoded(autoencoder, op, op.ibp(y, roughness(noise)), truth)
    return np.asarray(scale.from_model(found)[0, 0].numpy(), dtype=np.float32)


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")
