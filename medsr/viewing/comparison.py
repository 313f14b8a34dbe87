"""A scan on the grid of what was made of it: what simple interpolation shows there, and what was changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from medsr import affine as grids
from medsr.acquisition import Acquisition, acquisition_of
from medsr.errors import UsageError
from medsr.ops import Profile
from medsr.region import Box, crop
from medsr.volume import Volume

SAME_PLACE_VOX = 0.1  # of a coarse voxel: as far as two grids of one field of view may disagree
DIFFERENT = (
    "the two scans do not cover one field of view voxel by voxel; choose the scan that the result was made of, "
    "and a result of the whole scan"
)


@dataclass(frozen=True)
class Aligned:
    """A coarse scan, cut to a finer one's field of view, both in RAS order.

    Attributes:
        scan: the coarse scan.
        finer: the finer one.
        acquisition: from the finer grid to the coarse one.
    """

    scan: Volume
    finer: Volume
    acquisition: Acquisition


def aligned(scan: Volume, finer: Volume, profile: Profile = "gaussian", thickness_mm: float | None = None) -> Aligned:
    """A scan and what was made of all of it, or of a region at whole factors, brought together.

    Args:
        scan: the coarse scan.
        finer: of the same field of view or a box of its voxels.
        profile: of the acquisition.
        thickness_mm: of the slices, None for what the headers say.

    Raises:
        UsageError: the grids do not belong together.
    """
    scan, finer = scan.to_ras(), finer.to_ras()
    corner = np.linalg.inv(scan.affine) @ finer.affine @ [-0.5, -0.5, -0.5, 1]
    extent = np.linalg.inv(scan.affine[:3, :3]) @ finer.affine[:3, :3] @ np.diag(finer.shape)
    start, size = np.rint(corner[:3] + 0.5).astype(int), np.rint(np.diag(extent)).astype(int)
    off = max(np.abs(corner[:3] + 0.5 - start).max(), np.abs(extent - np.diag(size)).max())
    if off > SAME_PLACE_VOX or np.any(start < 0) or np.any(start + size > scan.shape) or np.any(size < 1):
        raise UsageError(DIFFERENT)
    box = Box((int(start[0]), int(start[1]), int(start[2])), tuple(int(n) for n in start + size))  # type: ignore[arg-type]
    part = crop(scan, box)
    factors = [n / m for n, m in zip(finer.shape, part.shape, strict=True)]
    acquisition = acquisition_of(part, factors=factors, profile=profile, thickness_mm=thickness_mm)
    if acquisition.fine_shape != finer.shape:
        raise UsageError("the second scan is no finer than the first; choose the scan and what was made of it")
    return Aligned(part, finer, acquisition)


def factors_onto(scan: Volume, reference: Volume) -> tuple[float, float, float]:
    """Factors that bring a scan onto the grid of a reference of the same field of view, on the scan's stored axes.

    Raises:
        UsageError: the reference covers another field of view, or is coarser.
    """
    turned, fine = scan.to_ras(), reference.to_ras()
    corners = [grids.fov_corners(volume.affine, volume.shape) for volume in (turned, fine)]
    if np.abs(corners[0] - corners[1]).max() > SAME_PLACE_VOX * float(turned.spacing_mm.min()):
        raise UsageError("the chosen layer covers another field of view than the scan; give a spacing instead")
    ratio = np.array(fine.shape) / turned.shape
    if np.any(ratio < 1):
        raise UsageError("the chosen layer is coarser than the scan; choose a finer one or give a spacing")
    order = np.argmax(np.abs(scan.affine[:3, :3] / scan.spacing_mm), axis=0)
    i, j, k = (float(ratio[axis]) for axis in order)
    return i, j, k


def cubic_and_difference(scan: Volume, finer: Volume) -> tuple[Volume, Volume]:
    """The scan in cubic interpolation on the finer grid, and the finer scan minus that; both in RAS order.

    On the grid of a whole scan it is the baseline `cubic`; here any grid along the same axes will do, so that a region
    can be compared whatever the factor.

    Raises:
        UsageError: the two scans do not lie along the same axes, or the finer one reaches outside.
    """
    turned, fine = scan.to_ras(), finer.to_ras()
    onto = np.linalg.inv(turned.affine) @ fine.affine
    steps, offset = np.diag(onto)[:3], onto[:3, 3]
    last = offset + steps * (np.array(fine.shape) - 1)
    least = min(offset.min(), (np.array(turned.shape) - 1 - last).min())
    if np.abs(onto[:3, :3] - np.diag(steps)).max() > 1e-3 or least < -0.5 - SAME_PLACE_VOX:
        raise UsageError(DIFFERENT)
    data = np.asarray(turned.data, dtype=np.float32)
    plain = ndimage.affine_transform(data, steps, offset, fine.shape, order=3, mode="reflect")
    as_map = replace(fine.source, dtype="float32")
    return fine.with_data(plain), replace(fine, data=fine.data - plain, source=as_map)


def tensor_of(volume: Volume) -> Tensor:
    """Voxels (I, J, K) as a tensor of their own."""
    return torch.from_numpy(np.array(volume.data))
