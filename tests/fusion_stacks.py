"""Thick stacks of the shipped sample in several orientations, where they lie known; and as DICOM series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from dicom_phantoms import Edit, write_classic
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medsr.io import load
from medsr.physics.acquisition import on_grids
from medsr.registration.rigid import Rigid
from medsr.samples import sample_path
from medsr.volume import Volume

THICK_MM = 4.0


def truth(side: int = 48) -> Volume:
    """The middle of the shipped sample, `side` voxels along every axis, taken as 1 mm wide."""
    scan = load(sample_path()).to_ras()
    start = [(n - side) // 2 for n in scan.shape]
    data = np.ascontiguousarray(scan.data[tuple(slice(a, a + side) for a in start)])
    return Volume(data, np.eye(4))


def stack(scan: Volume, axis: int, moved: NDArray[np.float64] | None = None) -> Volume:
    """Slices of 4 mm across an axis; `moved` (4, 4) takes a place in its header to the one in the scan."""
    shape = list(scan.shape)
    shape[axis] = round(shape[axis] * float(scan.spacing_mm[axis]) / THICK_MM)
    acquisition = on_grids(scan.affine, scan.shape, shape, "gaussian", None)
    data = np.array(scan.data)
    if moved is not None:
        into = np.linalg.inv(scan.affine) @ moved @ scan.affine
        data = ndimage.affine_transform(data, into[:3, :3], into[:3, 3], order=3, mode="nearest")
    thick = acquisition.op(torch.from_numpy(data)).numpy()
    return replace(scan, data=thick, affine=acquisition.coarse_affine, slice_axis=axis)


def write_series(folder: Path, scan: Volume, edit: Edit | None = None) -> Path:
    """A stack as a DICOM series, its slices ascending as the standard counts them; `edit` as of `write_classic`."""
    across = int(np.argmax(scan.spacing_mm))
    order = [*(axis for axis in range(3) if axis != across), across]
    data, matrix = scan.data.transpose(order), scan.affine[:, [*order, 3]].copy()
    if np.linalg.det(matrix[:3, :3]) < 0:
        data = data[:, :, ::-1]
        matrix[:3, 3] += (data.shape[2] - 1) * matrix[:3, 2]
        matrix[:3, 2] *= -1
    write_classic(folder, np.ascontiguousarray(data).astype(np.int16), matrix, prefix=folder.name, edit=edit)
    return folder


def motion(scan: Volume, turn_deg: tuple[float, ...], shift_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """(4, 4): a turn about the middle of a scan, and a shift."""
    matrix = np.eye(4)
    middle = (scan.affine @ [*(np.array(scan.shape) - 1) / 2, 1])[:3]
    matrix[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    matrix[:3, 3] = middle + shift_mm - matrix[:3, :3] @ middle
    return matrix


def at(matrix: NDArray[np.float64]) -> Rigid:
    """A pose that is known."""
    return Rigid(matrix, 0.0, 0.0, 0.0)


def error(found: Volume, scan: Volume) -> float:
    """Root mean square error away from the faces."""
    inside = (slice(6, -6),) * 3
    return float(np.sqrt(np.mean((found.data - scan.data)[inside] ** 2)))
