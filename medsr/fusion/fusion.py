"""`fuse`: several stacks of one body to one scan, its uncertainty and its record."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.assumed import as_acquired, told_by_voxels
from medsr.enhancement.consistency import CONTRADICTION
from medsr.enhancement.enhancement import OnEstimate, enhance
from medsr.enhancement.floor import floor_of
from medsr.enhancement.posterior import NOISE_FLOOR, OnProgress
from medsr.enhancement.result import Enhancement, described
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError, UsageError
from medsr.fusion.checks import ONE_SCAN, check_grid, check_request, check_stacks
from medsr.fusion.grid import Grid, reduced, spacing_of, thickest_mm, wanted_of
from medsr.fusion.memory import check_memory
from medsr.fusion.others import shown_by_others
from medsr.fusion.placing import own_grid, placed
from medsr.fusion.prior import Prior, prior_of
from medsr.fusion.slices import dark_slices, filled
from medsr.fusion.solver import estimate
from medsr.fusion.stack import MISMATCH, SAME, Stack, measured
from medsr.fusion.width import widths_shown
from medsr.model.intensity import scale_of
from medsr.model.weights import Model, load_model
from medsr.physics.acquired_grid import stored_finer_said
from medsr.physics.acquisition import Acquisition, with_assumed
from medsr.physics.assumption import Assumed, slice_axis_of
from medsr.registration.rigid import Rigid, register
from medsr.volume import Volume

WHOLE_GRID = (slice(None),) * 3
FEW_STEPS = 6  # for what the others show of a stack
OFF = 0.5  # voxels of the result: a registration error above it blurs what the stacks share


def fuse(
    stacks: Sequence[Volume],
    model: Model | None = None,
    settings: EnhanceSettings | None = None,
    on_progress: OnProgress | None = None,
    *,
    grid: Grid | None = None,
    poses: Sequence[Rigid] | None = None,
    acquisitions: Sequence[Acquisition | None] | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
) -> Enhancement:
    """One scan from several stacks of one body (docs/how_to/stacks.md).

    Each stack is enhanced alone, registered to the first one and brought to its unit. The result is the image that
    agrees with every stack to within its noise and, beyond that, with what the network made of them. Its grid covers
    the first stack's field of view, isotropic at the finest spacing of all, unless another one is given.

    Args:
        stacks: Stacks of one modality and contrast; one alone is enhanced as ever.
        model: Loaded model; None: the one that `settings` name.
        settings: What is asked; None: the defaults. Profile and thickness hold for every stack.
        on_progress: Called with the stage, the finished parts and all parts.
        grid: Grid of the result, in the space of the first stack. Beyond every stack the result is as dark as the
            first one's darkest voxel, and its uncertainty the whole range.
        poses: What brings each stack onto the first one, where that is known; None: they are registered.
        acquisitions: How each stack was acquired, where that is known; the result takes the fine grid of the first
            where none is given. None: as `settings` ask.
        memory_bytes: Memory that may be used; None: most of what is free.
        on_estimate: Called before long work on a stack with what it will need.

    Returns:
        The result in the unit of the first stack, and that stack's residual; the record says all of every stack.

    Raises:
        InputError: stacks that do not belong together, or SimpleITK is missing.
        UsageError: a request that several stacks can't share.
        EnvelopeError: a stack outside what the model was validated on.
        MedsrError: as `enhance`.
    """
    settings = settings or EnhanceSettings()
    if not stacks:
        raise UsageError("there are no stacks; give at least one scan")
    acquisitions = acquisitions or [None] * len(stacks)
    if len(stacks) == 1:
        if grid is not None:
            raise UsageError(ONE_SCAN)
        return enhance(
            stacks[0], model, settings, acquisitions[0], on_progress, memory_bytes=memory_bytes, on_estimate=on_estimate
        )
    check_request(settings)
    if settings.modality is not None:
        stacks = [replace(stack, modality=settings.modality) for stack in stacks]
    check_stacks(stacks)
    model = model or load_model(settings.model, settings.device)
    given = stacks
    acquired = [_acquired(stack, one, settings) for stack, one in zip(stacks, acquisitions, strict=True)]
    stacks = [stack for stack, _ in acquired]
    if grid is not None:
        check_grid(grid, stacks, settings, model.spec)
    wanted = wanted_of(stacks, settings, grid)
    if settings.spacing_mm is not None or grid is not None:
        stacks = [reduced(stack, mm) for stack, mm in zip(stacks, wanted, strict=True)]
    spacings = [spacing_of(stack, mm) for stack, mm in zip(stacks, wanted, strict=True)]
    check_memory(_voxels(stacks, spacings[0], grid), memory_bytes)
    dark = [dark_slices(stack) for stack in stacks]
    stacks = [filled(*one) for one in zip(stacks, dark, strict=True)]
    began = time.monotonic()
    poses = poses or [SAME, *(register(stacks[0], other) for other in stacks[1:])]
    registered = time.monotonic()
    shown: list[Assumed | None] = [None] * len(stacks)
    if settings.profile == "auto" and settings.thickness_mm is None:
        shown = widths_shown(stacks, poses, dark, wanted, acquisitions, model, settings)
    found = time.monotonic()
    alone = []
    for number, (stack, spacing_mm, acquisition, width, (_, said)) in enumerate(
        zip(stacks, spacings, acquisitions, shown, acquired, strict=True)
    ):
        asked = replace(settings, mode="uncertainty", spacing_mm=spacing_mm)
        if width is not None:
            acquisition = _across(stack, told_by_voxels(stack, asked)[1] if acquisition is None else acquisition, width)
        told = _part(on_progress, number, len(stacks))
        try:
            one = enhance(stack, model, asked, acquisition, told, memory_bytes=memory_bytes, on_estimate=on_estimate)
        except EnvelopeError as error:
            raise EnvelopeError(f"stack {number + 1}: {'; '.join((str(error), *said))}") from error
        record = replace(one.record, input=described(given[number]), warnings=(*one.record.warnings, *said))
        alone.append(replace(one, record=record))
    enhanced = time.monotonic()
    result = fused(alone, poses, dark, settings, grid)
    seconds = {
        "registration": round(registered - began, 3),
        "widths": round(found - registered, 3),
        "stacks": round(enhanced - found, 3),
        "fusion": round(time.monotonic() - enhanced, 3),
    }
    return replace(result, record=replace(result.record, seconds=seconds))


def _acquired(
    stack: Volume, acquisition: Acquisition | None, settings: EnhanceSettings
) -> tuple[Volume, tuple[str, ...]]:
    """The samples that a stack holds where it is stored finer, with a warning; others as they are."""
    if acquisition is not None:
        return stack, ()
    try:
        samples, _ = as_acquired(stack, replace(settings, spacing_mm=None))
    except UsageError:  # as fine as results are by default
        return stack, ()
    return samples, () if samples is stack else (stored_finer_said(stack, samples),)


def _across(stack: Volume, acquisition: Acquisition, assumed: Assumed) -> Acquisition:
    """The acquisition of a stack with what is known of its slices."""
    across = slice_axis_of(stack)
    i, j, k = (assumed if axis == across else one for axis, one in enumerate(acquisition.assumed))
    return with_assumed(acquisition, (i, j, k))


def _voxels(stacks: Sequence[Volume], first_mm: Sequence[float], grid: Grid | None) -> float:
    """Voxels that are solved for; the first stack is enhanced to `first_mm`."""
    if grid is not None:
        return prod(grid.widened(thickest_mm(stacks))[0].shape)
    steps = zip(stacks[0].shape, stacks[0].spacing_mm, first_mm, strict=True)
    return prod(n * float(h) / new for n, h, new in steps)


def fused(
    alone: Sequence[Enhancement],
    poses: Sequence[Rigid],
    dark: Sequence[NDArray[np.bool_]],
    settings: EnhanceSettings,
    grid: Grid | None = None,
) -> Enhancement:
    """What stacks give together, each of which was enhanced alone.

    Args:
        alone: Result of each stack with its uncertainty.
        poses: What brings each stack onto the first one.
        dark: Which slices of each stack lost their signal and were filled (`medsr.fusion.slices`), (n,).
        settings: What is asked.
        grid: Grid of the result; None: the fine grid of the first stack.

    Raises:
        InputError: stacks that do not belong together.
    """
    first = alone[0]
    target, inner = (
        (own_grid(first), WHOLE_GRID) if grid is None else grid.widened(thickest_mm([one.residual for one in alone]))
    )
    width = scale_of(measured(first), first.volume.modality).width
    begun = placed(alone, poses, dark, None if grid is None else target)
    x, stacks, prior = _agreed(begun, target, width)
    floor = floor_of(first.residual.with_data(measured(first)))
    x = x.clamp_min(floor)
    left = [stack.left(x) for stack in stacks]
    residuals = [
        _rms(values[stack.used]) / max(stack.noise, NOISE_FLOOR * width)
        for values, stack in zip(left, stacks, strict=True)
    ]
    x[~prior.shown] = floor
    volume, shown = first.volume.with_data(x[inner].numpy()), float(prior.shown[inner].float().mean())
    if grid is not None:
        volume = replace(volume, affine=grid.affine, slice_axis=None, thickness_mm=None)
    uncertainty = None
    if settings.mode == "uncertainty":
        uncertainty = volume.with_data(prior.combined[inner].numpy())
    record = replace(
        first.record,
        task=first.record.task if grid is None else first.record.task | _on(grid, shown),
        settings=settings.facts(),
        residual=max(residuals),
        drift=-float(left[0].mean()) / width,
        overshoot=None,
        ripple=None,
        roughness=None,
        uncertainty_rms=None if uncertainty is None else _rms(uncertainty.data) / width,
        warnings=(*_beyond(shown, floor), *_warnings(stacks, residuals, float(min(volume.spacing_mm)))),
        uncertainty={} if uncertainty is None else {"calibrated": False},
        stacks=tuple(stack.facts(residual) for stack, residual in zip(stacks, residuals, strict=True)),
    )
    acquisition = replace(first.acquisition, op=stacks[0].op.profile)
    return Enhancement(volume, uncertainty, first.residual.with_data(left[0]), record, acquisition)


def _agreed(stacks: Sequence[Stack], target: Grid, width: float) -> tuple[Tensor, Sequence[Stack], Prior]:
    """The image that agrees with every stack, (I, J, K), the stacks as they were judged, and what was expected.

    Each stack is first compared with what the others show of it: which of its slices stay much further off than their
    detail explains. Those moved or lost some of their signal: what they are off by is counted as their error, and once
    the image is solved for they are looked for where they may lie.
    """
    others = shown_by_others(stacks, prior_of(stacks, target, width), width, FEW_STEPS)
    judged = [stack.doubted(image) for stack, image in zip(stacks, others, strict=True)]
    start = torch.stack(others).mean(0)
    x, prior = _solved(judged, target, width, start)
    if all(stack.trusted.all() for stack in judged):
        return x, judged, prior
    placed = [stack.placed(x, target) for stack in judged]
    x, prior = _solved(placed, target, width, x)
    return x, placed, prior


def _solved(stacks: Sequence[Stack], target: Grid, width: float, start: Tensor) -> tuple[Tensor, Prior]:
    prior = prior_of(stacks, target, width)
    terms = [term for stack in stacks for term in stack.terms(MISMATCH * width)]
    return estimate(terms, prior.mean, prior.deviation, start), prior


def _on(grid: Grid, shown: float) -> dict[str, Any]:
    """What a record says of a grid that was asked for; `shown` is the share of it that a stack shows."""
    return {
        "fine_shape": list(grid.shape),
        "fine_spacing_mm": [round(float(h), 4) for h in grid.spacing_mm],
        "grid": {"affine": np.round(grid.affine, 6).tolist(), "shown": round(shown, 4)},
    }


def _beyond(shown: float, floor: float) -> tuple[str, ...]:
    if shown == 1:
        return ()
    return (f"{1 - shown:.1%} of the grid lies beyond every stack: its voxels hold {floor:g} and show nothing",)


def _warnings(stacks: Sequence[Stack], residuals: Sequence[float], spacing_mm: float) -> tuple[str, ...]:
    said: dict[str, None] = {}
    for number, (stack, residual) in enumerate(zip(stacks, residuals, strict=True), start=1):
        for text in stack.alone.record.warnings:
            said[f"stack {number}: {text}"] = None
        lost, moved = np.flatnonzero(stack.dark).tolist(), dict(sorted(stack.moves.items()))
        if lost:
            said[f"stack {number}: without signal and left out: {_numbered(lost)}"] = None
        if moved:
            far = max(one.shift_mm for one in moved.values())
            said[f"stack {number}: moved by up to {far:.1f} mm and taken from there: {_numbered(moved)}"] = None
        if doubted := np.flatnonzero(stack.off).tolist():
            said[f"stack {number}: at odds with the other stacks and counted less: {_numbered(doubted)}"] = None
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


def _numbered(slices: Iterable[int]) -> str:
    numbers = [str(k) for k in slices]
    return f"slice{'s' * (len(numbers) > 1)} {', '.join(numbers)} (from 0)"


def _part(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda stage, done, total: on_progress(stage, number * total + done, count * total)


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0
