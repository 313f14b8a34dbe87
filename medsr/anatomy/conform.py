"""A head on the grid that segmentation networks were trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.affine import fov_corners
from medsr.anatomy.meshnet import Place
from medsr.errors import InputError
from medsr.volume import Volume

SIDE = 256  # voxels of 1 mm along every axis
LIA = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
PERCENTILES = (2.0, 98.0)


def conformed_affine(scan: Volume) -> NDArray[np.float64]:
    """The grid of FreeSurfer's conformed scans, (4, 4): axes left, inferior, anterior, 1 mm, 256 voxels each.

    Voxel 128 of each axis lies where index n / 2 of the scan does, as `mri_convert -c` and `niimath -conform` have it.
    """
    centre = scan.affine @ np.append(np.array(scan.shape) / 2, 1.0)
    affine = np.eye(4)
    affine[:3, :3] = LIA
    affine[:3, 3] = centre[:3] - LIA @ np.full(3, SIDE / 2)
    return affine


def conformed(scan: Volume) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A scan on the conformed grid, by trilinear interpolation, its least value where it does not reach.

    Args:
        scan: Scan in any orientation.

    Returns:
        Intensities (256, 256, 256) in the scan's unit, and the affine of the grid.
    """
    affine = conformed_affine(scan)
    into = np.linalg.inv(scan.affine) @ affine
    outside = float(scan.data.min())
    data = ndimage.affine_transform(scan.data, into[:3, :3], into[:3, 3], (SIDE,) * 3, order=1, cval=outside)
    return np.asarray(data, dtype=np.float32), affine


def part_of_grid(affine: NDArray[np.float64], scan: Volume) -> tuple[Place, NDArray[np.bool_]]:
    """Where a scan lies on a conformed grid: the box around its field of view, and the voxels of it that lie inside.

    Args:
        affine: Affine of the grid, from `conformed`.
        scan: Scan, such as a crop of the one that was conformed.

    Returns:
        The box, and a mask of its shape: centres of voxels that lie in the field of view.
    """
    into = np.linalg.inv(affine)
    corners = fov_corners(scan.affine, scan.shape) @ into[:3, :3].T + into[:3, 3]
    start = np.clip(np.ceil(corners.min(axis=0)), 0, SIDE).astype(int)
    stop = np.clip(np.floor(corners.max(axis=0)) + 1, start, SIDE).astype(int)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    back = np.linalg.inv(scan.affine) @ affine
    places = np.stack(np.meshgrid(*(np.arange(one.start, one.stop) for one in (i, j, k)), indexing="ij"), axis=-1)
    index = places @ back[:3, :3].T + back[:3, 3]
    inside = ((index >= -0.5) & (index < np.array(scan.shape) - 0.5)).all(axis=-1)
    return (i, j, k), np.asarray(inside)


def scaled(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intensities cut at the 2nd and 98th percentile of all voxels and brought to 0..1.

    Raises:
        InputError: both percentiles are the same.
    """
    low, high = (float(value) for value in np.percentile(data, PERCENTILES))
    if not high > low:
        raise InputError(
            f"nearly all of the {SIDE} mm cube around the scan holds one value ({low:g}); a whole head in air is needed"
        )
    return np.asarray(np.clip((data - low) / (high - low), 0, 1), dtype=np.float32)
