"""How much of the truth the stated uncertainty of one scan covers, measured in the middle of the body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.enhancement.piece import Posterior, posterior
from medsr.enhancement.posterior import Whole
from medsr.enhancement.region import Box, inner, part_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.uncertainty import standard_deviation
from medsr.errors import UsageError
from medsr.metrics.arrays import rms
from medsr.metrics.judged import StatedUncertainty
from medsr.metrics.table import UNCERTAINTY_METRICS
from medsr.metrics.uncertainty import LEAST_DEVIATION, LEVELS, coverage, normal_width, reliability_curve
from medsr.model.spec import calibration_group
from medsr.model.weights import Model
from medsr.validation.findings import Uncertainty, subject_of
from medsr.validation.trial import Trial
from medsr.volume import Volume

KINDS = ("samples", "variance")
SIDE_VOX = 48  # of the part of each scan that is measured: voxels of one subject tell less and less
WIDTHS = np.geomspace(0.02, 100.0, 600)  # half widths of intervals, in stated deviations, that coverage is tabled at


@dataclass(frozen=True)
class CoverageCurve:
    """Share of one scan's voxels whose error is at most each of `WIDTHS` times the stated deviation.

    Attributes:
        subject: Subject of the scan.
        scan: Name of the scan.
        task: Name of the task that degraded it.
        kind: "samples" or "variance".
        group: Group of scans, of `medsr.model.spec.calibration_group`.
        covered: Shares, as many as `WIDTHS`, rising.
    """

    subject: str
    scan: str
    task: str
    kind: str
    group: str
    covered: tuple[float, ...]


def measure(
    trial: Trial, scan: str, task: str, model: Model, settings: EnhanceSettings, side_vox: int = SIDE_VOX
) -> tuple[tuple[Uncertainty, Uncertainty], tuple[CoverageCurve, CoverageCurve]]:
    """Uncertainty of samples and of the variance head in the middle of the body, and how much they cover.

    Args:
        trial: Trial of `medsr.validation.trial.make_trial`.
        scan: Name of the scan.
        task: Name of the task.
        model: Model of `medsr.model.weights.load_model`.
        settings: Samples, steps, seed and flips of the posterior.
        side_vox: Largest side, in fine voxels, of the part that is measured.
    """
    box = middle(trial, side_vox)
    part = part_of(trial.input, box, trial.acquisition)
    whole = Whole.of(trial.input, settings).at(part.origin)
    believed = posterior(part.volume, model, settings, part.acquisition, whole)

    def shown(volume: Volume) -> NDArray[np.float32]:
        return np.asarray(inner(volume, part).data)

    n = shown(believed.mean).shape
    start = [round(a * f) for a, f in zip(part.box.start, trial.acquisition.factors, strict=True)]
    window = tuple(slice(a, a + size) for a, size in zip(start, n, strict=True))
    mask = trial.mask[window]
    if not mask.any():
        raise UsageError(f"{scan}: the middle of the scan holds no body; choose another reference")
    voxels = _Voxels.of(believed, shown, trial.reference.data[window], mask, trial.data_range)
    group = calibration_group(trial.reference.modality, trial.acquisition.factors)
    stated = {"samples": voxels.uncertainty, "variance": voxels.deviation}
    samples, variance = (_uncertainty(scan, task, kind, voxels, stated[kind], model, group) for kind in KINDS)
    first, second = (
        CoverageCurve(subject_of(scan), scan, task, kind, group, coverage_curve(voxels.error, stated[kind]))
        for kind in KINDS
    )
    return (samples, variance), (first, second)


def middle(trial: Trial, side_vox: int) -> Box:
    """The box around the middle of the body, at most `side_vox` fine voxels a side, in coarse voxels."""
    centre = np.array([float(np.mean(index)) for index in np.nonzero(trial.mask)])
    factor = np.array(trial.acquisition.factors)
    shape = np.array(trial.input.shape)
    size = np.clip(np.rint(side_vox / factor), 1, shape).astype(int)
    start = np.clip(np.rint((centre + 0.5) / factor - size / 2), 0, shape - size).astype(int)
    a, b = ((int(v[0]), int(v[1]), int(v[2])) for v in (start, start + size))
    return Box(a, b)


def coverage_curve(error: NDArray[np.float64], deviation: NDArray[np.float64]) -> tuple[float, ...]:
    """Share of errors within each of `WIDTHS` deviations."""
    ratios = np.sort(np.abs(error) / deviation)
    return tuple(float(n) / len(ratios) for n in np.searchsorted(ratios, WIDTHS, side="right"))


@dataclass(frozen=True)
class _Voxels:
    """Voxels of the mask in units of R, flat."""

    truth: NDArray[np.float64]
    error: NDArray[np.float64]
    deviation: NDArray[np.float64]
    samples: NDArray[np.float32]  # (M, n)
    uncertainty: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        believed: Posterior,
        shown: Callable[[Volume], NDArray[np.float32]],
        reference: NDArray[np.float32],
        mask: NDArray[np.bool_],
        R: float,
    ) -> _Voxels:
        """Gather them, computing the samples."""
        truth, mean, deviation = (
            scan[mask].astype(np.float64) / R for scan in (reference, shown(believed.mean), shown(believed.deviation))
        )
        squares = np.zeros(believed.mean.shape, dtype=np.float32)
        kept: list[NDArray[np.float32]] = []
        for sample in believed.samples:
            squares += (sample.data - believed.mean.data) ** 2
            kept.append(shown(sample)[mask] / np.float32(R))
        samples = np.stack(kept)
        uncertainty = (
            shown(believed.mean.with_data(standard_deviation(torch.from_numpy(squares / len(samples))).numpy()))[mask]
            / R
        )
        floors = (np.maximum(values, LEAST_DEVIATION) for values in (deviation, uncertainty))
        return cls(truth, mean - truth, next(floors), samples, next(floors).astype(np.float64))


def _uncertainty(
    scan: str, task: str, kind: str, voxels: _Voxels, stated: NDArray[np.float64], model: Model, group: str
) -> Uncertainty:
    error = voxels.error
    curve = reliability_curve(error, stated)
    known = model.spec.calibration
    scaled = {} if known is None else known.factors_for(kind, group)
    samples = voxels.samples if kind == "samples" else None
    judged = StatedUncertainty(error, stated, voxels.truth, samples)
    values: dict[str, Any] = {metric.name: metric.measure(judged) for metric in UNCERTAINTY_METRICS}
    return Uncertainty(
        scan=scan,
        task=task,
        method=kind,
        coverage={_percent(level): coverage(error, stated, normal_width(level)) for level in LEVELS},
        calibrated={
            _percent(level): coverage(error, stated, factor * normal_width(level)) for level, factor in scaled.items()
        },
        deviation=rms(stated),
        error=rms(error),
        stated_deviation=curve.stated_deviation,
        actual_error=curve.actual_error,
        n_samples=0 if samples is None else len(samples),
        **values,
    )


def _percent(level: float) -> str:
    return f"{100 * level:g}"
