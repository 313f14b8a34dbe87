"""What the network expects of the image: the results of all stacks, each alone, weighted by what they know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsr.fusion.grid import Grid
from medsr.fusion.stack import Stack, depth_mm, resampled

LEAST_DEVIATION = 1e-3  # of the range: the least that a result may be off by


@dataclass(frozen=True)
class Prior:
    """What is expected, in the unit of the first stack, all (I, J, K).

    Attributes:
        mean: Mean of the stacks' results, weighted by their precision (one over the variance).
        deviation: Its standard deviation, as if all results were off alike: their errors are not independent, as one
            network made them of one body.
        combined: The same as if they were independent, what agreement between stacks is worth.
    """

    mean: Tensor
    deviation: Tensor
    combined: Tensor


def prior_of(stacks: Sequence[Stack], target: Grid, width: float) -> Prior:
    """What is expected of the image.

    The variance of a result is large where it had to guess, so that a stack which measured there outweighs it. Towards
    the faces of its field of view a stack counts less and less over one slice, so that no seam is left where it ends.

    Args:
        stacks: The stacks; the first one covers the target grid.
        target: Grid that is solved for.
        width: Units of the first stack per unit of the model range.
    """
    total, precision, count = (torch.zeros(target.shape) for _ in range(3))
    for number, stack in enumerate(stacks):
        alone, slope = stack.alone, stack.line.slope
        mean = slope * resampled(alone.volume, stack.pose, target) + stack.line.offset
        if alone.uncertainty is None:
            raise ValueError("the prior needs the uncertainty of every stack")
        deviation = slope * resampled(alone.uncertainty, stack.pose, target).clamp_min(0) + LEAST_DEVIATION * width
        weight = torch.ones(target.shape)
        if number:
            depth = depth_mm(alone.volume, stack.pose, target) / float(alone.residual.spacing_mm.max())
            weight = torch.from_numpy(np.clip(depth, 0.0, 1.0))
        total += weight * mean / deviation**2
        precision += weight / deviation**2
        count += weight
    return Prior(total / precision, torch.sqrt(count / precision), torch.sqrt(1 / precision))
