"""A reference scan, degraded by a named task and restored by every method, measured in one convention."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.posterior import NOISE_FLOOR, scan_noise
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.metrics.artefacts import comb_ratio, shift_mm
from medsr.metrics.bands import band_errors
from medsr.metrics.edges import gradient_similarity, hfen
from medsr.metrics.error import data_range, foreground_mask, mae, mean_drift, nrmse, psnr
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.metrics.resolution import ONE_SEVENTH, shell_correlation
from medsr.metrics.sharpness import upper_half_band_ratio
from medsr.metrics.structure import ms_ssim, ssim
from medsr.model.intensity import Scale, scale_of
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.physics.ops.noise import estimate_sigma
from medsr.physics.tasks import Task, degradation, degrade
from medsr.validation.baselines import METHODS, band_limited_oracle
from medsr.validation.findings import CONVENTION, BlendPoint, Case, Findings, Score, Shells, Uncertainty, subject_of
from medsr.volume import Volume

LEARNED = ("mean", "sample")
ORACLE = "oracle"
ALL_METHODS: tuple[str, ...] = (*METHODS, *LEARNED, ORACLE)

__all__ = [
    "ALL_METHODS",
    "CONVENTION",
    "LEARNED",
    "ORACLE",
    "Findings",
    "Score",
    "Trial",
    "blend_points",
    "case_of",
    "make_trial",
    "measured",
    "named",
    "restorations",
    "score",
    "validate",
]


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
        degraded_by: the true profile where `acquisition` holds another one, else "".
    """

    reference: Volume
    coarse: Volume
    acquisition: Acquisition
    scale: Scale
    noise: float
    mask: NDArray[np.bool_]
    data_range: float
    degraded_by: str = ""


def validate(
    references: Iterable[tuple[str, Volume]],
    tasks: Sequence[Task],
    model: Model | None,
    methods: Sequence[str] = ALL_METHODS,
    settings: EnhanceSettings | None = None,
    on_score: Callable[[Score], None] | None = None,
    *,
    facts: Mapping[str, dict[str, str]] | None = None,
    measure_trust: Callable[[str, str, Trial], Sequence[Uncertainty]] | None = None,
) -> Findings:
    """Measure every method on every scan and task.

    Args:
        references: names and fine scans.
        tasks: of `tasks.TASKS`.
        model: for the learned methods; None leaves them out.
        methods: names out of `ALL_METHODS`.
        settings: seed, dial, steps and noise of the learned methods.
        on_score: called after each score.
        facts: what a manifest says of each scan, by its name.
        measure_trust: called with scan, task and trial for the uncertainties; None leaves them out.

    Raises:
        UsageError: an unknown method, or a scan that is too coarse for a task.
    """
    unknown = [name for name in methods if name not in ALL_METHODS]
    if unknown:
        raise UsageError(f"no method is called {unknown[0]!r}; choose from {', '.join(ALL_METHODS)}")
    settings = settings or EnhanceSettings()
    scores: list[Score] = []
    cases: list[Case] = []
    trust: list[Uncertainty] = []
    shells: list[Shells] = []
    for name, reference in references:
        for task in tasks:
            trial = make_trial(reference, task, settings)
            cases.append(case_of(trial, name, task.name, (facts or {}).get(name, {})))
            for method, x, seconds in restorations(trial, model, methods, settings):
                one, along = measured(trial, name, task.name, method, x, seconds)
                scores.append(one)
                shells += along
                if on_score is not None:
                    on_score(scores[-1])
            if measure_trust is not None:
                trust += measure_trust(name, task.name, trial)
    return Findings(tuple(scores), named(model), cases=tuple(cases), uncertainties=tuple(trust), shells=tuple(shells))


def named(model: Model | None) -> dict[str, str]:
    """Name, version and hash of a model; nothing where there is none."""
    return {} if model is None else {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256}


def make_trial(reference: Volume, task: Task, settings: EnhanceSettings) -> Trial:
    """Degrade a reference and prepare what it is measured by."""
    turned = reference.to_ras()
    coarse, acquisition = degrade(turned, task, settings.seed)
    mask = foreground_mask(turned.data, turned.modality)
    scale = scale_of(coarse.data, coarse.modality)
    noise = scan_noise(coarse, scale, settings, acquisition.op)
    R = data_range(turned.data, mask, turned.modality)
    true = degradation(turned, task).profile_text
    degraded_by = true if true != acquisition.profile_text else ""
    return Trial(turned, coarse, acquisition, scale, noise, mask, R, degraded_by)


def restorations(
    trial: Trial, model: Model | None, methods: Sequence[str], settings: EnhanceSettings
) -> Iterator[tuple[str, NDArray[np.float32], float]]:
    """Name, result in the scan's unit and seconds of each method in turn; measured outside the envelope as well."""
    op, scale = trial.acquisition.op, trial.scale
    y = scale.to_model(_tensor(trial.coarse))
    for name in methods:
        began = time.monotonic()
        if name in LEARNED:
            if model is None:
                continue
            chosen = replace(settings, mode="mean" if name == "mean" else "sample", force=True)
            x = np.array(enhance(trial.coarse, model, chosen, trial.acquisition).volume.data)
        elif name == ORACLE:
            x = _restored(band_limited_oracle(op, y, trial.noise, scale.to_model(_tensor(trial.reference))), scale)
        else:
            x = _restored(METHODS[name](op, y, trial.noise), scale)
        yield name, x, time.monotonic() - began


def score(trial: Trial, scan: str, task: str, method: str, x: NDArray[np.float32], seconds: float) -> Score:
    """Measure one result (I, J, K) in the scan's unit."""
    return measured(trial, scan, task, method, x, seconds)[0]


def measured(
    trial: Trial, scan: str, task: str, method: str, x: NDArray[np.float32], seconds: float
) -> tuple[Score, tuple[Shells, ...]]:
    """The score of one result (I, J, K) in the scan's unit, and the shell correlations along each degraded axis."""
    reference, mask, R = trial.reference.data, trial.mask, trial.data_range
    sigma = max(trial.noise, NOISE_FLOOR) * trial.scale.width
    spacing = trial.acquisition.fine_spacing_mm
    n_coarse = trial.acquisition.coarse_shape
    degraded = _degraded(trial)
    shells = [shell_correlation(x, reference, spacing, axis, mask) for axis in degraded]
    inside, outside = band_errors(x, reference, mask, R, n_coarse)
    found = Score(
        scan=scan,
        task=task,
        axes=_axes(trial),
        method=method,
        psnr_db=psnr(x, reference, mask, R),
        ssim=ssim(x, reference, mask, R),
        nrmse=nrmse(x, reference, mask, R),
        mae=mae(x, reference, mask),
        drift=mean_drift(x, reference, mask),
        residual=residual_in_noise_units(trial.acquisition.op, torch.from_numpy(x), _tensor(trial.coarse), sigma),
        upper_band=upper_half_band_ratio(x, reference, degraded, mask),
        seconds=seconds,
        ms_ssim=ms_ssim(x, reference, mask, R),
        hfen=hfen(x, reference, mask),
        gradient_similarity=gradient_similarity(x, reference, mask, R),
        fsc50_mm=max(shell.cut_off_mm() for shell in shells),
        fsc14_mm=max(shell.cut_off_mm(ONE_SEVENTH) for shell in shells),
        error_inside=inside,
        error_outside=outside,
        shift_mm=float(np.linalg.norm(shift_mm(x, reference, spacing, mask))),
        comb=max(comb_ratio(x, reference, axis, n_coarse[axis], mask) for axis in degraded),
    )
    return found, tuple(
        Shells(scan, task, method, "RAS"[axis], shell.frequency_per_mm, shell.correlation)
        for axis, shell in zip(degraded, shells, strict=True)
    )


def blend_points(
    trial: Trial,
    scan: str,
    task: str,
    mean: NDArray[np.float32],
    sample: NDArray[np.float32],
    blends: Sequence[float],
) -> tuple[BlendPoint, ...]:
    """The line from the mean to a draw, in error and in texture (Blau & Michaeli 2018).

    Exact: a dial mixes the two in the model range, and the way back to the scan's unit is a straight line.

    Args:
        trial: that both were made of.
        scan: its name.
        task: its name.
        mean: (I, J, K) in the scan's unit.
        sample: (I, J, K), of the dial at 1.
        blends: 0 to 1.
    """
    found = []
    for blend in blends:
        x = mean + np.float32(blend) * (sample - mean)
        found.append(
            BlendPoint(
                scan,
                task,
                blend,
                psnr(x, trial.reference.data, trial.mask, trial.data_range),
                upper_half_band_ratio(x, trial.reference.data, _degraded(trial), trial.mask),
            )
        )
    return tuple(found)


def case_of(trial: Trial, scan: str, task: str, facts: dict[str, str]) -> Case:
    """What is known of a trial, the noise of its reference and the ceiling that this sets included.

    Noise in the part of the reference that the scan did not measure can't be predicted, so no method's mean squared
    error falls below (1 - coarse / fine voxels) times its variance. The estimate of the noise holds some of the finest
    anatomy as well, so a true ceiling may lie higher.
    """
    acquisition = trial.acquisition
    fine_axes = tuple(
        axis for axis, h in enumerate(trial.reference.spacing_mm) if h < 1.6 * min(acquisition.fine_spacing_mm)
    )
    noise = estimate_sigma(_tensor(trial.reference), fine_axes)
    unseen = 1 - float(np.prod(acquisition.coarse_shape) / np.prod(acquisition.fine_shape))
    ceiling = 10 * np.log10(trial.data_range**2 / (unseen * noise**2)) if noise > 0 else np.inf
    return Case(
        scan=scan,
        task=task,
        subject=subject_of(scan),
        modality=trial.reference.modality,
        contrast=trial.reference.source.contrast,
        axes=_axes(trial),
        factor=max(acquisition.factors),
        spacing_mm=acquisition.fine_spacing_mm,
        range=trial.data_range,
        reference_noise=noise,
        ceiling_db=float(ceiling),
        facts=facts,
        profile=acquisition.profile_text,
        degraded_by=trial.degraded_by,
    )


def _degraded(trial: Trial) -> list[int]:
    return [axis for axis, changed in enumerate(trial.acquisition.degraded) if changed]


def _axes(trial: Trial) -> str:
    return " ".join("RAS"[axis] for axis in _degraded(trial))


def _tensor(volume: Volume) -> Tensor:
    return torch.from_numpy(np.array(volume.data))


def _restored(x: Tensor, scale: Scale) -> NDArray[np.float32]:
    return np.asarray(scale.from_model(x).numpy(), dtype=np.float32)
