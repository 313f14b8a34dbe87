"""Planted lesions: what becomes of a small ball of another intensity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medsr.metrics.tissue import tissue_limits
from medsr.metrics.uncertainty import pair_auroc
from medsr.physics.acquisition import Acquisition
from medsr.volume import Volume

Triple = tuple[int, int, int]
Array = NDArray[np.float64]
Restore = Callable[[Volume], NDArray[np.float32]]
"""A high-resolution scan, degraded and restored: what a method makes of it, (I, J, K) in the scan's unit."""

DIAMETERS_MM = (2.0, 3.0, 4.0, 6.0, 8.0)
CONTRASTS = (-0.5, -0.2, -0.1, 0.1, 0.2, 0.5)  # of the difference of the two brighter tissues
EDGE_MM = 1.0
CT_CONTRAST_HU = 130.0  # soft tissue at 40 HU, fat at -90 HU
APART_MM = 16.0  # twice the largest diameter, so that no two meet in one coarse voxel
N_PLACES = 40
DEPTH_MM = 6.0  # below the surface of the mask
REACH_SAMPLES = 1.0  # coarse voxels around a lesion that its light spreads into


@dataclass(frozen=True)
class LesionFinding:
    """Planted lesions of one size and contrast in the results of one method.

    Attributes:
        method: Name of the method.
        diameter_mm: Diameter of the lesions.
        contrast: Contrast in units of the difference of the two brighter tissues; negative is darker.
        n: Number of lesions.
        recovered: Median share of the contrast in the core that is found again.
        least: Share of the worst lesion.
        total: Median share of the integrated contrast.
        visible: Median share in the core that was measured at all, A+ A b.
        displaced_mm: Median distance of the centre of mass from where it was put.
        auroc: How well a matched filter tells scans with lesions from their lesion-free controls.
    """

    method: str
    diameter_mm: float
    contrast: float
    n: int
    recovered: float
    least: float
    total: float
    visible: float
    displaced_mm: float
    auroc: float


@dataclass(frozen=True)
class NullLesion:
    """A lesion that the scanner can't see, (I - A+ A) b: the scan is the same with and without it.

    Attributes:
        method: Name of the method.
        measured_share: Energy of A+ A b over that of b, what the scanner does see of the lesions.
        response: Response of the result along the invisible part, 0 for an honest method.
    """

    method: str
    measured_share: float
    response: float


@dataclass(frozen=True)
class Lesion:
    """A ball with a soft edge.

    Attributes:
        place: Centre, in voxels.
        diameter_mm: Diameter at half its contrast.
    """

    place: Triple
    diameter_mm: float


def choose_lesions(
    reference: Volume, mask: NDArray[np.bool_], seed: int = 0, diameters_mm: Sequence[float] = DIAMETERS_MM
) -> tuple[Lesion, ...]:
    """Lesions of every size in turn, at random places inside the tissue that do not touch each other.

    Args:
        reference: High-resolution scan.
        mask: Voxels of the body, (I, J, K) bool.
        seed: Random seed for the places.
        diameters_mm: Diameters, taken in turn.
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
    sizes = [diameters_mm[number % len(diameters_mm)] for number in range(n_whole)]
    return tuple(
        Lesion((int(i), int(j), int(k)), size) for (i, j, k), size in zip(chosen[:n_whole], sizes, strict=True)
    )


def tissue_contrast(reference: Volume, mask: NDArray[np.bool_]) -> float:
    """What a contrast of 1 is: the brighter two of three tissues apart (MR), soft tissue and fat apart (CT, 130 HU)."""
    if reference.modality == "CT":
        return CT_CONTRAST_HU
    values = reference.data[mask]
    tissue = np.digitize(values, tissue_limits(reference.data, mask, reference.modality))
    return float(values[tissue == 2].mean() - values[tissue == 1].mean())


def planted(reference: Volume, lesions: Sequence[Lesion]) -> Array:
    """The lesions at contrast 1, (I, J, K), 0 elsewhere and 1 inside."""
    total = np.zeros(reference.shape)
    for lesion in lesions:
        window = _window(reference, lesion, lesion.diameter_mm / 2 + EDGE_MM)
        total[window] += _ball(reference, lesion, window)
    return total


def lesion_findings(
    method: str,
    restore: Restore,
    reference: Volume,
    acquisition: Acquisition,
    lesions: Sequence[Lesion],
    contrast_unit: float,
    contrasts: Sequence[float] = CONTRASTS,
) -> tuple[LesionFinding, ...]:
    """Plant, degrade, restore, and compare with the lesion-free control.

    Args:
        method: Name of the method.
        restore: Function that degrades a high-resolution scan and restores it.
        reference: High-resolution scan in RAS order.
        acquisition: Acquisition that `restore` degrades by.
        lesions: Lesions of `choose_lesions`.
        contrast_unit: Contrast unit of `tissue_contrast`.
        contrasts: Contrasts in that unit.
    """
    balls = planted(reference, lesions)
    visible = _measured(acquisition, balls)
    clean = np.asarray(restore(reference), dtype=np.float64)
    found: list[LesionFinding] = []
    for contrast in contrasts:
        height = contrast * contrast_unit
        with_lesions = reference.with_data((reference.data + height * balls).astype(np.float32))
        result = np.asarray(restore(with_lesions), dtype=np.float64)
        for diameter in sorted({lesion.diameter_mm for lesion in lesions}):
            chosen = [lesion for lesion in lesions if lesion.diameter_mm == diameter]
            measured = [_measure(reference, acquisition, one, (result - clean) / height, visible) for one in chosen]
            answers = [
                _matched(reference, acquisition, one, scan / height) for scan in (result, clean) for one in chosen
            ]
            found.append(_finding(method, diameter, contrast, measured, answers))
    return tuple(found)


def null_lesion(
    method: str,
    restore: Restore,
    reference: Volume,
    acquisition: Acquisition,
    lesions: Sequence[Lesion],
    contrast_unit: float,
) -> NullLesion:
    """Plant only what the scanner can't see of the lesions, at contrast 1, and see whether the result changes."""
    balls = planted(reference, lesions)
    seen = _measured(acquisition, balls)
    hidden = balls - seen
    before = np.asarray(restore(reference), dtype=np.float64)
    after = restore(reference.with_data((reference.data + contrast_unit * hidden).astype(np.float32)))
    change = (np.asarray(after, dtype=np.float64) - before) / contrast_unit
    return NullLesion(
        method, float(np.sum(seen**2) / np.sum(balls**2)), float(np.sum(change * hidden) / np.sum(hidden**2))
    )


@dataclass(frozen=True)
class _Measured:
    recovered: float
    total: float
    visible: float
    displaced_mm: float


def _measure(reference: Volume, acquisition: Acquisition, lesion: Lesion, change: Array, visible: Array) -> _Measured:
    """One lesion in the change that planting it made, both at contrast 1."""
    window = _window(reference, lesion, _reach_mm(acquisition, lesion))
    ball, distance = _ball(reference, lesion, window), _distance_mm(reference, lesion, window)
    core = distance <= lesion.diameter_mm / 4 + float(max(reference.spacing_mm)) / 2
    weight = np.maximum(change[window], 0.0)
    offset = np.zeros(3)
    for axis, (place, h) in enumerate(zip(lesion.place, reference.spacing_mm, strict=True)):
        along = (np.arange(window[axis].start, window[axis].stop) - place) * h
        profile = weight.sum(axis=tuple(other for other in range(3) if other != axis))
        offset[axis] = float(along @ profile) / max(float(profile.sum()), np.finfo(np.float64).tiny)
    inner = float(ball[core].mean())
    return _Measured(
        recovered=float(change[window][core].mean()) / inner,
        total=float(change[window].sum() / ball.sum()),
        visible=float(visible[window][core].mean()) / inner,
        displaced_mm=float(np.linalg.norm(offset)),
    )


def _matched(reference: Volume, acquisition: Acquisition, lesion: Lesion, scan: Array) -> float:
    """Answer of a matched filter at the lesion: the ball without its mean over the neighbourhood."""
    window = _window(reference, lesion, _reach_mm(acquisition, lesion))
    ball = _ball(reference, lesion, window)
    template = ball - ball.mean()
    return float(np.sum(scan[window] * template) / np.sum(template**2))


def _finding(
    method: str, diameter: float, contrast: float, measured: Sequence[_Measured], answers: Sequence[float]
) -> LesionFinding:
    n = len(measured)
    return LesionFinding(
        method=method,
        diameter_mm=diameter,
        contrast=contrast,
        n=n,
        recovered=float(np.median([one.recovered for one in measured])),
        least=min(one.recovered for one in measured),
        total=float(np.median([one.total for one in measured])),
        visible=float(np.median([one.visible for one in measured])),
        displaced_mm=float(np.median([one.displaced_mm for one in measured])),
        auroc=pair_auroc(np.array(answers[:n]), np.array(answers[n:])),
    )


def _measured(acquisition: Acquisition, x: Array) -> Array:
    op = acquisition.op
    return np.asarray(op.pinv(op(torch.from_numpy(x))).numpy())


def _reach_mm(acquisition: Acquisition, lesion: Lesion) -> float:
    steps = [f * h for f, h in zip(acquisition.factors, acquisition.fine_spacing_mm, strict=True)]
    return lesion.diameter_mm / 2 + REACH_SAMPLES * max(steps)


def _window(reference: Volume, lesion: Lesion, reach_mm: float) -> tuple[slice, slice, slice]:
    i, j, k = (
        slice(max(0, p - int(np.ceil(reach_mm / h))), min(n, p + int(np.ceil(reach_mm / h)) + 1))
        for p, h, n in zip(lesion.place, reference.spacing_mm, reference.shape, strict=True)
    )
    return i, j, k


def _distance_mm(reference: Volume, lesion: Lesion, window: tuple[slice, ...]) -> Array:
    axes = np.ogrid[window]
    squares = [((a - p) * h) ** 2 for a, p, h in zip(axes, lesion.place, reference.spacing_mm, strict=True)]
    return np.asarray(np.sqrt(squares[0] + squares[1] + squares[2]))


def _ball(reference: Volume, lesion: Lesion, window: tuple[slice, ...]) -> Array:
    distance = _distance_mm(reference, lesion, window)
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
