"""Slices of a stack that lost their signal, and where slices lay that moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from torch import Tensor

from medsr.fusion.grid import Grid
from medsr.physics.assumption import slice_axis_of
from medsr.physics.ops import PosedSlices
from medsr.volume import Volume

LOST = 0.75  # of the signal on both sides
REACH = 2  # slices to either side that are looked at, so that two dark ones in a row are found
FARTHEST = 6.0  # degrees or mm: a slice that seems to have moved by as much was not found
SMOOTHING_MM = (2.5, 0.0)  # of what is left, coarse then fine


@dataclass(frozen=True)
class Move:
    """Where a slice lay.

    Attributes:
        matrix: (4, 4) float64, in voxels of the target: from where its stack has it to where it lay.
        shift_mm: Length of the shift of its centre.
        turn_deg: Angle of the turn.
        rms: Root mean square by which the slice stays off the image there, in the unit of the first stack.
    """

    matrix: NDArray[np.float64]
    shift_mm: float
    turn_deg: float
    rms: float


def dark_slices(stack: Volume) -> NDArray[np.bool_]:
    """Which slices of an MR stack, along its slice axis, are darker than those on both sides of them.

    Motion during a slice, or a pulse of its neighbours, takes its signal. A slice is dark where its mean above the
    darkest voxel is less than `LOST` of that of the brightest slice near it on either side. In CT none is.
    """
    means = np.moveaxis(stack.data, slice_axis_of(stack), 0).reshape(stack.shape[slice_axis_of(stack)], -1).mean(axis=1)
    means = means - stack.data.min()
    dark = np.zeros(means.size, np.bool_)
    if stack.modality == "CT":
        return dark
    for k in range(1, means.size - 1):
        sides = means[max(0, k - REACH) : k].max(), means[k + 1 : k + 1 + REACH].max()
        dark[k] = means[k] < LOST * min(sides)
    return dark


def filled(stack: Volume, dark: NDArray[np.bool_]) -> Volume:
    """The stack, its dark slices interpolated linearly between the nearest ones that are not."""
    if not dark.any():
        return stack
    across = slice_axis_of(stack)
    data = np.array(np.moveaxis(stack.data, across, 0))
    good = np.flatnonzero(~dark)
    for k in np.flatnonzero(dark):
        before, after = good[good < k].max(), good[good > k].min()
        share = np.float32((k - before) / (after - before))
        data[k] = (1 - share) * data[before] + share * data[after]
    return replace(stack, data=np.ascontiguousarray(np.moveaxis(data, 0, across)))


def place_of(
    y: NDArray[np.float32], seen: NDArray[np.bool_], op: PosedSlices, finer: Tensor, target: Grid, noise: float
) -> Move | None:
    """Where a slice lay in an image that others tell of: robust least squares over its turn and shift.

    Args:
        y: The slice, (a, b).
        seen: Where it counts, (a, b).
        op: Operator of this one slice, at the place where its stack or an earlier round has it.
        finer: The image, oversampled (`Posed.finer`), float64.
        target: Grid of the image.
        noise: Residual of an ordinary slice, above 0: what is off by much more counts less.

    Returns:
        The move from where the stack has the slice, or None where it was not found.
    """
    middle = _middle(op, target)
    into, back = np.linalg.inv(target.affine), target.affine
    in_plane = [axis for axis in range(3) if axis != op.across]
    wide = np.linalg.norm((target.affine @ op.posed.into)[:3, in_plane], axis=0)

    def off(six: NDArray[np.float64], sigma_mm: float) -> NDArray[np.float64]:
        predicted = op.seen(finer, 0, into @ _rigid(six, middle) @ back).numpy()
        difference = np.where(seen, y - predicted, 0.0)
        if sigma_mm:
            difference = ndimage.gaussian_filter(difference, sigma_mm / wide)
        return np.asarray(difference.ravel() / noise)

    six = np.zeros(6)
    for sigma_mm in SMOOTHING_MM:
        six = least_squares(off, six, loss="soft_l1", args=(sigma_mm,), max_nfev=20).x
    if np.abs(six).max() >= FARTHEST:
        return None
    rms = float(np.sqrt(np.mean(off(six, 0.0)[seen.ravel()] ** 2))) * noise
    matrix = into @ _rigid(six, middle) @ back
    return Move(matrix, float(np.linalg.norm(six[3:])), float(np.linalg.norm(six[:3])), rms)


def _rigid(six: NDArray[np.float64], middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, 4): a turn about a point, as a vector in degrees, then a shift in mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(six[:3])).as_matrix()
    matrix[:3, 3] = middle + six[3:] - matrix[:3, :3] @ middle
    return matrix


def _middle(op: PosedSlices, target: Grid) -> NDArray[np.float64]:
    """Centre of the first slice of an operator, RAS+ mm in the first stack."""
    centre = (np.array(op.posed.fine_shape) - 1) / 2
    n_slices = op.posed.fine_shape[op.across] if op.axis is None else op.axis.n_coarse
    centre[op.across] = (op.numbers[0] + 0.5) * op.posed.fine_shape[op.across] / n_slices - 0.5
    return np.asarray((target.affine @ op.posed.into @ [*centre, 1])[:3])
