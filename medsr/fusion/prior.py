"""What the network expects of the image: the results of all stacks, each alone, weighted by what they know."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from medsr.fusion.grid import Grid
from medsr.fusion.stack import Stack, places_in, resampled

DOUBTED = 0.01  # weight at slices that moved or lost their signal
LEAST_DEVIATION = 1e-3  # of the range: the least that a result may be off by
AGREEMENT = 1 / 3  # exponent of the number of results: 1 / 2 if their errors were independent, 0 if they were the same


@dataclass(frozen=True)
class Prior:
    """What is expected, in the unit of the first stack, all (I, J, K).

    Attributes:
        mean: Mean of the stacks' results, weighted by their precision (one over the variance).
        deviation: Its standard deviation, as if all results were off alike: their errors are not independent, as one
            network made them of one body.
        combined: The same for errors that are independent in part, what agreement between stacks is worth. On three
            training scans the intervals then covered as much of two and three stacks as of one.
        shown: Which voxels a stack shows, bool; beyond all of them the mean repeats the nearest voxel that one shows.
    """

    mean: Tensor
    deviation: Tensor
    combined: Tensor
    shown: Tensor


def prior_of(stacks: Sequence[Stack], target: Grid, width: float) -> Prior:
    """What is expected of the image.

    The variance of a result is large where it had to guess, so that a stack which measured there outweighs it. Towards
    the faces of its field of view a stack counts less and less over one slice, so that no seam is left where it ends,
    and hardly at slices that moved or lost their signal.

    Args:
        stacks: The stacks.
        target: Grid that is solved for.
        width: Units of the first stack per unit of the model range.
    """
    total, precision, count = (torch.zeros(target.shape) for _ in range(3))
    weights = _weights(stacks, target)
    for stack, weight in zip(stacks, weights, strict=True):
        alone, factor = stack.alone, stack.line.slope * _gain(stack, target)
        mean = factor * resampled(alone.volume, stack.pose, target) + stack.line.offset
        if alone.uncertainty is None:
            raise ValueError("the prior needs the uncertainty of every stack")
        deviation = factor * resampled(alone.uncertainty, stack.pose, target).clamp_min(0) + LEAST_DEVIATION * width
        total += weight * mean / deviation**2
        precision += weight / deviation**2
        count += weight
    shown = count > 0
    mean, deviation = total / precision, torch.sqrt(count / precision)
    combined = deviation * count**-AGREEMENT
    if not shown.all():
        nearest = ndimage.distance_transform_edt(~shown.numpy(), return_distances=False, return_indices=True)
        mean = mean[tuple(torch.from_numpy(nearest))]
        deviation[~shown] = LEAST_DEVIATION * width
        combined[~shown] = width
    return Prior(mean, deviation, combined, shown)


def _gain(stack: Stack, target: Grid) -> Tensor | float:
    """Slow gain of a stack on the target grid, (I, J, K), its faces continued; 1 where it has none."""
    gain = stack.line.gain
    if isinstance(gain, float):
        return gain
    places = places_in(stack.alone.residual, stack.pose, target)
    sampled = ndimage.map_coordinates(gain, places, order=1, mode="nearest")
    return torch.from_numpy(np.asarray(sampled, np.float32).reshape(target.shape))


def _weights(stacks: Sequence[Stack], target: Grid) -> list[Tensor]:
    """How much the result of each stack alone counts, 0 to 1, (I, J, K); 0 beyond its field of view."""
    reach = [_reach(one, target) for one in stacks]
    if _covers(stacks[0], target):
        reach[0] = np.ones(target.shape, np.float32)
    most = np.maximum.reduce(reach)  # the only stack at a place counts fully up to its faces
    seen = [np.divide(one, most, out=np.zeros_like(one), where=most > 0) for one in reach]
    return [torch.from_numpy(one * _trust(stack, target)) for one, stack in zip(seen, stacks, strict=True)]


def _reach(stack: Stack, target: Grid) -> NDArray[np.float32]:
    """From 0 at the faces of a stack and beyond to 1 one slice within, (I, J, K)."""
    coarse = stack.alone.residual
    n, h = np.array(coarse.shape)[:, None], coarse.spacing_mm[:, None]
    places = places_in(coarse, stack.pose, target)
    depth = (np.minimum(places + 0.5, n - 0.5 - places) * h).min(axis=0)
    reach = np.clip(depth / float(coarse.spacing_mm.max()), 0.0, 1.0)
    return np.asarray(reach.reshape(target.shape), np.float32)


def _covers(stack: Stack, target: Grid) -> bool:
    """Whether a stack shows all of the target."""
    corners = np.array(list(itertools.product(*((0, n - 1) for n in target.shape), (1,))))
    coarse = stack.alone.residual
    places = (np.linalg.inv(stack.pose.matrix @ coarse.affine) @ target.affine @ corners.T)[:3]
    return bool(np.all((places > -0.5) & (places < np.array(coarse.shape)[:, None] - 0.5)))


def _trust(stack: Stack, target: Grid) -> NDArray[np.float32] | float:
    """1, and `DOUBTED` at slices that moved or lost their signal, (I, J, K)."""
    if stack.trusted.all():
        return 1.0
    of_slices = np.where(stack.trusted, 1.0, DOUBTED)
    places = places_in(stack.alone.residual, stack.pose, target)[stack.across]
    trust = np.interp(places, np.arange(of_slices.size), of_slices)
    return np.asarray(trust.reshape(target.shape), np.float32)
