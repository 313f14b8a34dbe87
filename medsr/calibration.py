"""How far the stated uncertainty can be trusted, and the factors that set it right, measured on held-out subjects.

The unit is the subject (docs/metrics.md). Whatever is reported of calibrated intervals is measured on subjects that
the factors were not taken from: each subject in turn is left out, factors are taken from all others, and its voxels are
counted. The factors that are kept in the weights come from all subjects together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.enhancement import EnhanceSettings, Posterior, Whole, posterior
from medsr.errors import UsageError
from medsr.findings import Uncertainty, subject_of
from medsr.metrics.uncertainty import (
    LEVELS,
    auroc,
    coverage,
    crps_of_draws,
    crps_of_normal,
    normal_width,
    spread_skill,
)
from medsr.models import Calibration, Model, calibration_group, weights_bytes
from medsr.region import Box, inner, part_of
from medsr.spreads import spread_of
from medsr.validation import Trial
from medsr.volume import Volume

KINDS = ("draws", "variance")
ALL = "all"
FEWEST_SUBJECTS = 2  # that factors are taken from
SIDE_VOX = 48  # of the part of each scan that is measured: voxels of one subject tell less and less
WIDTHS = np.geomspace(0.02, 100.0, 600)  # half widths of intervals, in stated deviations, that coverage is tabled at
LEAST_DEVIATION = 1e-6  # of R; a deviation of exactly 0 would make any error infinitely surprising


@dataclass(frozen=True)
class CoverageCurve:
    """Share of one scan's voxels whose error is at most each of `WIDTHS` times the stated deviation.

    Attributes:
        subject: whose scan it is.
        scan: its name.
        task: that it was degraded by.
        kind: "draws" or "variance".
        group: of `medsr.models.calibration_group`.
        covered: as many shares as `WIDTHS`, rising.
    """

    subject: str
    scan: str
    task: str
    kind: str
    group: str
    covered: tuple[float, ...]


@dataclass(frozen=True)
class HeldOut:
    """Coverage on one subject in one group, before and after scaling by factors of all other subjects.

    Attributes:
        subject: who was left out.
        kind: "draws" or "variance".
        group: of scans.
        before: share covered by the stated intervals, per level of `LEVELS`.
        after: share covered after scaling.
    """

    subject: str
    kind: str
    group: str
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True)
class CalibrationReport:
    """What a calibration found.

    Attributes:
        calibration: what goes into the weights.
        held_out: one row per subject, kind and group.
        guaranteed: by kind and level, the factor with a finite-sample guarantee for a new subject out of the same
            population (conformal risk control over subjects, Angelopoulos et al. 2024); None where there are too few
            subjects for it.
        uncertainties: of every scan and task, as stated.
    """

    calibration: Calibration
    held_out: tuple[HeldOut, ...]
    guaranteed: dict[str, dict[str, float | None]]
    uncertainties: tuple[Uncertainty, ...]


def calibrate(
    curves: Sequence[CoverageCurve], uncertainties: Sequence[Uncertainty], settings: EnhanceSettings
) -> CalibrationReport:
    """Factors from measured coverage, and their coverage on subjects that were left out.

    Args:
        curves: of `measure`, any number of scans and tasks per subject.
        uncertainties: of `measure`, passed on.
        settings: that the draws were made with.

    Raises:
        UsageError: fewer than 3 subjects, so that leaving one out leaves too few.
    """
    subjects = {curve.subject for curve in curves}
    if len(subjects) <= FEWEST_SUBJECTS:
        raise UsageError(f"{len(subjects)} subjects; expected at least {FEWEST_SUBJECTS + 1} to calibrate and check on")
    held_out = _left_out(curves)
    groups = _groups(curves)
    return CalibrationReport(
        calibration=Calibration(
            levels=LEVELS,
            factors={kind: {group: factors(_chosen(curves, kind, group)) for group in groups} for kind in KINDS},
            subjects={group: len(_subjects(_chosen(curves, KINDS[0], group))) for group in groups},
            held_out={kind: {group: _mean_after(held_out, kind, group) for group in groups} for kind in KINDS},
            draws=settings.draws,
            steps=settings.steps,
            tasks=tuple(dict.fromkeys(curve.task for curve in curves)),
        ),
        held_out=held_out,
        guaranteed={kind: _guaranteed(_chosen(curves, kind, ALL)) for kind in KINDS},
        uncertainties=tuple(uncertainties),
    )


def factors(curves: Sequence[CoverageCurve]) -> tuple[float, ...]:
    """Per level, the factor at which the mean coverage over subjects is that level; scans of one subject count once."""
    mean = _mean_curve(curves)
    return tuple(_width_at(mean, level) / normal_width(level) for level in LEVELS)


def calibrated_weights(model: Model, calibration: Calibration) -> bytes:
    """The model's weights file with this calibration in its metadata; the weights themselves do not change."""
    return weights_bytes(model.net.state_dict(), replace(model.spec, calibration=calibration))


def measure(
    trial: Trial, scan: str, task: str, model: Model, settings: EnhanceSettings, side_vox: int = SIDE_VOX
) -> tuple[tuple[Uncertainty, Uncertainty], tuple[CoverageCurve, CoverageCurve]]:
    """Uncertainty of draws and of the variance head in the middle of the body, and how much they cover.

    Args:
        trial: of `medsr.validation.make_trial`.
        scan: its name.
        task: its name.
        model: of `medsr.models.load_model`.
        settings: draws, steps, seed and flips.
        side_vox: largest side, in fine voxels, of the part that is measured.
    """
    box = middle(trial, side_vox)
    part = part_of(trial.coarse, box, trial.acquisition)
    whole = Whole(trial.scale, trial.noise, part.origin)
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
    stated = {"draws": voxels.spread, "variance": voxels.deviation}
    draws, variance = (_uncertainty(scan, task, kind, voxels, stated[kind], model, group) for kind in KINDS)
    first, second = (
        CoverageCurve(subject_of(scan), scan, task, kind, group, coverage_curve(voxels.error, stated[kind]))
        for kind in KINDS
    )
    return (draws, variance), (first, second)


def middle(trial: Trial, side_vox: int) -> Box:
    """The box around the middle of the body, at most `side_vox` fine voxels a side, in coarse voxels."""
    centre = np.array([float(np.mean(index)) for index in np.nonzero(trial.mask)])
    factor = np.array(trial.acquisition.factors)
    shape = np.array(trial.coarse.shape)
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
    draws: NDArray[np.float32]  # (M, n)
    spread: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        believed: Posterior,
        shown: Callable[[Volume], NDArray[np.float32]],
        reference: NDArray[np.float32],
        mask: NDArray[np.bool_],
        R: float,
    ) -> _Voxels:
        """Gather them, computing the draws."""
        truth, mean, deviation = (
            scan[mask].astype(np.float64) / R for scan in (reference, shown(believed.mean), shown(believed.deviation))
        )
        squares = np.zeros(believed.mean.shape, dtype=np.float32)
        kept: list[NDArray[np.float32]] = []
        for draw in believed.draws:
            squares += (draw.data - believed.mean.data) ** 2
            kept.append(shown(draw)[mask] / np.float32(R))
        draws = np.stack(kept)
        spread = shown(believed.mean.with_data(spread_of(torch.from_numpy(squares / len(draws))).numpy()))[mask] / R
        floors = (np.maximum(values, LEAST_DEVIATION) for values in (deviation, spread))
        return cls(truth, mean - truth, next(floors), draws, next(floors).astype(np.float64))


def _uncertainty(
    scan: str, task: str, kind: str, voxels: _Voxels, stated: NDArray[np.float64], model: Model, group: str
) -> Uncertainty:
    error = voxels.error
    rmse = float(np.sqrt(np.mean(error**2)))
    bins = spread_skill(error, stated)
    known = model.spec.calibration
    scaled = {} if known is None else known.factors_for(kind, group)
    of_draws = kind == "draws"
    return Uncertainty(
        scan=scan,
        task=task,
        method=kind,
        coverage={_percent(level): coverage(error, stated, normal_width(level)) for level in LEVELS},
        calibrated={
            _percent(level): coverage(error, stated, factor * normal_width(level)) for level, factor in scaled.items()
        },
        crps=crps_of_draws(voxels.draws, voxels.truth) if of_draws else crps_of_normal(error, stated),
        crps_constant=crps_of_normal(error, np.full(error.shape, max(rmse, LEAST_DEVIATION))),
        auroc=auroc(error, stated),
        deviation=float(np.sqrt(np.mean(stated**2))),
        error=rmse,
        spread=bins.spread,
        skill=bins.error,
        n_draws=len(voxels.draws) if of_draws else 0,
    )


def _percent(level: float) -> str:
    return f"{100 * level:g}"


def _left_out(curves: Sequence[CoverageCurve]) -> tuple[HeldOut, ...]:
    rows: list[HeldOut] = []
    for kind in KINDS:
        for group in _groups(curves):
            chosen = _chosen(curves, kind, group)
            for subject in _subjects(chosen):
                others = [curve for curve in chosen if curve.subject != subject]
                if len(_subjects(others)) < FEWEST_SUBJECTS:
                    others = [c for c in _chosen(curves, kind, ALL) if c.subject != subject]
                own = _mean_curve([curve for curve in chosen if curve.subject == subject])
                before = tuple(_covered(own, normal_width(level)) for level in LEVELS)
                widths = [f * normal_width(level) for f, level in zip(factors(others), LEVELS, strict=True)]
                rows.append(HeldOut(subject, kind, group, before, tuple(_covered(own, width) for width in widths)))
    return tuple(rows)


def _groups(curves: Sequence[CoverageCurve]) -> list[str]:
    """All scans, and every group of enough subjects."""
    groups = dict.fromkeys(curve.group for curve in curves)
    return [ALL, *(g for g in groups if len(_subjects(_chosen(curves, KINDS[0], g))) >= FEWEST_SUBJECTS)]


def _chosen(curves: Sequence[CoverageCurve], kind: str, group: str) -> list[CoverageCurve]:
    return [curve for curve in curves if curve.kind == kind and group in (ALL, curve.group)]


def _subjects(curves: Sequence[CoverageCurve]) -> list[str]:
    return list(dict.fromkeys(curve.subject for curve in curves))


def _mean_curve(curves: Sequence[CoverageCurve]) -> NDArray[np.float64]:
    """Mean over subjects of the mean over each one's scans."""
    each = [np.mean([c.covered for c in curves if c.subject == subject], axis=0) for subject in _subjects(curves)]
    return np.asarray(np.mean(each, axis=0), dtype=np.float64)


def _width_at(curve: NDArray[np.float64], level: float) -> float:
    """Half width that covers `level`; the widest of the table where none does."""
    return float(np.interp(level, curve, WIDTHS))


def _covered(curve: NDArray[np.float64], width: float) -> float:
    return float(np.interp(width, WIDTHS, curve))


def _mean_after(held_out: Sequence[HeldOut], kind: str, group: str) -> tuple[float, ...]:
    rows = [row.after for row in held_out if (row.kind, row.group) == (kind, group)]
    return tuple(float(value) for value in np.mean(rows, axis=0))


def _guaranteed(curves: Sequence[CoverageCurve]) -> dict[str, float | None]:
    """The smallest factor with (n / (n + 1)) miss + 1 / (n + 1) <= 1 - level, n subjects."""
    n = len(_subjects(curves))
    mean = _mean_curve(curves)
    found: dict[str, float | None] = {}
    for level in LEVELS:
        allowed = ((n + 1) * (1 - level) - 1) / n
        found[f"{level:g}"] = _width_at(mean, 1 - allowed) / normal_width(level) if allowed > 0 else None
    return found
