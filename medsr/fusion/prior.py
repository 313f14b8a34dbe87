"""What the network expects of the image: the results of all stacks, each alone, weighted by what they know."""

from __future__ import annotations

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
    """

    mean: Tensor
    deviation: Tensor
    combined: Tensor


def prior_of(stacks: Sequence[Stack], target: Grid, width: float) -> Prior:
    """What is expected of the image.

    The variance of a result is large where it had to guess, so that a stack which measured there outweighs it. Towards
    the faces of its field of view a stack counts less and less over one slice, so that no seam is left where it ends,
    and hardly at slices that moved or lost their signal.

    Args:
        stacks: The stacks; the first one covers the target grid.
        target: Grid that is solved for.
        width: Units of the first stack per unit of the model range.
    """
    total, precision, count = (torch.zeros(target.shape) for _ in range(3))
    for number, stack in enumerate(stacks):
        alone, factor = stack.alone, stack.line.slope * _gain(stack, target)
        mean = factor * resampled(alone.volume, stack.pose, target) + stack.line.offset
        if alone.uncertainty is None:
            raise ValueError("the prior needs the uncertainty of every stack")
        deviation = factor * resampled(alone.uncertainty, stack.pose, target).clamp_min(0) + LEAST_DEVIATION * width
        weight = torch.from_numpy(_weight(stack, target, whole=number == 0))
        total += weight * mean / deviation**2
        precision += weight / deviation**2
        count += weight
    deviation = torch.sqrt(count / precision)
    return Prior(total / precision, deviation, deviation * count**-AGREEMENT)


def _gain(stack: Stack, target: Grid) -> Tensor | float:
    """Slow gain of a stack on the target grid, (I, J, K), its faces continued; 1 where it has none."""
    gain = stack.line.gain
    if isinstance(gain, float):
        return gain
    places = places_in(stack.alone.residual, stack.pose, target)
    sampled = ndimage.map_coordinates(gain, places, order=1, mode="nearest")
    return torch.from_numpy(np.asarray(sampled, np.float32).reshape(target.shape))


def _weight(stack: Stack, target: Grid, whole: bool) -> NDArray[np.float32]:
    """How much the result of a stack alone counts, 0 to 1, (I, J, K); `whole`: it covers the target."""
    coarse = stack.alone.residual
    places = places_in(coarse, stack.pose, target)
    weight = np.ones(places.shape[1], np.float32)
    if not whole:
        n, h = np.array(coarse.shape)[:, None], coarse.spacing_mm[:, None]
        depth = (np.minimum(places + 0.5, n - 0.5 - places) * h).min(axis=0)
        weight = np.clip(depth / float(coarse.spacing_mm.max()), 0.0, 1.0).astype(np.float32)
    if not stack.trusted.all():
        of_slices = np.where(stack.trusted, 1.0, DOUBTED)
        weight *= np.interp(places[stack.across], np.arange(of_slices.size), of_slices).astype(np.float32)
    return weight.reshape(target.shape)
