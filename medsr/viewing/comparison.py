"""A scan on the grid of what was made of it: what simple interpolation shows there, and what was changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from medsr import affine as grids
from medsr.errors import UsageError
from medsr.validation.pair_grids import DIFFERENT, SAME_PLACE_VOX
from medsr.volume import Volume


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
    """The scan in cubic interpolation on the result's grid, and the result minus that; both in RAS order.

    On the grid of a whole scan it is the baseline `cubic`; here any grid along the same axes will do, so that a region
    can be compared whatever the factor.

    Raises:
        UsageError: scan and result do not lie along the same axes, or the result reaches outside.
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
