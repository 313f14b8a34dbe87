"""How much of the truth the stated uncertainty of one scan covers, measured in the middle of the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.diffusion.noise import pair_spread, sample_noise
from medsr.enhancement.piece import posterior
from medsr.enhancement.region import Box, inner, part_of
from medsr.enhancement.settings import MEASURED_SAMPLES, EnhanceSettings
from medsr.enhancement.uncertainty import standard_deviation
from medsr.enhancement.whole import Whole
from medsr.errors import UsageError
from medsr.metrics.arrays import rms
from medsr.metrics.judged import PARTS_LEVEL, StatedUncertainty
from medsr.metrics.table import UNCERTAINTY_METRICS
from medsr.metrics.uncertainty import LEAST_DEVIATION, LEVELS, coverage, normal_width, reliability_curve
from medsr.model.spec import calibration_group
from medsr.model.weights import Model
from medsr.validation.findings import Uncertainty
from medsr.validation.subjects import subject_of
from medsr.validation.trial import Trial, degraded_axes
from medsr.volume import Volume

KINDS = ("samples", "variance")  # that can be calibrated
CONTROL = "white noise"
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
) -> tuple[tuple[Uncertainty, ...], tuple[CoverageCurve, ...]]:
    """What is stated in the middle of the body, and how much of the truth it covers.

    Args:
        trial: Trial of `medsr.validation.trial.make_trial`.
        scan: Name of the scan.
        task: Name of the task.
        model: Model of `medsr.model.weights.load_model`.
        settings: Samples, steps, seed and flips of the posterior.
        side_vox: Largest side, in fine voxels, of the part that is measured.

    Returns:
        The uncertainty of the samples, of the variance head, and of a control: the mean with white noise of the
        variance that the head states. And the curves of the first two.
    """
    stated = _stated(trial, scan, model, settings, side_vox)
    known = model.spec.calibration
    group = calibration_group(trial.reference.modality, trial.acquisition.factors)
    found = []
    for method, judged in stated.items():
        kind = method if method in KINDS else "variance"
        scaled = {} if known is None else known.factors_for(kind, group)
        found.append(uncertainty_of(scan, task, method, judged, scaled))
    curves = tuple(
        CoverageCurve(
            subject_of(scan), scan, task, kind, group, coverage_curve(stated[kind].error, stated[kind].stated)
        )
        for kind in KINDS
    )
    return tuple(found), curves


def white_noise(stated: StatedUncertainty, n_samples: int, seed: int) -> StatedUncertainty:
    """The control: the same mean and deviation, with independent noise in every voxel for samples.

    The noise is that which posterior samples start from, so both are balanced alike. Voxel by voxel the control is as
    good as what it is made of; of what neighbours have in common it knows nothing.
    """
    i, j, k = stated.mean.shape
    noise = torch.cat([sample_noise((i, j, k), seed, number, (0, 0, 0))[0] for number in range(n_samples)]).numpy()
    samples = (stated.mean + stated.deviation * noise).astype(np.float32)
    return replace(stated, samples=samples, spread=pair_spread(n_samples))


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


def uncertainty_of(
    scan: str, task: str, method: str, judged: StatedUncertainty, scaled: Mapping[float, float]
) -> Uncertainty:
    """Everything that is measured of one stated uncertainty.

    Args:
        scan: Name of the scan.
        task: Name of the task.
        method: "samples", "variance" or "white noise".
        judged: What is stated, and the truth.
        scaled: Factor of the weights' calibration for each level; empty where they hold none.
    """
    judged = replace(judged, factor=scaled.get(PARTS_LEVEL, 1.0))
    error, stated = judged.error, judged.stated
    curve = reliability_curve(error, stated)
    values: dict[str, Any] = {metric.name: metric.measure(judged) for metric in UNCERTAINTY_METRICS}
    return Uncertainty(
        scan=scan,
        task=task,
        method=method,
        coverage={_percent(level): coverage(error, stated, normal_width(level)) for level in LEVELS},
        calibrated={
            _percent(level): coverage(error, stated, factor * normal_width(level)) for level, factor in scaled.items()
        },
        deviation=rms(stated),
        error=rms(error),
        stated_deviation=curve.stated_deviation,
        actual_error=curve.actual_error,
        n_samples=0 if judged.samples is None else len(judged.samples),
        **values,
    )


def _stated(
    trial: Trial, scan: str, model: Model, settings: EnhanceSettings, side_vox: int
) -> dict[str, StatedUncertainty]:
    """What is stated in the middle of the body, in units of R, by method."""
    part = part_of(trial.input, middle(trial, side_vox), trial.acquisition)
    whole = Whole.of(trial.input, settings, trial.acquisition).at(part.origin)
    sampled = settings if settings.samples else replace(settings, samples=MEASURED_SAMPLES)
    believed = posterior(part.volume, model, sampled, part.acquisition, whole)

    def shown(volume: Volume) -> NDArray[np.float32]:
        return np.asarray(inner(volume, part).data) / np.float32(trial.data_range)

    mean = shown(believed.mean).astype(np.float64)
    start = [round(a * f) for a, f in zip(part.box.start, trial.acquisition.factors, strict=True)]
    window = tuple(slice(a, a + size) for a, size in zip(start, mean.shape, strict=True))
    if not trial.mask[window].any():
        raise UsageError(f"{scan}: the middle of the scan holds no body; choose another reference")
    samples, squares = [], np.zeros(believed.mean.shape, dtype=np.float32)
    for sample in believed.samples:
        squares += (sample.data - believed.mean.data) ** 2
        samples.append(shown(sample))
    uncertainty = standard_deviation(torch.from_numpy(squares / len(samples))).numpy()
    by_head = StatedUncertainty(
        mean=mean,
        deviation=_above_zero(shown(believed.deviation)),
        truth=trial.reference.data[window].astype(np.float64) / trial.data_range,
        mask=trial.mask[window],
        parts={name: voxels[window] for name, voxels in trial.parts.items()},
        degraded=degraded_axes(trial),
    )
    by_samples = replace(
        by_head,
        deviation=_above_zero(shown(believed.mean.with_data(uncertainty))),
        samples=np.stack(samples),
        spread=pair_spread(len(samples)),
    )
    return {
        "samples": by_samples,
        "variance": by_head,
        CONTROL: white_noise(by_head, len(samples), settings.seed),
    }


def _above_zero(deviation: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.maximum(deviation.astype(np.float64), LEAST_DEVIATION)


def _percent(level: float) -> str:
    return f"{100 * level:g}"
