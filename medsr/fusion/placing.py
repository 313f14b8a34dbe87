"""Stacks in the place and the unit of the first one, as they begin: nothing of one is judged by the others yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from medsr.enhancement.result import Enhancement
from medsr.errors import InputError
from medsr.fusion.grid import Grid
from medsr.fusion.stack import SAME, UNIT, Stack, covered_by, measured, operator, resampled
from medsr.physics.ops import Posed
from medsr.registration.intensities import Line, line_onto, with_slow_gain
from medsr.registration.rigid import Rigid

BODY = 0.15  # of the 99th percentile of what the first stack shows: what is darker is background
TRIMMED, FAR = 10, 3.0  # fits of the line, without what is further off than this times the median
FEWEST_VOX = 200  # of the stack that show the body in both
FEWEST_IN_SLICE = 20  # of those, for a correlation
# Training scans and a knee in two orientations correlate by 0.82 to 0.95, T1w and FLAIR of one head by 0.55, T1w of two
# heads by 0.60, T1w and T2w by less than 0.1.
LEAST_CORRELATION = 0.7


def placed(
    alone: Sequence[Enhancement],
    poses: Sequence[Rigid],
    dark: Sequence[NDArray[np.bool_]],
    target: Grid | None = None,
) -> list[Stack]:
    """The stacks on a grid, each with the line that takes its intensities to the unit of the first one.

    Args:
        alone: Result of each stack with its uncertainty.
        poses: What brings each stack onto the first one.
        dark: Which slices of each stack lost their signal and were filled (`medsr.fusion.slices`), (n,).
        target: Grid that is solved for; None: the fine grid of the first stack.

    Raises:
        InputError: stacks that do not belong together.
    """
    own = own_grid(alone[0])
    expected = resampled(alone[0].volume, SAME, own)
    found: list[Stack] = []
    for number, (one, pose, lost) in enumerate(zip(alone, poses, dark, strict=True)):
        op = operator(one.acquisition, pose, own)
        covered = covered_by(op)
        line = line_of(one, op, covered, expected, number + 1) if number else UNIT
        if target is not None:
            op = operator(one.acquisition, pose, target)
            covered = covered_by(op)
        found.append(Stack(one, pose, line, op, covered, lost))
    return found


def own_grid(alone: Enhancement) -> Grid:
    """The fine grid of a stack that was enhanced alone."""
    return Grid(alone.acquisition.fine_shape, alone.acquisition.fine_affine)


def line_of(alone: Enhancement, op: Posed, covered: NDArray[np.bool_], expected: Tensor, number: int) -> Line:
    """The line that takes a stack's intensities to the unit of the first one, from what that one predicts of it.

    Both are smoothed over two of the thickest voxels first: what each lost along its slices would pass for a change of
    contrast. Places that stay far off the line, such as slices without signal, are left out of it. The correlation is
    that before the smoothing, the median over slices.

    Args:
        alone: Result of the stack alone.
        op: Operator from the target grid to the stack.
        covered: Which of its voxels the target grid covers, (i, j, k).
        expected: What the first stack gives on the target grid, (I, J, K).
        number: Number of the stack, for messages.

    Raises:
        InputError: too little of the body is in both, or they show different things.
    """
    y, x = measured(alone), op(expected).numpy()
    body = covered & (x - x.min() > BODY * (np.percentile(x[covered], 99) - x.min())) if covered.any() else covered
    if np.count_nonzero(body) < FEWEST_VOX or np.ptp(y[body]) == 0 or np.ptp(x[body]) == 0:
        raise InputError(
            f"stack {number} and the first one share {np.count_nonzero(body)} voxels of the body; expected at least "
            f"{FEWEST_VOX}: check that they show the same part of it"
        )
    correlation = _correlation(y, x, body, int(np.argmax(alone.residual.spacing_mm)))
    if not correlation >= LEAST_CORRELATION:
        raise InputError(
            f"stack {number} and the first one correlate by {correlation:.2f} where both show the body; expected at "
            f"least {LEAST_CORRELATION:g}: fuse stacks of one body and one contrast"
        )
    spacing = alone.residual.spacing_mm
    sigma = spacing.max() / spacing
    smooth_y, smooth_x = (_smooth(values, body, sigma)[body] for values in (y, x))
    line = line_onto(smooth_y, smooth_x, alone.volume.modality)
    places = np.array(np.nonzero(body))
    for _ in range(TRIMMED):
        gain = line.gain if isinstance(line.gain, float) else line.gain[body]
        off = np.abs(line.slope * gain * smooth_y + line.offset - smooth_x)
        near = off <= FAR * np.median(off)
        line = line_onto(smooth_y[near], smooth_x[near], alone.volume.modality)
        if alone.volume.modality == "MR":
            line = with_slow_gain(line, smooth_y[near], smooth_x[near], places[:, near], y.shape)
    return replace(line, correlation=correlation)


def _correlation(y: NDArray[np.float32], x: NDArray[np.float32], body: NDArray[np.bool_], across: int) -> float:
    """Median over the slices, across one axis, of the correlation in the body."""
    found = []
    for one, other, inside in zip(*(np.moveaxis(values, across, 0) for values in (y, x, body)), strict=True):
        a, b = one[inside], other[inside]
        if a.size >= FEWEST_IN_SLICE and np.ptp(a) > 0 and np.ptp(b) > 0:
            found.append(np.corrcoef(a, b)[0, 1])
    return float(np.median(found)) if found else 0.0


def _smooth(values: NDArray[np.float32], body: NDArray[np.bool_], sigma: Sequence[float]) -> NDArray[np.float64]:
    weight = ndimage.gaussian_filter(body.astype(np.float64), sigma, mode="constant")
    total = ndimage.gaussian_filter(np.where(body, values, 0.0).astype(np.float64), sigma, mode="constant")
    return np.asarray(total / np.maximum(weight, 1e-6))
