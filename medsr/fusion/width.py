"""How wide the slices of a stack are, by what the other stacks show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.physics.ops import AxisSampling, Posed, Profile, Separable

FAMILIES: tuple[Profile, ...] = ("gaussian", "trapezoid")
WIDTHS = np.linspace(0.6, 1.5, 19)  # of the distance between slices
WORTH = 0.02  # of the squared error: what explains the slices no better than that by so much changes nothing
FEWEST_VOX = 1000
LEAST_TURN_DEG = 45.0  # between the normals of two stacks: with less, both blur the same detail


def is_shown(normal: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> bool:
    """Whether another stack runs another way, so that its planes show what lies across the slices of this one.

    Parallel stacks do not: both blur the same detail, and slices would pass for narrower than they are.

    Args:
        normal: Unit vector across the slices, (3,).
        others: Those of the other stacks.
    """
    return any(abs(normal @ other) <= np.cos(np.radians(LEAST_TURN_DEG)) for other in others)


def fitted(op: Posed, across: int, y: NDArray[np.float32], used: NDArray[np.bool_], others: Tensor) -> Posed:
    """The operator of a stack with the profile and width under which the others predict its slices best.

    The others show in their planes what lies across the slices of this one, so that no assumption on anatomy is needed.

    Args:
        op: Operator as it is assumed.
        across: Axis of the stack across its slices.
        y: Voxels of the stack, (i, j, k).
        used: Those that count, (i, j, k).
        others: The image that agrees with the other stacks, (I, J, K).

    Returns:
        The same operator where its slices are not resolved further, or nothing explains them clearly better.
    """
    axis = op.profile.axes[across]
    if axis is None or not axis.has_width or np.count_nonzero(used) < FEWEST_VOX:
        return op
    placed, mask = op.placed(others), torch.from_numpy(used)
    seen = torch.from_numpy(y)[mask]

    def error(one: AxisSampling) -> float:
        predicted = _with(op.profile, across, one)(placed)[mask]
        return float(torch.mean((predicted - seen) ** 2))

    tried = [
        replace(axis, profile=family, fwhm=float(width * axis.n_fine / axis.n_coarse))
        for family in FAMILIES
        for width in WIDTHS
    ]
    errors = [error(one) for one in tried]
    best = int(np.argmin(errors))
    if errors[best] > (1 - WORTH) * error(axis):
        return op
    return replace(op, profile=_with(op.profile, across, tried[best]))


def _with(profile: Separable, across: int, axis: AxisSampling) -> Separable:
    axes = list(profile.axes)
    axes[across] = axis
    return Separable((axes[0], axes[1], axes[2]))
