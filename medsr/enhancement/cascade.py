"""A cascade: a large factor in stages of two, each of which takes the result of the one before for its scan.

After Saharia et al. 2022 (Imagen): between stages the scan is corrupted with noise of a known level, which the network
is told, so that it does not take the errors of the stage before for anatomy. Networks here are trained on noisy scans
and told their noise, which is that augmentation. At the end the result is brought into agreement with the scan itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log2
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from medsr import affine as grids
from medsr.diffusion.noise import white_noise
from medsr.enhancement.consistency import noise_ratio, residual_map
from medsr.enhancement.envelope import Level, Verdict, admitted, admitted_grid
from medsr.enhancement.floor import raised_to
from medsr.enhancement.piece import OnState, enhance_piece
from medsr.enhancement.posterior import NOISE_FLOOR, OnProgress
from medsr.enhancement.reference_free import measured
from medsr.enhancement.result import Enhancement, described, on_fine_grid
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.walk import WalkStep
from medsr.enhancement.whole import Whole
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.model.conditioning import expected_detail
from medsr.model.intensity import Scale, scale_of
from medsr.model.weights import Model
from medsr.physics.acquisition import SMALLEST_FACTOR, Acquisition, on_grids
from medsr.physics.ops import AxisSampling, Separable
from medsr.volume import Volume

SLACK = 0.1  # octaves that a stage may refine beyond two, so that none is left with next to nothing to do
AUGMENTATION = 1_000_000  # first number of its noise, beyond those of any sampler's steps


def cascaded(
    volume: Volume,
    model: Model,
    settings: EnhanceSettings,
    acquisition: Acquisition,
    on_progress: OnProgress | None = None,
    on_state: OnState | None = None,
) -> Enhancement:
    """The enhancement of a whole scan in the stages of `stages_of`; a small factor has one and is as without.

    Args:
        volume: Input.
        model: Loaded model, the same for every stage.
        settings: What is asked; `cascade` is the noise between stages, as a share of the intensity range.
        acquisition: How `volume` was acquired, and the finer grid.
        on_progress: Called as the work goes on.
        on_state: Called after each step of the last stage's sample, in mode "sample"; measured is what `volume` does.

    Raises:
        MedsrError: as `enhance_piece`.
    """
    verdict = admitted(volume, acquisition, model.spec, force=settings.force)
    stages = stages_of(acquisition)
    grids_said = [admitted_grid(volume.modality, stage, model.spec, force=settings.force) for stage in stages]
    if len(stages) == 1:
        return enhance_piece(volume, model, settings, acquisition, on_progress, on_state=on_state)

    def on_step(number: int, step: WalkStep) -> None:
        if on_state is not None:  # the stage's own scan is made by the stage before
            on_state(number, WalkStep.of(step.noisy, step.clean, acquisition.op))

    scan, told, seconds = volume, replace(settings, force=True), dict[str, float]()
    for number, stage in enumerate(stages):
        if number:
            scan, told = augmented(scan, told, number)
        shown = on_step if on_state is not None and stage is stages[-1] else None
        result = enhance_piece(scan, model, told, stage, _scaled(on_progress, number, len(stages)), on_state=shown)
        scan = result.volume
        seconds = {name: round(seconds.get(name, 0.0) + value, 3) for name, value in result.record.seconds.items()}
    finished = _agreeing(volume, result, model, settings, acquisition)
    task = {**acquisition.summary(), "stages": [list(stage.fine_shape) for stage in stages]}
    record = replace(
        finished.record,
        input=described(volume),
        task=task,
        settings=settings.facts(),
        seconds=seconds,
        envelope=max((verdict.level, *(one.level for one in grids_said)), key=get_args(Level).index),
        envelope_measured=verdict.measured,
        warnings=tuple(dict.fromkeys((*volume.source.warnings, *verdict.warnings, *_said(grids_said)))),
    )
    return replace(finished, record=record)


def _said(verdicts: Sequence[Verdict]) -> list[str]:
    """What the envelope says of the grids of stages, which may be coarser than any that the model was trained on."""
    return [f"stage {n} of the cascade: {text}" for n, one in enumerate(verdicts, start=1) for text in one.warnings]


def stages_of(acquisition: Acquisition) -> tuple[Acquisition, ...]:
    """The acquisitions of the stages; each refines no axis by more than two, and together they reach the fine grid.

    The first stage sees the scan through its own profile, the others a Gaussian as wide as their voxels. Grids double
    towards the fine one, so that axes with small factors are refined last.

    Args:
        acquisition: Acquisition of the scan, and the fine grid of the last stage.
    """
    count = max(1, ceil(log2(max(acquisition.factors)) - SLACK))
    grid, found = acquisition.coarse_shape, list[Acquisition]()
    for left in reversed(range(count)):
        i, j, k = (_side(m, n, 2**left) for m, n in zip(acquisition.coarse_shape, acquisition.fine_shape, strict=True))
        affine = np.asarray(grids.resized(acquisition.fine_affine, acquisition.fine_shape, (i, j, k)))
        if found:
            found.append(on_grids(affine, (i, j, k), grid, "gaussian", None))
        else:
            a, b, c = (_coarser(axis, n) for axis, n in zip(acquisition.op.axes, (i, j, k), strict=True))
            found.append(replace(acquisition, op=Separable((a, b, c)), fine_shape=(i, j, k), fine_affine=affine))
        grid = (i, j, k)
    return tuple(found)


def augmented(scan: Volume, settings: EnhanceSettings, number: int) -> tuple[Volume, EnhanceSettings]:
    """The scan of a stage with noise of the level that is asked for, and the settings that tell the network of it.

    Args:
        scan: Result of the stage before.
        settings: Request; cascade and seed matter here.
        number: Number of the stage, from 1.
    """
    sigma = (settings.cascade or 0.0) * scale_of(scan.data, scan.modality).width
    noise = white_noise(scan.shape, settings.seed, 0, AUGMENTATION + number, (0, 0, 0))[0, 0].numpy()
    return scan.with_data(np.asarray(scan.data + np.float32(sigma) * noise)), replace(settings, noise=sigma)


def _agreeing(
    volume: Volume, result: Enhancement, model: Model, settings: EnhanceSettings, acquisition: Acquisition
) -> Enhancement:
    """The last stage's result, as near to the scan as its noise allows, with the checks of the whole."""
    whole, op = Whole.of(volume, settings, acquisition), acquisition.op
    scale, y, x = whole.scale, _tensor(volume, whole.scale), _tensor(result.volume, whole.scale)
    x = op.prox(x, y, noise_ratio(whole.noise / expected_detail(op), model.spec.error_variance))
    if settings.mode == "mean":
        x = raised_to(whole.floor, x, op)
    finer = on_fine_grid(volume, np.asarray(scale.from_model(x)[0, 0].numpy(), dtype=np.float32), acquisition)
    left = residual_map(op, x, y)[0, 0] * scale.width
    checks = measured(volume, finer, acquisition, whole.noise * scale.width, scale)
    record = replace(
        result.record,
        noise_sigma=whole.noise * scale.width,
        residual=residual_in_noise_units(op, x, y, max(whole.noise, NOISE_FLOOR)),
        drift=-float(left.mean()) / scale.width,
        overshoot=checks.overshoot,
        ripple=checks.flat.ripple,
        roughness=checks.flat.roughness,
    )
    residual = volume.with_data(np.asarray(left.numpy(), dtype=np.float32))
    return Enhancement(finer, None, residual, record, acquisition)


def _side(n_coarse: int, n_fine: int, share: int) -> int:
    """Voxels of an axis on a grid so many times coarser than the fine one, if that is finer than the scan at all."""
    n = round(n_fine / share)
    return n if n >= SMALLEST_FACTOR * n_coarse else n_coarse


def _coarser(axis: AxisSampling | None, n: int) -> AxisSampling | None:
    """The sampling of an axis seen from `n` fine voxels; None where that is the scan's own grid."""
    if axis is None or n == axis.n_coarse:
        return None
    return replace(axis, n_fine=n, fwhm=axis.fwhm * n / axis.n_fine)


def _tensor(volume: Volume, scale: Scale) -> Tensor:
    return scale.to_model(torch.from_numpy(np.array(volume.data)))[None, None]


def _scaled(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda stage, done, total: on_progress(stage, number * total + done, count * total)
