"""Two scans of one field of view, brought onto grids that an acquisition relates.

The finer one was made of the other (`aligned`), or both are real scans that were registered to each other (`paired`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.enhancement.region import Box, crop
from medsr.errors import UsageError
from medsr.physics.acquisition import SMALLEST_FACTOR, Acquisition, acquisition_of, with_assumed
from medsr.physics.assumption import assumed_from_voxels
from medsr.physics.profiles import ProfileChoice
from medsr.volume import Volume

SAME_PLACE_VOX = 0.1  # of a coarse voxel: as far as two grids of one field of view may disagree
DIFFERENT = (
    "the two scans do not cover one field of view voxel by voxel; choose the scan that the result was made of, "
    "and a result of the whole scan"
)
MOST_TURN_DEG = 10.0  # beyond it profiles along the low scan's axes say little of the high scan's
FEWEST_VOX = 8  # coarse voxels per axis that both scans must cover
OWN_VOXELS = 0.01  # of a voxel: nearer than this to a reference's own voxels nothing is interpolated
MOST_TRIMMED = 4  # coarse voxels that may be cut off an axis so that the reference's own spacing fits
SPLINE = 3


@dataclass(frozen=True)
class Aligned:
    """A low-resolution scan, cut to a high-resolution one's field of view, both in RAS order.

    Attributes:
        scan: Low-resolution scan.
        finer: High-resolution scan on the grid of `acquisition`.
        acquisition: Acquisition from the finer grid to the coarse one.
    """

    scan: Volume
    finer: Volume
    acquisition: Acquisition


def aligned(scan: Volume, finer: Volume, profile: ProfileChoice = "auto", thickness_mm: float | None = None) -> Aligned:
    """A scan and what was made of all of it, or of a region at whole factors, brought together.

    Args:
        scan: Low-resolution scan.
        finer: Result with the same field of view or a box of its voxels.
        profile: Profile of the acquisition.
        thickness_mm: Thickness of the slices, None for what the headers say.

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
    part = crop(scan, _box(start, start + size))
    factors = [n / m for n, m in zip(finer.shape, part.shape, strict=True)]
    acquisition = _acquisition(scan, part, factors, profile, thickness_mm)
    if acquisition.fine_shape != finer.shape:
        raise UsageError("the second scan is no finer than the first; choose the scan and what was made of it")
    return Aligned(part, finer, acquisition)


def paired(
    low: Volume, high: Volume, profile: ProfileChoice = "auto", thickness_mm: float | None = None
) -> tuple[Aligned, str]:
    """A real low-resolution scan, cut to what both cover, and a high-resolution one on the grid that belongs to it.

    Per axis the grid has the second scan's own voxels where its spacing and place allow it; elsewhere that scan is
    interpolated by cubic splines, which costs it a little of its finest detail.

    Args:
        low: Low-resolution scan.
        high: High-resolution scan, registered to it: the same patient frame.
        profile: Profile of the low-resolution scan's acquisition.
        thickness_mm: Thickness of its slices, None for what the headers say.

    Returns:
        Both in RAS order, and the axes along which the second was interpolated, such as "R A".

    Raises:
        UsageError: the axes of the two differ, they share too little, or the second is no finer than the first.
    """
    low, high = low.to_ras(), high.to_ras()
    if low.modality != high.modality:
        raise UsageError(f"the low scan is {low.modality}, the high one {high.modality}; a pair shows the same")
    turn = turn_deg(low, high)
    if turn > MOST_TURN_DEG:
        raise UsageError(
            f"the axes of the two scans differ by {turn:.0f} degrees; resample the high scan along the low one's axes"
        )
    factors = _factors(low, high)
    part = crop(low, _shared(low, high, factors))
    acquisition = _acquisition(low, part, factors, profile, thickness_mm)
    onto = np.linalg.inv(high.affine) @ acquisition.fine_affine
    finer, interpolated = _resampled(high, onto, acquisition.fine_shape)
    return Aligned(part, replace(high, data=finer, affine=acquisition.fine_affine), acquisition), interpolated


def turn_deg(low: Volume, high: Volume) -> float:
    """The largest angle between the axes of two scans in RAS order."""
    cosines = np.sum((low.affine / _norms(low)) * (high.affine / _norms(high)), axis=0)[:3]
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())


def _norms(volume: Volume) -> NDArray[np.float64]:
    return np.append(volume.spacing_mm, 1.0)


def _factors(low: Volume, high: Volume) -> list[float]:
    """Voxels of the high-resolution scan per voxel of the other; axes that hardly differ are left alone."""
    ratio = low.spacing_mm / high.spacing_mm
    spacings = f"{_times(high)} mm where the low one has {_times(low)} mm"
    if np.any(ratio < 1 / SMALLEST_FACTOR):
        raise UsageError(f"the high scan has {spacings}; expected the same or finer along every axis")
    if np.all(ratio < SMALLEST_FACTOR):
        raise UsageError(f"the high scan has {spacings}; expected it finer along one axis at least")
    return [float(r) if r >= SMALLEST_FACTOR else 1.0 for r in ratio]


def _shared(low: Volume, high: Volume, factors: list[float]) -> Box:
    """The box of coarse voxels that lie whole within the high-resolution scan, trimmed to fit its spacing."""
    into = np.linalg.inv(high.affine) @ low.affine
    start, stop = _inside(np.linalg.inv(into), low, high)
    bits = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    while np.all(stop - start >= FEWEST_VOX):
        corners = np.where(bits == 0, start, stop) - 0.5
        places = corners @ into[:3, :3].T + into[:3, 3]
        below, above = -0.5 - places, places - (np.array(high.shape) - 0.5)
        outside = np.maximum(below, above)
        corner, axis = np.unravel_index(int(np.argmax(outside)), outside.shape)
        if outside[corner, axis] <= OWN_VOXELS:
            break
        if bits[corner, axis]:
            stop[axis] -= 1
        else:
            start[axis] += 1
    if np.any(stop - start < FEWEST_VOX):
        raise UsageError(
            f"the two scans share {' x '.join(str(max(0, n)) for n in stop - start)} voxels of the low one; expected "
            f"{FEWEST_VOX} along every axis: check that both are in one patient frame"
        )
    spare = [_trimmed(int(n), factor) for n, factor in zip(stop - start, factors, strict=True)]
    return _box(start, stop - np.array(spare))


def _inside(back: NDArray[np.floating], low: Volume, high: Volume) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """The coarse voxels around the high-resolution scan, as a first guess."""
    faces = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * high.shape - 0.5
    places = faces @ back[:3, :3].T + back[:3, 3] + 0.5
    start = np.clip(np.floor(places.min(axis=0)), 0, low.shape).astype(int)
    return start, np.clip(np.ceil(places.max(axis=0)), 0, low.shape).astype(int)


def _trimmed(n: int, factor: float) -> int:
    """How many coarse voxels to leave out so that the rest holds a whole number of the high-resolution scan's own."""
    tries = range(min(MOST_TRIMMED, n - FEWEST_VOX) + 1)
    return next((cut for cut in tries if abs((n - cut) * factor - round((n - cut) * factor)) < OWN_VOXELS), 0)


def _acquisition(
    scan: Volume, part: Volume, factors: Sequence[float], profile: ProfileChoice, thickness_mm: float | None
) -> Acquisition:
    """How a part of a scan was acquired; what nobody told is estimated from the whole scan, as for a result."""
    acquisition = acquisition_of(part, factors=factors, profile=profile, thickness_mm=thickness_mm)
    if profile != "auto":
        return acquisition
    return with_assumed(acquisition, assumed_from_voxels(scan, thickness_mm))


def _resampled(high: Volume, onto: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[NDArray[np.float32], str]:
    """The high-resolution scan on another grid, and the axes along which it was interpolated."""
    far = np.array(shape) - 1
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * far
    places = corners @ onto[:3, :3].T + onto[:3, 3]
    start = np.rint(onto[:3, 3])
    off = np.abs(places - start - corners).max(axis=0)
    axes = " ".join(name for name, one in zip("RAS", off, strict=True) if one > OWN_VOXELS)
    if not axes:
        a, b, c = (slice(int(s), int(s) + n) for s, n in zip(start, shape, strict=True))
        inside = np.all(start >= 0) and np.all(start + shape <= high.shape)
        if inside:
            return np.ascontiguousarray(high.data[a, b, c]), ""
    moved = ndimage.affine_transform(
        high.data.astype(np.float64), onto[:3, :3], onto[:3, 3], shape, order=SPLINE, mode="nearest"
    )
    return moved.astype(np.float32), axes


def _box(start: NDArray[np.int_], stop: NDArray[np.int_]) -> Box:
    (a, b, c), (d, e, f) = (tuple(int(n) for n in ends) for ends in (start, stop))
    return Box((a, b, c), (d, e, f))


def _times(volume: Volume) -> str:
    return " x ".join(f"{h:.3g}" for h in volume.spacing_mm)
