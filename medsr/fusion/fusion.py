"""`fuse`: several stacks of one body to one scan, its uncertainty and its record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.consistency import CONTRADICTION
from medsr.enhancement.enhancement import OnEstimate, enhance
from medsr.enhancement.floor import floor_of
from medsr.enhancement.posterior import NOISE_FLOOR, OnProgress
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.fusion.checks import check_request, check_stacks
from medsr.fusion.grid import Grid, check_memory, finest_mm, reduced, spacing_of
from medsr.fusion.prior import Prior, prior_of
from medsr.fusion.solver import estimate
from medsr.fusion.stack import (
    MISMATCH,
    SAME,
    UNIT,
    Stack,
    covered_by,
    line_of,
    measured,
    operator,
    resampled,
)
from medsr.model.intensity import scale_of
from medsr.model.weights import Model, load_model
from medsr.registration.rigid import Rigid, register
from medsr.volume import Volume

ROUNDS = 2  # after the first, where slices stand out
OFF = 0.5  # voxels of the result: a registration error above it blurs what the stacks share


def fuse(
    stacks: Sequence[Volume],
    model: Model | None = None,
    settings: EnhanceSettings | None = None,
    on_progress: OnProgress | None = None,
    *,
    poses: Sequence[Rigid] | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
) -> Enhancement:
    """One scan from several stacks of one body (docs/how_to/stacks.md).

    Each stack is enhanced alone, registered to the first one and brought to its unit. The result is the image that
    agrees with every stack to within its noise and, beyond that, with what the network made of them. Its grid covers
    the first stack's field of view, isotropic at the finest spacing of all.

    Args:
        stacks: Stacks of one modality and contrast; one alone is enhanced as ever.
        model: Loaded model; None: the one that `settings` name.
        settings: What is asked; None: the defaults. Profile and thickness hold for every stack.
        on_progress: Called with the stage, the finished parts and all parts.
        poses: What brings each stack onto the first one, where that is known; None: they are registered.
        memory_bytes: Memory that may be used; None: most of what is free.
        on_estimate: Called before long work on a stack with what it will need.

    Returns:
        The result in the unit of the first stack, and that stack's residual; the record says all of every stack.

    Raises:
        InputError: stacks that do not belong together, or SimpleITK is missing.
        UsageError: a request that several stacks can't share.
        MedsrError: as `enhance`.
    """
    settings = settings or EnhanceSettings()
    if len(stacks) == 1:
        return enhance(
            stacks[0], model, settings, None, on_progress, memory_bytes=memory_bytes, on_estimate=on_estimate
        )
    if not stacks:
        raise UsageError("there are no stacks; give at least one scan")
    check_request(settings)
    if settings.modality is not None:
        stacks = [replace(stack, modality=settings.modality) for stack in stacks]
    check_stacks(stacks)
    if settings.spacing_mm is None:
        finest = finest_mm(stacks)
    else:
        finest = settings.spacing_mm[0]
        stacks = [reduced(stack, finest) for stack in stacks]
    check_memory(stacks[0], finest, memory_bytes)
    began = time.monotonic()
    poses = poses or [SAME, *(register(stacks[0], other) for other in stacks[1:])]
    registered = time.monotonic()
    model = model or load_model(settings.model, settings.device)
    alone = [
        enhance(
            stack,
            model,
            replace(settings, mode="uncertainty", spacing_mm=spacing_of(stack, finest)),
            None,
            _part(on_progress, number, len(stacks)),
            memory_bytes=memory_bytes,
            on_estimate=on_estimate,
        )
        for number, stack in enumerate(stacks)
    ]
    enhanced = time.monotonic()
    result = fused(alone, poses, settings)
    seconds = {
        "registration": round(registered - began, 3),
        "stacks": round(enhanced - registered, 3),
        "fusion": round(time.monotonic() - enhanced, 3),
    }
    return replace(result, record=replace(result.record, seconds=seconds))


def fused(alone: Sequence[Enhancement], poses: Sequence[Rigid], settings: EnhanceSettings) -> Enhancement:
    """What stacks give together, each of which was enhanced alone.

    Args:
        alone: Result of each stack with its uncertainty.
        poses: What brings each stack onto the first one.
        settings: What is asked.

    Raises:
        InputError: stacks that do not belong together.
    """
    first = alone[0]
    target = Grid(first.acquisition.fine_shape, first.acquisition.fine_affine)
    width = scale_of(measured(first), first.volume.modality).width
    expected = resampled(first.volume, SAME, target)
    stacks: list[Stack] = []
    for number, (one, pose) in enumerate(zip(alone, poses, strict=True)):
        op = operator(one.acquisition, pose, target)
        covered = covered_by(op)
        line = line_of(one, op, covered, expected, number + 1) if number else UNIT
        stacks.append(Stack(one, pose, line, op, covered))
    prior = prior_of(stacks, target, width)
    x = _agreed(stacks, prior, MISMATCH * width)
    x = x.clamp_min(floor_of(first.residual.with_data(measured(first))))
    left = [stack.left(x) for stack in stacks]
    residuals = [
        _rms(values[stack.covered]) / max(stack.noise, NOISE_FLOOR * width)
        for values, stack in zip(left, stacks, strict=True)
    ]
    volume = first.volume.with_data(x.numpy())
    uncertainty = None
    if settings.mode == "uncertainty":
        uncertainty = volume.with_data(prior.combined.numpy())
    record = replace(
        first.record,
        settings=settings.facts(),
        residual=max(residuals),
        drift=-float(left[0].mean()) / width,
        overshoot=None,
        ripple=None,
        roughness=None,
        uncertainty_rms=None if uncertainty is None else _rms(uncertainty.data) / width,
        warnings=_warnings(stacks, residuals, float(min(first.volume.spacing_mm))),
        uncertainty={} if uncertainty is None else {"calibrated": False},
        stacks=tuple(stack.facts(residual) for stack, residual in zip(stacks, residuals, strict=True)),
    )
    return Enhancement(volume, uncertainty, first.residual.with_data(left[0]), record, first.acquisition)


def _agreed(stacks: Sequence[Stack], prior: Prior, mismatch: float) -> Tensor:
    """The image that agrees with every stack, (I, J, K).

    Slices that stay much further off it than others of their stack moved or lost their signal: the image is solved
    for again with what they are off by counted as their error (iteratively reweighted least squares).
    """
    x = estimate([stack.term(mismatch) for stack in stacks], prior.mean, prior.deviation)
    for _ in range(ROUNDS):
        outliers = [stack.outliers(x) for stack in stacks]
        if not any(one.any() for one in outliers):
            break
        terms = [stack.term(np.hypot(mismatch, one)) for stack, one in zip(stacks, outliers, strict=True)]
        x = estimate(terms, prior.mean, prior.deviation)
    return x


def _warnings(stacks: Sequence[Stack], residuals: Sequence[float], spacing_mm: float) -> tuple[str, ...]:
    said: dict[str, None] = {}
    for number, (stack, residual) in enumerate(zip(stacks, residuals, strict=True), start=1):
        for text in stack.alone.record.warnings:
            said[f"stack {number}: {text}"] = None
        if stack.pose.error_mm > OFF * spacing_mm:
            said[
                f"stack {number} is registered to within {stack.pose.error_mm:.2f} mm only, the result has voxels of "
                f"{spacing_mm:.3g} mm: look at its borders"
            ] = None
        if residual > CONTRADICTION:
            said[
                f"stack {number} contradicts the result (residual of {residual:.2f} noise units; expected about 1): it "
                "moved, or differs in contrast"
            ] = None
    return tuple(said)


def _part(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda stage, done, total: on_progress(stage, number * total + done, count * total)


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0
