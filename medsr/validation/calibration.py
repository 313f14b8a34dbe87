"""How far the stated uncertainty can be trusted, and the factors that set it right, measured on held-out subjects.

The unit is the subject (docs/reference/metrics.md). Whatever is reported of calibrated intervals is measured on
subjects that the factors were not taken from: each subject in turn is left out, factors are taken from all others, and
its voxels are counted. The factors that are kept in the weights come from all subjects together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.settings import MEASURED_SAMPLES, EnhanceSettings
from medsr.errors import UsageError
from medsr.metrics.uncertainty import LEVELS, normal_width
from medsr.model.spec import Calibration
from medsr.model.weights import Model, weights_bytes
from medsr.validation.coverage import KINDS, WIDTHS, CoverageCurve
from medsr.validation.findings import Uncertainty

ALL = "all"
FEWEST_SUBJECTS = 2  # that factors are taken from


@dataclass(frozen=True)
class HeldOut:
    """Coverage on one subject in one group, before and after scaling by factors of all other subjects.

    Attributes:
        subject: Subject that was left out.
        kind: "samples" or "variance".
        group: Group of scans.
        before: Share covered by the stated intervals, for each level of `LEVELS`.
        after: Share covered after scaling.
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
        calibration: Calibration that goes into the weights.
        held_out: Coverage of each subject that was left out, by kind and group.
        guaranteed: Factor with a finite-sample guarantee for a new subject out of the same population (conformal risk
            control over subjects, Angelopoulos et al. 2024), by kind and level; None where there are too few subjects.
        uncertainties: Stated uncertainty of every scan and task.
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
        curves: Curves of `measure`, any number of scans and tasks per subject.
        uncertainties: Uncertainties of `measure`, passed on.
        settings: Settings that the samples were made with.

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
            samples=settings.samples or MEASURED_SAMPLES,
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
