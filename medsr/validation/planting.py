"""Lesions to plant in a scan: what they look like, and where in its tissue small balls, discs and rods go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.tissue import tissue_levels, tissue_limits
from medsr.volume import Volume

Place = tuple[float, float, float]
Array = NDArray[np.float64]
Window = tuple[slice, slice, slice]

DIAMETERS_MM = (2.0, 3.0, 4.0, 6.0, 8.0)
EDGE_MM = 1.0
APART_MM = 16.0  # twice the largest diameter, so that no two meet in one coarse voxel
N_PLACES = 40
DEPTH_MM = 6.0  # below the surface of the mask
AT_A_SLICE, BETWEEN_SLICES = "nodule at a slice", "nodule between slices"
SHAPES = {
    "ball": (1.0, 1.0, 1.0),
    "disc": (0.63, 1.26, 1.26),
    "rod": (0.8, 1.6, 0.8),
    AT_A_SLICE: (1.0, 1.0, 1.0),
    BETWEEN_SLICES: (1.0, 1.0, 1.0),
}
"""Diameters along the slices' axis and the two others, over that of a ball of the same volume."""

IN_TISSUE = ("ball", "disc", "rod")


@dataclass(frozen=True)
class Lesion:
    """An ellipsoid with a soft edge.

    Attributes:
        place: Centre, in voxels; of a nodule it may lie between two.
        diameter_mm: Diameter at half its contrast, of a ball of the same volume.
        shape: Name in `SHAPES`.
        axis: Axis of the slices, which a disc is thin along.
    """

    place: Place
    diameter_mm: float
    shape: str = "ball"
    axis: int = 2

    @property
    def stretch(self) -> NDArray[np.float64]:
        """Diameters along the three axes over `diameter_mm`."""
        return np.roll(SHAPES[self.shape], self.axis)


def choose_lesions(
    reference: Volume,
    mask: NDArray[np.bool_],
    seed: int = 0,
    diameters_mm: Sequence[float] = DIAMETERS_MM,
    shapes: Sequence[str] = IN_TISSUE,
    axis: int = 2,
) -> tuple[Lesion, ...]:
    """Lesions of every size and then every shape in turn, at random places inside the tissue that do not touch.

    Args:
        reference: High-resolution scan.
        mask: Voxels of the body, (I, J, K) bool.
        seed: Random seed for the places.
        diameters_mm: Diameters, taken in turn.
        shapes: Names in `SHAPES`; the next one is taken after every size.
        axis: Axis of the slices.
    """
    spacing = reference.spacing_mm
    # beyond the field of view the body goes on: only its surface counts
    padded = np.pad(mask, 1, mode="edge")
    deep = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1] > DEPTH_MM
    limits = tissue_limits(reference.data, mask, reference.modality)
    tissue = deep & (reference.data > limits[0]) & ~_near_faces(mask.shape, spacing)
    candidates = np.random.default_rng(seed).permutation(np.argwhere(tissue), axis=0)
    chosen: list[NDArray[np.intp]] = []
    while len(candidates) and len(chosen) < N_PLACES:
        chosen.append(candidates[0])
        candidates = candidates[np.linalg.norm((candidates - candidates[0]) * spacing, axis=1) > APART_MM]
    n_whole = len(chosen) - len(chosen) % len(diameters_mm)
    return tuple(
        Lesion(
            (int(i), int(j), int(k)),
            diameters_mm[number % len(diameters_mm)],
            shapes[number // len(diameters_mm) % len(shapes)],
            axis,
        )
        for number, (i, j, k) in enumerate(chosen[:n_whole])
    )


def tissue_contrast(reference: Volume, mask: NDArray[np.bool_]) -> float:
    """What a contrast of 1 is: the difference of the two intensities of `tissue_levels`, for CT 130 HU."""
    darker, brighter = tissue_levels(reference.data, mask, reference.modality)
    return brighter - darker


def planted(reference: Volume, lesions: Sequence[Lesion]) -> Array:
    """The lesions at contrast 1, (I, J, K), 0 elsewhere and 1 inside."""
    total = np.zeros(reference.shape)
    for lesion in lesions:
        window = window_of(reference, lesion, float(lesion.stretch.max()) * (lesion.diameter_mm / 2 + EDGE_MM))
        total[window] += lesion_in(reference, lesion, window)
    return total


def window_of(reference: Volume, lesion: Lesion, reach_mm: float) -> Window:
    """The voxels within a distance of a lesion's centre along each axis."""
    i, j, k = (
        slice(max(0, int(np.floor(p - reach_mm / h))), min(n, int(np.ceil(p + reach_mm / h)) + 1))
        for p, h, n in zip(lesion.place, reference.spacing_mm, reference.shape, strict=True)
    )
    return i, j, k


def distance_mm(reference: Volume, lesion: Lesion, window: Window) -> Array:
    """Distance from the centre of the lesion, in mm of the ball that it was stretched from, in a window."""
    steps = reference.spacing_mm / lesion.stretch
    squares = [((a - p) * h) ** 2 for a, p, h in zip(np.ogrid[window], lesion.place, steps, strict=True)]
    return np.asarray(np.sqrt(squares[0] + squares[1] + squares[2]))


def lesion_in(reference: Volume, lesion: Lesion, window: Window) -> Array:
    """The lesion at contrast 1 in a window of `window_of`."""
    distance = distance_mm(reference, lesion, window)
    return np.asarray(np.clip((lesion.diameter_mm / 2 - distance) / EDGE_MM + 0.5, 0.0, 1.0))


def _near_faces(shape: Sequence[int], spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Voxels so near to a face that a lesion would be cut."""
    near = np.ones(tuple(shape), dtype=bool)
    inner = tuple(
        slice(margin, max(n - margin, margin))
        for n, margin in ((n, min(int(np.ceil(DEPTH_MM / h)), n // 4)) for n, h in zip(shape, spacing_mm, strict=True))
    )
    near[inner] = False
    return near
