"""A reference scan, degraded by a named task and restored by every method, measured in one convention."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.acquisition import Acquisition, Task, degrade
from medsr.baselines import METHODS, band_limited_oracle
from medsr.enhancement import NOISE_FLOOR, EnhanceSettings, enhance, scan_noise
from medsr.errors import UsageError
from medsr.intensity import Scale, scale_of
from medsr.metrics.error import data_range, foreground_mask, mae, mean_drift, nrmse, psnr
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.metrics.sharpness import upper_half_band_ratio
from medsr.metrics.structure import ssim
from medsr.models import Model
from medsr.volume import Volume

LEARNED = ("mean", "sample")
ORACLE = "oracle"
ALL_METHODS: tuple[str, ...] = (*METHODS, *LEARNED, ORACLE)

CONVENTION = (
    "Reference in RAS order, degraded by the named task over its own field of view. Mask: MR above 5 % of the 99th "
    "percentile, CT above -500 HU; largest component, holes filled, dilated by 2 voxels. Data range R: MR 99.9th minus "
    "0.1th percentile inside the mask, CT 2000 HU. PSNR = 10 log10(R^2 / mean squared error in the mask). SSIM: 3D "
    "Gaussian window, sigma 1.5, 11 wide, K1 0.01, K2 0.03, population covariance, mean over the mask. No intensity "
    "fit, no border crop. Residual: root mean square of scan minus degraded result over the scan's noise. Numbers of "
    "other publications compare only as gains over cubic under the same degradation."
)


@dataclass(frozen=True)
class Score:
    """One method on one scan under one task.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        axes: which axes were degraded, such as "R A S" or "S".
        method: name of the method; "oracle" is a ceiling, no method.
        psnr_db: see `CONVENTION`.
        ssim: see `CONVENTION`.
        nrmse: root mean squared error in the mask over R.
        mae: mean absolute error in the mask, in the scan's unit (HU for CT).
        drift: difference of the means in the mask, in the scan's unit.
        residual: scan minus degraded result, in units of the scan's noise.
        upper_band: power above half the Nyquist frequency of the degraded axes, over the reference's.
        seconds: of the method alone.
    """

    scan: str
    task: str
    axes: str
    method: str
    psnr_db: float
    ssim: float
    nrmse: float
    mae: float
    drift: float
    residual: float
    upper_band: float
    seconds: float


@dataclass(frozen=True)
class Findings:
    """All scores of a validation, with the convention they rest on and the model that was measured."""

    scores: tuple[Score, ...]
    model: dict[str, str]
    convention: str = CONVENTION

    def gain_db(self, score: Score, over: str) -> float:
        """PSNR of a score minus that of method `over` on the same scan and task; NaN where that was not run."""
        same = (s for s in self.scores if (s.scan, s.task, s.method) == (score.scan, score.task, over))
        other = next(same, None)
        return float("nan") if other is None else score.psnr_db - other.psnr_db

    def medians(self) -> list[dict[str, object]]:
        """Per task and method: scans, median PSNR and SSIM, median and range of the paired gain over `ibp`."""
        rows: list[dict[str, object]] = []
        for task in dict.fromkeys(score.task for score in self.scores):
            for method in dict.fromkeys(score.method for score in self.scores):
                chosen = [s for s in self.scores if (s.task, s.method) == (task, method)]
                if not chosen:
                    continue
                gains = [self.gain_db(score, "ibp") for score in chosen]
                rows.append(
                    {
                        "task": task,
                        "method": method,
                        "scans": len(chosen),
                        "psnr_db": median(s.psnr_db for s in chosen),
                        "ssim": median(s.ssim for s in chosen),
                        "gain_over_ibp_db": median(gains),
                        "least_gain_db": min(gains),
                        "most_gain_db": max(gains),
                    }
                )
        return rows

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values, gains included, for JSON."""
        scores = [
            {**asdict(s), "gain_over_cubic_db": self.gain_db(s, "cubic"), "gain_over_ibp_db": self.gain_db(s, "ibp")}
            for s in self.scores
        ]
        return {"convention": self.convention, "model": self.model, "scores": scores, "medians": self.medians()}


@dataclass(frozen=True)
class Trial:
    """One scan under one task, and what every method is measured against.

    Attributes:
        reference: the fine scan in RAS order.
        coarse: what the task made of it.
        acquisition: how.
        scale: intensities of the coarse scan to the model range.
        noise: of the coarse scan, in the model range.
        mask: where errors count.
        data_range: R of the convention.
    """

    reference: Volume
    coarse: Volume
    acquisition: Acquisition
    scale: Scale
    noise: float
    mask: NDArray[np.bool_]
    data_range: float


def validate(
    references: Iterable[tuple[str, Volume]],
    tasks: Sequence[Task],
    model: Model | None,
    methods: Sequence[str] = ALL_METHODS,
    settings: EnhanceSettings | None = None,
    on_score: Callable[[Score], None] | None = None,
) -> Findings:
    """Measure every method on every scan and task.

    Args:
        references: names and fine scans.
        tasks: of `acquisition.TASKS`.
        model: for the learned methods; None leaves them out.
        methods: names out of `ALL_METHODS`.
        settings: seed, dial, steps and noise of the learned methods.
        on_score: called after each score.

    Raises:
        UsageError: an unknown method, or a scan that is too coarse for a task.
    """
    unknown = [name for name in methods if name not in ALL_METHODS]
    if unknown:
        raise UsageError(f"no method is called {unknown[0]!r}; choose from {', '.join(ALL_METHODS)}")
    settings = settings or EnhanceSettings()
    scores: list[Score] = []
    for name, reference in references:
        for task in tasks:
            trial = make_trial(reference, task, settings)
            for method, x, seconds in restorations(trial, model, methods, settings):
                scores.append(score(trial, name, task.name, method, x, seconds))
                if on_score is not None:
                    on_score(scores[-1])
    facts = {} if model is None else {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256}
    return Findings(tuple(scores), facts)


def make_trial(reference: Volume, task: Task, settings: EnhanceSettings) -> Trial:
    """Degrade a reference and prepare what it is measured by."""
    turned = reference.to_ras()
    coarse, acquisition = degrade(turned, task, settings.seed)
    mask = foreground_mask(turned.data, turned.modality)
    scale = scale_of(coarse.data, coarse.modality)
    noise = scan_noise(coarse, scale, settings, acquisition.op)
    return Trial(turned, coarse, acquisition, scale, noise, mask, data_range(turned.data, mask, turned.modality))


def restorations(
    trial: Trial, model: Model | None, methods: Sequence[str], settings: EnhanceSettings
) -> Iterator[tuple[str, NDArray[np.float32], float]]:
    """Name, result in the scan's unit and seconds of each method in turn."""
    op, scale = trial.acquisition.op, trial.scale
    y = scale.to_model(_tensor(trial.coarse))
    for name in methods:
        began = time.monotonic()
        if name in LEARNED:
            if model is None:
                continue
            chosen = replace(settings, mode="mean" if name == "mean" else "sample")
            x = np.array(enhance(trial.coarse, model, chosen, trial.acquisition).volume.data)
        elif name == ORACLE:
            x = _restored(band_limited_oracle(op, y, trial.noise, scale.to_model(_tensor(trial.reference))), scale)
        else:
            x = _restored(METHODS[name](op, y, trial.noise), scale)
        yield name, x, time.monotonic() - began


def score(trial: Trial, scan: str, task: str, method: str, x: NDArray[np.float32], seconds: float) -> Score:
    """Measure one result (I, J, K) in the scan's unit."""
    reference, mask, R = trial.reference.data, trial.mask, trial.data_range
    sigma = max(trial.noise, NOISE_FLOOR) * trial.scale.width
    degraded = [axis for axis, changed in enumerate(trial.acquisition.degraded) if changed]
    return Score(
        scan=scan,
        task=task,
        axes=" ".join("RAS"[axis] for axis in degraded),
        method=method,
        psnr_db=psnr(x, reference, mask, R),
        ssim=ssim(x, reference, mask, R),
        nrmse=nrmse(x, reference, mask, R),
        mae=mae(x, reference, mask),
        drift=mean_drift(x, reference, mask),
        residual=residual_in_noise_units(trial.acquisition.op, torch.from_numpy(x), _tensor(trial.coarse), sigma),
        upper_band=upper_half_band_ratio(x, reference, degraded, mask),
        seconds=seconds,
    )


def _tensor(volume: Volume) -> Tensor:
    return torch.from_numpy(np.array(volume.data))


def _restored(x: Tensor, scale: Scale) -> NDArray[np.float32]:
    return np.asarray(scale.from_model(x).numpy(), dtype=np.float32)
