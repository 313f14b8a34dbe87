"""Several stacks of thick slices of one body, made of one scan: each across another axis, where it lay, in its unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medsr.physics.acquisition import Acquisition
from medsr.physics.tasks import ANTERIOR, RIGHT, SUPERIOR, Task, degrade
from medsr.volume import Volume

ACROSS = (SUPERIOR, ANTERIOR, RIGHT)  # axes of the slices of the stacks
TURN_DEG, SHIFT_MM, SCALE = 5.0, 5.0, 1.4  # of a stack that is moved, at most; brighter or darker, in MR


@dataclass(frozen=True)
class MadeStack:
    """A stack that was made of a reference.

    Attributes:
        scan: The stack.
        acquisition: How it was acquired, the true or the assumed way, from the grid of the reference in RAS order.
        pose: (4, 4), from RAS+ mm in the stack to RAS+ mm in the reference.
        scale: Intensities of the stack per intensity of the reference.
    """

    scan: Volume
    acquisition: Acquisition
    pose: NDArray[np.float64]
    scale: float


def stacks_of(reference: Volume, task: Task, seed: int = 0) -> tuple[MadeStack, ...]:
    """The stacks that a task makes of a reference; the first one is what `degrade` makes of it.

    Args:
        reference: High-resolution scan in any orientation.
        task: What is asked of it.
        seed: Random seed for where the stacks lie, their scales and their noise.

    Raises:
        UsageError: the scan is too coarse or too small for the task.
    """
    turned = reference.to_ras()
    made = []
    for number, across in enumerate(ACROSS[: task.stacks] if task.stacks > 1 else (None,)):
        pose, scale = np.eye(4), 1.0
        if task.moved and number:
            rng = np.random.default_rng([seed, number])
            pose = motion(turned, rng)
            scale = 1.0 if turned.modality == "CT" else float(SCALE ** (rng.choice((-1, 1)) * rng.uniform(0.5, 1)))
        truth = seen(turned, pose, scale)
        made.append(MadeStack(*degrade(truth, task, (seed + number) % 2**64, across), pose, scale))
    return tuple(made)


def motion(
    scan: Volume, rng: np.random.Generator, most_deg: float = TURN_DEG, most_mm: float = SHIFT_MM
) -> NDArray[np.float64]:
    """(4, 4): a turn about the middle of a scan and a shift, both in a random direction and at least half the most."""
    axis, way = (_direction(rng) for _ in range(2))
    angle, length = most_deg * rng.uniform(0.5, 1), most_mm * rng.uniform(0.5, 1)
    matrix = np.eye(4)
    middle = (scan.affine @ [*(np.array(scan.shape) - 1) / 2, 1])[:3]
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(angle) * axis).as_matrix()
    matrix[:3, 3] = middle + length * way - matrix[:3, :3] @ middle
    return matrix


def seen(scan: Volume, pose: NDArray[np.float64], scale: float = 1.0) -> Volume:
    """A scan that was moved, on the same grid and in another unit; arguments as of `MadeStack`.

    What comes in at a face repeats the outermost voxels.
    """
    data = scan.data
    if not np.array_equal(pose, np.eye(4)):
        into = np.linalg.inv(scan.affine) @ pose @ scan.affine
        data = ndimage.affine_transform(data, into[:3, :3], into[:3, 3], order=3, mode="nearest")
    return scan.with_data(np.asarray(scale * data, np.float32))


def _direction(rng: np.random.Generator) -> NDArray[np.float64]:
    v = rng.normal(size=3)
    return np.asarray(v / np.linalg.norm(v))
