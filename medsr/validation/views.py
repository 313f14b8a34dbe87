"""What a report shows of one scan under one task: slices, differences and a small volume, in bytes on one grey window.

A worker that has the results at hand makes the views; `view_files` keeps them, and whoever draws the report needs no
scan any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr import affine as grids
from medsr.enhancement.region import Box
from medsr.validation.methods import PICTURED
from medsr.validation.trial import Trial
from medsr.volume import Volume

Bytes = NDArray[np.uint8]
Signed = NDArray[np.int8]

REFERENCE = "reference"
PLANES = ("sagittal", "coronal", "axial")  # across the axes that run closest to right, anterior, superior
IN_VOLUME = ("ibp", "mean")
DIFFERENCE_SHARE = 0.2  # of the window: a difference that is stored, and coloured, in full
FULL = 127
CT_WINDOWS_HU = {"lung": (-1350.0, 150.0), "soft tissue": (-160.0, 240.0), "bone": (-450.0, 1050.0)}
CT_LIMITS_HU = (-300.0, 300.0)  # between them
MR_PERCENTILES = (0.5, 99.5)
CT_NEAR_MM = 10.0
LOCAL_MM = 3.0  # an error counts where it fills more than a voxel
MARGIN_VOX = 4
MOST_PIXELS = 320  # a side of a slice
MOST_VOXELS = 500_000  # of the small volume: the spacing of the scan is kept, so that fine detail can be seen


@dataclass(frozen=True)
class PlaneView:
    """One slice of the reference and of every method shown, as it is seen: from the right, the front, or below.

    Attributes:
        plane: Name out of `PLANES`.
        spacing_mm: Spacing of rows and columns.
        images: Pictures by name, `REFERENCE` first: (rows, columns) uint8, superior or anterior on top, right or
            anterior left.
        differences: Method minus reference, by method: (rows, columns) int8, 127 for `DIFFERENCE_SHARE` of the window.
        place: Row and column of the largest local error.
    """

    plane: str
    spacing_mm: tuple[float, float]
    images: Mapping[str, Bytes]
    differences: Mapping[str, Signed]
    place: tuple[int, int]


@dataclass(frozen=True)
class CaseViews:
    """What is shown of one scan under one task.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        window: Intensities of black and white in the scan's unit, the same for every method.
        located_by: Method whose largest local error the slices run through.
        planes: Three orthogonal slices, in the order of `PLANES`.
        volumes: Volumes by name, `REFERENCE` first: (I, J, K) uint8 in the window, around the same place.
        affine: Affine (4, 4) of the volumes, voxel index to RAS mm; without the scan's own origin.
    """

    scan: str
    task: str
    window: tuple[float, float]
    located_by: str
    planes: tuple[PlaneView, ...]
    volumes: Mapping[str, Bytes]
    affine: NDArray[np.float64]


def views_of(scan: str, task: str, trial: Trial, results: Mapping[str, NDArray[np.float32]]) -> CaseViews:
    """Views through the place of the largest local error of "mean", or of the first method.

    Args:
        scan: Name of the reference, as reports call it.
        task: Name of the task.
        trial: Trial that the results were made of.
        results: Results by method, (I, J, K) in the scan's unit; at least one.
    """
    located_by = "mean" if "mean" in results else next(iter(results))
    chosen = _chosen(results, PICTURED)
    reference = trial.reference
    place = _worst_place(results[located_by], reference, trial.mask)
    window = window_of(reference, trial.mask, place)
    body = _body(trial.mask)
    sides = [min(b - a, MOST_PIXELS) for a, b in zip(body.start, body.stop, strict=True)]
    planes = tuple(_plane(axis, chosen, trial, _around(place, sides, body), place, window) for axis in range(3))
    box = _around(place, _small_sides(body.shape), body)
    cut = {REFERENCE: reference.data, **_chosen(results, IN_VOLUME)}
    volumes = {name: _grey(x[_slices(box)], window) for name, x in cut.items()}
    affine = grids.crop(reference.affine, box.start)
    affine[:3, 3] = (
        -affine[:3, :3] @ (np.array(box.shape) - 1) / 2
    )  # centred: where the patient lay is nobody's concern
    return CaseViews(scan, task, window, located_by, planes, volumes, affine)


def window_of(reference: Volume, mask: NDArray[np.bool_], place: tuple[int, int, int]) -> tuple[float, float]:
    """Intensities of black and white: nearly all of the body in MR, in CT that of the tissue around the place.

    Args:
        reference: High-resolution scan.
        mask: Voxels of the body, (I, J, K) bool.
        place: Voxel that has to be seen well.
    """
    if reference.modality == "CT":
        reach = np.maximum(1, np.rint(CT_NEAR_MM / reference.spacing_mm)).astype(int)
        near = tuple(slice(max(0, p - r), p + r + 1) for p, r in zip(place, reach, strict=True))
        tissue = int(np.searchsorted(CT_LIMITS_HU, np.median(reference.data[near])))
        return list(CT_WINDOWS_HU.values())[tissue]
    low, high = np.percentile(reference.data[mask], MR_PERCENTILES)
    return float(low), float(max(high, low + np.finfo(np.float32).eps * max(1.0, abs(low))))


def _chosen(results: Mapping[str, NDArray[np.float32]], names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Results of these names; where there are none, the first two."""
    found = {name: results[name] for name in names if name in results}
    return found or {name: results[name] for name in list(results)[:2]}


def _worst_place(x: NDArray[np.float32], reference: Volume, mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    error = np.where(mask, x - reference.data, 0.0).astype(np.float32)
    blurred = ndimage.gaussian_filter(error**2, LOCAL_MM / 2 / reference.spacing_mm, mode="constant")
    i, j, k = np.unravel_index(int(np.argmax(np.where(mask, blurred, -1.0))), mask.shape)
    return int(i), int(j), int(k)


def _body(mask: NDArray[np.bool_]) -> Box:
    """The box of the mask and a margin around it."""
    (found,) = ndimage.find_objects(mask.astype(np.uint8))
    start = [max(0, span.start - MARGIN_VOX) for span in found]
    stop = [min(n, span.stop + MARGIN_VOX) for span, n in zip(found, mask.shape, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _small_sides(shape: Sequence[int]) -> list[int]:
    """Sides of a box of at most `MOST_VOXELS` within `shape`, as even as it allows."""
    sides = [0, 0, 0]
    left = float(MOST_VOXELS)
    for rank, axis in enumerate(sorted(range(3), key=lambda axis: shape[axis])):
        sides[axis] = min(shape[axis], max(2, int(left ** (1 / (3 - rank)))))
        left /= sides[axis]
    return sides


def _around(place: Sequence[int], sides: Sequence[int], body: Box) -> Box:
    """A box of those sides around a place, moved so that it lies within the body's."""
    start = [
        min(max(p - side // 2, a), b - side) for p, side, a, b in zip(place, sides, body.start, body.stop, strict=True)
    ]
    stop = [a + side for a, side in zip(start, sides, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _slices(box: Box) -> tuple[slice, slice, slice]:
    i, j, k = (slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
    return i, j, k


def _plane(
    axis: int,
    results: Mapping[str, NDArray[np.float32]],
    trial: Trial,
    box: Box,
    place: tuple[int, int, int],
    window: tuple[float, float],
) -> PlaneView:
    cut: list[int | slice] = list(_slices(box))
    cut[axis] = place[axis]
    across, up = (other for other in range(3) if other != axis)

    def seen(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x[tuple(cut)].T[::-1, ::-1]

    truth = seen(trial.reference.data)
    limit = DIFFERENCE_SHARE * (window[1] - window[0])
    spacing = trial.reference.spacing_mm
    return PlaneView(
        plane=PLANES[axis],
        spacing_mm=(float(spacing[up]), float(spacing[across])),
        images={REFERENCE: _grey(truth, window)} | {name: _grey(seen(x), window) for name, x in results.items()},
        differences={
            name: np.rint(FULL * np.clip((seen(x) - truth) / limit, -1, 1)).astype(np.int8)
            for name, x in results.items()
        },
        place=(box.stop[up] - 1 - place[up], box.stop[across] - 1 - place[across]),
    )


def _grey(x: NDArray[np.float32], window: tuple[float, float]) -> Bytes:
    low, high = window
    return np.ascontiguousarray(np.rint(255 * np.clip((x - low) / (high - low), 0, 1)).astype(np.uint8))
