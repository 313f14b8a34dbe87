"""The floor of a scan: a posterior mean should be nowhere darker than the scan itself.

Beside sharp borders an inversion undershoots. What lies below the floor is raised to it, and the answer brought back to
what was measured, in turn (projections onto two convex sets, Youla & Webb 1982).
"""

from __future__ import annotations

from torch import Tensor

from medsr.model.intensity import CT_LOW_HU
from medsr.physics.ops import Separable
from medsr.volume import Volume

# The profile of k-space reaches far: with every round a region differs more from the same part of the whole scan.
ROUNDS, ROUNDS_IN_K_SPACE = 5, 2


def floor_of(volume: Volume) -> float:
    """The lowest value of a scan, of CT no more than air, in the scan's unit."""
    lowest = float(volume.data.min())
    return min(lowest, CT_LOW_HU) if volume.modality == "CT" else lowest


def raised_to(floor: float, x: Tensor, op: Separable) -> Tensor:
    """An image with the same measurement A x, and little of it below the floor.

    Args:
        floor: Lowest value, in the unit of `x`.
        x: Image (..., I, J, K) on the fine grid of `op`.
        op: Operator of the acquisition.
    """
    if not bool((x < floor).any()):
        return x
    in_k_space = any(axis is not None and axis.profile == "kspace" for axis in op.axes)
    measured = op(x)
    for _ in range(ROUNDS_IN_K_SPACE if in_k_space else ROUNDS):
        x = op.prox(x.clamp_min(floor), measured, 0.0)
    return x
