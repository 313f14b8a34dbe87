"""A reference scan, degraded by a named task and restored by every method, measured in one convention."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.noise import refines_plane, scan_noise
from medsr.enhancement.posterior import NOISE_FLOOR, OnProgress
from medsr.enhancement.sample_check import sample_fault
from medsr.enhancement.settings import EnhanceSettings
from medsr.fusion.checks import check_stacks
from medsr.fusion.fusion import fuse
from medsr.metrics.arrays import Mask
from medsr.metrics.error import data_range, foreground_mask, psnr
from medsr.metrics.judged import Restoration
from medsr.metrics.parts import Part, parts_of
from medsr.metrics.sharpness import high_frequency_power_ratio
from medsr.metrics.table import METRICS
from medsr.model.intensity import Scale, scale_of
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.physics.noise_level import estimate_sigma
from medsr.physics.stacks import MadeStack, stacks_of
from medsr.physics.tasks import Task, degradation
from medsr.validation.baselines import METHODS, band_limited
from medsr.validation.methods import BAND_LIMITED, FUSED, LEARNED
from medsr.validation.scores import BlendPoint, Case, Score, Shells
from medsr.validation.subjects import subject_of
from medsr.volume import Volume


@dataclass(frozen=True)
class Trial:
    """One scan under one task, and what every method is measured against.

    Attributes:
        reference: High-resolution scan in RAS order.
        input: Low-resolution scan that the task made of it, which the methods restore.
        acquisition: How the input relates to the reference.
        scale: Scale that takes intensities of the input to the model range.
        noise: Standard deviation of the input's noise, in the model range.
        mask: Voxels of the reference where errors count.
        data_range: Data range R of the convention.
        degraded_by: True profile where `acquisition` holds another one, else "".
        brain: Voxels of the reference's brain, (I, J, K); None where they are not known.
        others: Further stacks of the task, beside the input.
    """

    reference: Volume
    input: Volume
    acquisition: Acquisition
    scale: Scale
    noise: float
    mask: NDArray[np.bool_]
    data_range: float
    degraded_by: str = ""
    brain: NDArray[np.bool_] | None = None
    others: tuple[MadeStack, ...] = ()

    @cached_property
    def parts(self) -> Mapping[Part, Mask]:
        """Parts of the mask that errors are measured in as well."""
        reference, spacing_mm = self.reference, self.acquisition.fine_spacing_mm
        return parts_of(reference.data, self.mask, reference.modality, spacing_mm, self.brain)


def named(model: Model | None) -> dict[str, str]:
    """Name, version and hash of a model; nothing where there is none."""
    return {} if model is None else {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256}


def make_trial(reference: Volume, task: Task, settings: EnhanceSettings) -> Trial:
    """Degrade a reference and prepare what it is measured by.

    Raises:
        InputError: stacks of too few slices.
        UsageError: the scan is too coarse or too small for the task.
    """
    turned = reference.to_ras()
    first, *others = stacks_of(turned, task, settings.seed)
    if others:
        check_stacks([first.scan, *(one.scan for one in others)])
    degraded, acquisition = first.scan, first.acquisition
    mask = foreground_mask(turned.data, turned.modality)
    scale = scale_of(degraded.data, degraded.modality)
    noise = scan_noise(degraded, scale, settings, plane_refined=refines_plane(degraded, acquisition))
    R = data_range(turned.data, mask, turned.modality)
    true = degradation(turned, task).profile_text
    degraded_by = true if true != acquisition.profile_text else ""
    return Trial(turned, degraded, acquisition, scale, noise, mask, R, degraded_by, others=tuple(others))


def restorations(
    trial: Trial,
    model: Model | None,
    methods: Sequence[str],
    settings: EnhanceSettings,
    on_progress: OnProgress | None = None,
    memory_bytes: int | None = None,
) -> Iterator[tuple[str, NDArray[np.float32], float]]:
    """Name, result in the scan's unit and seconds of each method in turn; measured outside the envelope as well.

    Args:
        trial: Trial to restore.
        model: Model of the learned methods, which are left out without one, as `FUSED` is of a single stack.
        methods: Names out of `medsr.validation.methods.ALL_METHODS`.
        settings: Settings of the learned methods.
        on_progress: Called as a learned method goes on.
        memory_bytes: Memory that a learned method may use; None: most of what is free.
    """
    op, scale = trial.acquisition.op, trial.scale
    y = scale.to_model(_tensor(trial.input))
    for name in methods:
        began = time.monotonic()
        if name == FUSED:
            if model is None or not trial.others:
                continue
            x = _fused(trial, model, replace(settings, mode="mean", force=True), on_progress, memory_bytes)
        elif name in LEARNED:
            if model is None:
                continue
            chosen = replace(settings, mode="mean" if name == "mean" else "sample", force=True)
            x = _learned(trial, model, chosen, on_progress, memory_bytes)
        elif name == BAND_LIMITED:
            x = _restored(band_limited(op, y, trial.noise, scale.to_model(_tensor(trial.reference))), scale)
        else:
            x = _restored(METHODS[name](op, y, trial.noise), scale)
        yield name, x, time.monotonic() - began


def samples_of(
    trial: Trial,
    model: Model,
    settings: EnhanceSettings,
    n_samples: int,
    on_progress: OnProgress | None = None,
    memory_bytes: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Posterior samples (I, J, K) in the scan's unit, each with the noise of a seed of its own, from the settings' on.

    They are computed when they are asked for, whole or in blocks as the memory allows.
    """
    for number in range(n_samples):
        chosen = replace(settings, mode="sample", blend=1.0, force=True, seed=(settings.seed + number) % 2**64)
        yield _learned(trial, model, chosen, on_progress, memory_bytes)


def fault_of_samples(trial: Trial, model: Model, settings: EnhanceSettings) -> str:
    """What speaks against samples of this trial, as `medsr enhance --mode sample` would say; "" where nothing does."""
    return sample_fault(trial.input, model, replace(settings, mode="sample", blend=1.0), trial.acquisition)


def _learned(
    trial: Trial, model: Model, settings: EnhanceSettings, on_progress: OnProgress | None, memory_bytes: int | None
) -> NDArray[np.float32]:
    result = enhance(trial.input, model, settings, trial.acquisition, on_progress, memory_bytes=memory_bytes)
    return np.array(result.volume.data)


def _fused(
    trial: Trial, model: Model, settings: EnhanceSettings, on_progress: OnProgress | None, memory_bytes: int | None
) -> NDArray[np.float32]:
    result = fuse(
        [trial.input, *(one.scan for one in trial.others)],
        model,
        replace(settings, samples=0),
        on_progress,
        acquisitions=[trial.acquisition, *(one.acquisition for one in trial.others)],
        memory_bytes=memory_bytes,
    )
    return np.array(result.volume.data)


def score(trial: Trial, scan: str, task: str, method: str, x: NDArray[np.float32], seconds: float) -> Score:
    """Measure one result (I, J, K) in the scan's unit."""
    return measured(trial, scan, task, method, x, seconds)[0]


def measured(
    trial: Trial, scan: str, task: str, method: str, x: NDArray[np.float32], seconds: float
) -> tuple[Score, tuple[Shells, ...]]:
    """The score of one result (I, J, K) in the scan's unit, and the shell correlations along each degraded axis."""
    result = Restoration(
        x=torch.from_numpy(x),
        reference=trial.reference.data,
        mask=trial.mask,
        parts=trial.parts,
        data_range=trial.data_range,
        spacing_mm=trial.acquisition.fine_spacing_mm,
        degraded=degraded_axes(trial),
        n_coarse=trial.acquisition.coarse_shape,
        op=trial.acquisition.op,
        input=_tensor(trial.input),
        noise=max(trial.noise, NOISE_FLOOR) * trial.scale.width,
        seconds=seconds,
    )
    values = {metric.name: metric.measure(result) for metric in METRICS}
    return Score(scan, task, _axes(trial), method, values), tuple(
        Shells(scan, task, method, "RAS"[axis], shell.frequency_per_mm, shell.correlation)
        for axis, shell in zip(result.degraded, result.shells, strict=True)
    )


def blend_points(
    trial: Trial,
    scan: str,
    task: str,
    mean: NDArray[np.float32],
    sample: NDArray[np.float32],
    blends: Sequence[float],
) -> tuple[BlendPoint, ...]:
    """The line from the mean to a posterior sample, in error and in texture (Blau & Michaeli 2018).

    Exact: a blend mixes the two in the model range, and the way back to the scan's unit is a straight line.

    Args:
        trial: Trial that both were made of.
        scan: Name of the reference.
        task: Name of the task.
        mean: Posterior mean, (I, J, K) in the scan's unit.
        sample: Posterior sample at blend 1, (I, J, K) in the scan's unit.
        blends: Weights of the sample, 0 to 1.
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
                high_frequency_power_ratio(x, trial.reference.data, degraded_axes(trial), trial.mask),
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
    noise = estimate_sigma(trial.reference.data, fine_axes)
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


def degraded_axes(trial: Trial) -> list[int]:
    """Axes that are refined."""
    return [axis for axis, changed in enumerate(trial.acquisition.degraded) if changed]


def _axes(trial: Trial) -> str:
    return " ".join("RAS"[axis] for axis in degraded_axes(trial))


def _tensor(volume: Volume) -> Tensor:
    return torch.from_numpy(np.array(volume.data))


def _restored(x: Tensor, scale: Scale) -> NDArray[np.float32]:
    return np.asarray(scale.from_model(x).numpy(), dtype=np.float32)
