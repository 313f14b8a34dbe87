"""Nodules to plant in the lung of a CT: which part of the scan is looked at, and where in its lung there is room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.anatomy.segmentation import LUNG_ABOVE_HU, lung_of
from medsr.enhancement.region import Box, crop
from medsr.physics.acquisition import Acquisition
from medsr.validation.planting import AT_A_SLICE, BETWEEN_SLICES, EDGE_MM, Lesion
from medsr.volume import Volume

DIAMETERS_MM = (10.0, 8.0, 6.0, 4.0)  # the largest first: they find room in few places
SOFT_TISSUE_HU = 25.0  # the middle of 0 to 50
APART_MM = 20.0  # twice the largest diameter
N_NODULES = 40
AROUND_MM = 2.0  # standard deviation of the neighbourhood whose density tells lung from the inside of an airway


def part_with_lung(scan: Volume, side_vox: int) -> tuple[Volume, NDArray[np.bool_]] | None:
    """The part of a scan that holds the most lung, at most `side_vox` voxels a side, and the lung in it.

    Args:
        scan: High-resolution scan.
        side_vox: Largest side of the part.

    Returns:
        Part and lung (I, J, K) bool; None where the scan is no CT or shows no lung.

    Raises:
        InputError: a CT shows no body.
    """
    if scan.modality != "CT":
        return None
    lung = lung_of(scan)
    if not lung.any():
        return None
    sizes = [min(n, side_vox) for n in scan.shape]
    held = ndimage.uniform_filter(lung.astype(np.float32), sizes, mode="constant")
    middle = np.unravel_index(int(np.argmax(held)), scan.shape)
    i, j, k = (min(max(0, int(m) - size // 2), n - size) for m, size, n in zip(middle, sizes, scan.shape, strict=True))
    box = Box((i, j, k), (i + sizes[0], j + sizes[1], k + sizes[2]))
    return crop(scan, box), lung[i : box.stop[0], j : box.stop[1], k : box.stop[2]]


def choose_nodules(
    part: Volume, lung: NDArray[np.bool_], acquisition: Acquisition, seed: int = 0
) -> tuple[Lesion, ...]:
    """Nodules of every size at and between slices in turn, at random places where only lung is around them.

    Vessels and airway walls that a scan shows as denser than -500 HU are no lung: a nodule keeps off them as off the
    chest wall, by at least a voxel. A size that finds no room is left out.

    Args:
        part: High-resolution scan.
        lung: Its lung, (I, J, K) bool.
        acquisition: Acquisition that the part is degraded by; slices are those along its coarsest axis.
        seed: Random seed for the places.
    """
    spacing, axis = part.spacing_mm, acquisition.coarsest_axis
    # what lies beyond the part is not known to be lung
    depth = ndimage.distance_transform_edt(np.pad(lung, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    tissue = ndimage.gaussian_filter(part.data, AROUND_MM / spacing) > LUNG_ABOVE_HU
    margin = EDGE_MM / 2 + float(spacing.max())  # a voxel of lung is left around
    room = tissue & (depth > min(DIAMETERS_MM) / 2 + margin)
    candidates = np.random.default_rng(seed).permutation(np.argwhere(room), axis=0)
    planes = np.arange(part.shape[axis])[:, None]
    centres = {kind: at[np.abs(planes - at).argmin(1)] for kind, at in slice_positions(acquisition).items()}
    kinds = [(diameter, kind) for diameter in DIAMETERS_MM for kind in centres]
    chosen: list[Lesion] = []
    for number in range(N_NODULES):
        diameter, kind = kinds[number % len(kinds)]
        nearest = centres[kind][candidates[:, axis]]
        off = np.abs(candidates[:, axis] - nearest)
        needed = diameter / 2 + margin + off * spacing[axis]
        fits = np.flatnonzero((off <= 0.5) & (depth[tuple(candidates.T)] > needed))
        if fits.size:
            i, j, k = (float(nearest[fits[0]]) if a == axis else float(p) for a, p in enumerate(candidates[fits[0]]))
            chosen.append(Lesion((i, j, k), diameter, kind, axis))
            candidates = candidates[np.linalg.norm((candidates - (i, j, k)) * spacing, axis=1) > APART_MM]
        if not len(candidates):
            break
    return tuple(chosen)


def slice_positions(acquisition: Acquisition) -> dict[str, NDArray[np.floating]]:
    """Positions along the slices' axis, in voxels of the fine grid: middles of slices, and midway between two."""
    axis = acquisition.coarsest_axis
    factor, n_slices = acquisition.factors[axis], acquisition.coarse_shape[axis]
    return {
        AT_A_SLICE: (np.arange(n_slices) + 0.5) * factor - 0.5,
        BETWEEN_SLICES: np.arange(1, n_slices) * factor - 0.5,
    }


def nodule_height(part: Volume, lung: NDArray[np.bool_]) -> float:
    """What a nodule adds to the lung, in HU: soft tissue over the lung's median density."""
    return SOFT_TISSUE_HU - float(np.median(part.data[lung]))
