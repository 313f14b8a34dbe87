"""The structures of a scan: of a T1w head by a network, of a CT by the two densities that no network is needed for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medsr.affine import axis_codes, spacing_mm
from medsr.anatomy.conform import conformed, scaled
from medsr.anatomy.meshnet import MeshNet, Place
from medsr.errors import InputError
from medsr.volume import Volume

AIR_BELOW_HU = -500.0  # halfway between air and water
LUNG_ABOVE_HU = -950.0  # lung holds tissue, the air around a body does not
LEAST_LUNG_ML = 100.0  # less may be a pocket of gas and what it lies in
MEDIAN_LUNG_ABOVE_HU = -900.0  # a bowel that was blown up for a scan was found at -926, two lungs at -853 and -860
LEAST_AIR_ML = 1.0  # less is noise, or the gap in a fold of the skin
CT_NAMES = ("outside", "body", "lung and air inside")
LEAST_BRAIN_ML, MOST_BRAIN_ML = 700.0, 2200.0  # of children from about a year on and of adults, with ventricles


@dataclass(frozen=True)
class Segmentation:
    """What is where in a scan.

    Attributes:
        labels: Number of a structure at each voxel, (I, J, K) uint8; 0 is none.
        affine: Affine of their grid, (4, 4).
        names: Name of each number.
    """

    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]
    names: tuple[str, ...]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel spacing (3,) in mm."""
        return spacing_mm(self.affine)

    def volumes_ml(self) -> dict[str, float]:
        """Volume of each structure: its voxels times their volume."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.names))
        millilitres = float(np.prod(self.spacing_mm)) / 1000
        return {name: int(n) * millilitres for name, n in zip(self.names[1:], counts[1:], strict=True)}


def segment_head(head: Volume, network: MeshNet) -> Segmentation:
    """The structures of a head on the conformed grid; what does not touch the brain's largest part is no structure.

    Args:
        head: T1w head.
        network: Network of `medsr.anatomy.meshnet.load_meshnet`.

    Raises:
        InputError: the scan shows nothing.
    """
    data, affine = conformed(head)
    labels = network.classify(torch.from_numpy(scaled(data))).numpy()
    return Segmentation(_connected(labels), affine, network.names)


def segment_part(head: Volume, part: Place, whole: Segmentation, network: MeshNet) -> Segmentation:
    """The structures of a head that differs from a segmented one in a part, found anew in that part alone.

    There they are those that `segment_head` finds in the head, in a fraction of the time. Elsewhere they stay, and what
    touches the largest part of both together is a structure.

    Args:
        head: T1w head, on the grid of the segmented one.
        part: Part of the conformed grid, from `medsr.anatomy.conform.part_of_grid`.
        whole: Result of `segment_head` for the segmented head.
        network: Network that found it.

    Raises:
        InputError: the scan shows nothing.
    """
    data, _ = conformed(head)
    labels = whole.labels.copy()
    labels[part] = network.classify_part(torch.from_numpy(scaled(data)), part).numpy()
    return replace(whole, labels=_connected(labels))


def doubt(found: Segmentation) -> str:
    """Why a segmentation can't be that of a whole head; "" where nothing speaks against it."""
    volumes = found.volumes_ml()
    missing = [name for name, volume in volumes.items() if not volume]
    brain = sum(volumes.values())
    if not LEAST_BRAIN_ML <= brain <= MOST_BRAIN_ML:
        return f"its brain has {brain:.0f} ml; expected {LEAST_BRAIN_ML:.0f} to {MOST_BRAIN_ML:.0f} ml of a whole head"
    return f"it has no {missing[0]}; expected every structure of a whole head" if missing else ""


def brain_of(found: Segmentation, head: Volume) -> NDArray[np.bool_]:
    """The brain of a head: all its structures, closed by 1 voxel of their grid, holes filled.

    Args:
        found: Structures of `segment_head`.
        head: Head that they were found in, whose grid is wanted.

    Returns:
        Voxels more than half of which, by trilinear interpolation, lie in the brain, (I, J, K).
    """
    closed = ndimage.binary_fill_holes(ndimage.binary_closing(found.labels > 0)).astype(np.float32)
    into = np.linalg.inv(found.affine) @ head.affine
    return np.asarray(ndimage.affine_transform(closed, into[:3, :3], into[:3, 3], head.shape, order=1) > 0.5)


def segment_body(scan: Volume) -> Segmentation:
    """The body in a CT and the air inside, most of it lung, on the scan's own grid.

    The body is the largest part above -500 HU. Of the parts below, those of at least 1 ml are inside that do not reach
    the sides of the field of view, across the length of the body, or that do but hold tissue as lung does: a median
    above -950 HU.

    Raises:
        InputError: nothing lies above the threshold.
    """
    dense = _largest(scan.data > AIR_BELOW_HU)
    if not dense.any():
        raise InputError(f"no voxel lies above {AIR_BELOW_HU:g} HU; a CT of a body is needed")
    parts, n_parts = ndimage.label(scan.data <= AIR_BELOW_HU)
    numbers = np.arange(n_parts + 1)
    sizes_ml = np.bincount(parts.ravel(), minlength=n_parts + 1) * float(np.prod(scan.spacing_mm)) / 1000
    along = next(axis for axis, code in enumerate(axis_codes(scan.affine)) if code in "SI")
    faces = [np.take(parts, end, axis) for axis in range(3) if axis != along for end in (0, -1)]
    enclosed = ~np.isin(numbers, np.concatenate([face.ravel() for face in faces]))
    like_lung = np.asarray(ndimage.median(scan.data, parts, numbers)) > LUNG_ABOVE_HU
    inside = (sizes_ml >= LEAST_AIR_ML) & (enclosed | like_lung) & (numbers > 0)
    return Segmentation(np.where(inside[parts], 2, dense).astype(np.uint8), scan.affine, CT_NAMES)


def lung_of(scan: Volume) -> NDArray[np.bool_]:
    """The lung in a CT, (I, J, K): parts of the air inside of at least 100 ml with a median above -900 HU.

    Airways that join it and vessels below -500 HU count as lung; gas in a bowel does not.

    Raises:
        InputError: as `segment_body`.
    """
    parts, n_parts = ndimage.label(segment_body(scan).labels == CT_NAMES.index("lung and air inside"))
    numbers = np.arange(n_parts + 1)
    sizes_ml = np.bincount(parts.ravel(), minlength=n_parts + 1) * float(np.prod(scan.spacing_mm)) / 1000
    dense = np.asarray(ndimage.median(scan.data, parts, numbers)) > MEDIAN_LUNG_ABOVE_HU
    return np.asarray((dense & (sizes_ml >= LEAST_LUNG_ML) & (numbers > 0))[parts])


def _connected(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels of the largest part of all that is labelled."""
    return np.where(_largest(labels > 0), labels, 0).astype(np.uint8)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part whose voxels share faces."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray((parts == int(np.argmax(sizes))) & mask)
