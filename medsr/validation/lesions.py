"""Planted lesions in the results of a method: what is left of them, and what cubic interpolation leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.metrics.uncertainty import pair_auroc
from medsr.physics.acquisition import Acquisition
from medsr.validation.planting import Array, Lesion, distance_mm, lesion_in, planted, window_of
from medsr.volume import Volume

Restore = Callable[[Volume], NDArray[np.float32]]
"""A high-resolution scan, degraded and restored: what a method makes of it, (I, J, K) in the scan's unit."""

CONTRASTS = (-0.5, -0.2, -0.1, 0.1, 0.2, 0.5)  # of the difference of the two brighter tissues
CLEARLY = 0.02  # of the contrast: a smaller difference between two methods is none
REACH_SAMPLES = 1.0  # coarse voxels around a lesion that its light spreads into


@dataclass(frozen=True)
class LesionFinding:
    """Planted lesions of one shape, size and contrast in the results of one method.

    Attributes:
        method: Name of the method.
        shape: Name in `SHAPES`.
        diameter_mm: Diameter of the lesions, or of balls of the same volume.
        contrast: Contrast in units of the difference of the two brighter tissues; negative is darker.
        n: Number of lesions.
        recovered: Median share of the contrast in the core that is found again.
        least: Share of the worst lesion.
        total: Median share of the integrated contrast.
        visible: Median share in the core that was measured at all, A+ A b.
        displaced_mm: Median distance of the centre of mass from where it was put.
        auroc: How well a matched filter tells scans with lesions from their lesion-free controls.
        cubic: Median share of the contrast in the core in cubic interpolation.
        worse_than_cubic: Number of lesions whose contrast is nearer to the truth in cubic interpolation.
    """

    method: str
    shape: str
    diameter_mm: float
    contrast: float
    n: int
    recovered: float
    least: float
    total: float
    visible: float
    displaced_mm: float
    auroc: float
    cubic: float
    worse_than_cubic: int


@dataclass(frozen=True)
class LesionSummary:
    """Planted lesions of one shape and size over all contrasts.

    Attributes:
        shape: Name in `SHAPES`.
        diameter_mm: As in `LesionFinding`.
        n: Number of lesions, each contrast counted.
        recovered: Median over the contrasts of the median share that is found again.
        least: Share of the worst lesion.
        cubic: Median share in cubic interpolation.
        worse_than_cubic: Number of the lesions whose contrast is nearer to the truth in cubic interpolation.
    """

    shape: str
    diameter_mm: float
    n: int
    recovered: float
    least: float
    cubic: float
    worse_than_cubic: int


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
    ones = planted(reference, lesions)
    visible, cubic = _measured(acquisition, ones), _interpolated(acquisition, ones)
    clean = np.asarray(restore(reference), dtype=np.float64)
    found: list[LesionFinding] = []
    for contrast in contrasts:
        height = contrast * contrast_unit
        with_lesions = reference.with_data((reference.data + height * ones).astype(np.float32))
        result = np.asarray(restore(with_lesions), dtype=np.float64)
        for shape, diameter in sorted({(lesion.shape, lesion.diameter_mm) for lesion in lesions}):
            chosen = [lesion for lesion in lesions if (lesion.shape, lesion.diameter_mm) == (shape, diameter)]
            change = (result - clean) / height
            measured = [_measure(reference, acquisition, one, change, visible, cubic) for one in chosen]
            answers = [
                _matched(reference, acquisition, one, scan / height) for scan in (result, clean) for one in chosen
            ]
            found.append(_finding(method, shape, diameter, contrast, measured, answers))
    return tuple(found)


def summarised(findings: Sequence[LesionFinding]) -> tuple[LesionSummary, ...]:
    """The findings of one method by shape and size."""
    summaries = []
    for shape, diameter in sorted({(one.shape, one.diameter_mm) for one in findings}):
        group = [one for one in findings if (one.shape, one.diameter_mm) == (shape, diameter)]
        summaries.append(
            LesionSummary(
                shape,
                diameter,
                n=sum(one.n for one in group),
                recovered=float(np.median([one.recovered for one in group])),
                least=min(one.least for one in group),
                cubic=float(np.median([one.cubic for one in group])),
                worse_than_cubic=sum(one.worse_than_cubic for one in group),
            )
        )
    return tuple(summaries)


def null_lesion(
    method: str,
    restore: Restore,
    reference: Volume,
    acquisition: Acquisition,
    lesions: Sequence[Lesion],
    contrast_unit: float,
) -> NullLesion:
    """Plant only what the scanner can't see of the lesions, at contrast 1, and see whether the result changes."""
    ones = planted(reference, lesions)
    seen = _measured(acquisition, ones)
    hidden = ones - seen
    before = np.asarray(restore(reference), dtype=np.float64)
    after = restore(reference.with_data((reference.data + contrast_unit * hidden).astype(np.float32)))
    change = (np.asarray(after, dtype=np.float64) - before) / contrast_unit
    return NullLesion(
        method, float(np.sum(seen**2) / np.sum(ones**2)), float(np.sum(change * hidden) / np.sum(hidden**2))
    )


@dataclass(frozen=True)
class _Measured:
    recovered: float
    total: float
    visible: float
    displaced_mm: float
    cubic: float


def _measure(
    reference: Volume, acquisition: Acquisition, lesion: Lesion, change: Array, visible: Array, cubic: Array
) -> _Measured:
    """One lesion in the change that planting it made, both at contrast 1."""
    window = window_of(reference, lesion, _reach_mm(acquisition, lesion))
    one, distance = lesion_in(reference, lesion, window), distance_mm(reference, lesion, window)
    core = distance <= lesion.diameter_mm / 4 + float(max(reference.spacing_mm)) / 2
    weight = np.maximum(change[window], 0.0)
    offset = np.zeros(3)
    for axis, (place, h) in enumerate(zip(lesion.place, reference.spacing_mm, strict=True)):
        along = (np.arange(window[axis].start, window[axis].stop) - place) * h
        profile = weight.sum(axis=tuple(other for other in range(3) if other != axis))
        offset[axis] = float(along @ profile) / max(float(profile.sum()), np.finfo(np.float64).tiny)
    inner = float(one[core].mean())
    return _Measured(
        recovered=float(change[window][core].mean()) / inner,
        total=float(change[window].sum() / one.sum()),
        visible=float(visible[window][core].mean()) / inner,
        displaced_mm=float(np.linalg.norm(offset)),
        cubic=float(cubic[window][core].mean()) / inner,
    )


def _matched(reference: Volume, acquisition: Acquisition, lesion: Lesion, scan: Array) -> float:
    """Answer of a matched filter at the lesion: the lesion without its mean over the neighbourhood."""
    window = window_of(reference, lesion, _reach_mm(acquisition, lesion))
    one = lesion_in(reference, lesion, window)
    template = one - one.mean()
    return float(np.sum(scan[window] * template) / np.sum(template**2))


def _finding(
    method: str, shape: str, diameter: float, contrast: float, measured: Sequence[_Measured], answers: Sequence[float]
) -> LesionFinding:
    n = len(measured)
    return LesionFinding(
        method=method,
        shape=shape,
        diameter_mm=diameter,
        contrast=contrast,
        n=n,
        recovered=float(np.median([one.recovered for one in measured])),
        least=min(one.recovered for one in measured),
        total=float(np.median([one.total for one in measured])),
        visible=float(np.median([one.visible for one in measured])),
        displaced_mm=float(np.median([one.displaced_mm for one in measured])),
        auroc=pair_auroc(np.array(answers[:n]), np.array(answers[n:])),
        cubic=float(np.median([one.cubic for one in measured])),
        worse_than_cubic=sum(abs(one.recovered - 1) > abs(one.cubic - 1) + CLEARLY for one in measured),
    )


def _measured(acquisition: Acquisition, x: Array) -> Array:
    op = acquisition.op
    return np.asarray(op.pinv(op(torch.from_numpy(x))).numpy())


def _interpolated(acquisition: Acquisition, x: Array) -> Array:
    op = acquisition.op
    return np.asarray(op.cubic(op(torch.from_numpy(x))).numpy())


def _reach_mm(acquisition: Acquisition, lesion: Lesion) -> float:
    steps = [f * h for f, h in zip(acquisition.factors, acquisition.fine_spacing_mm, strict=True)]
    return float(lesion.stretch.max()) * lesion.diameter_mm / 2 + REACH_SAMPLES * max(steps)
