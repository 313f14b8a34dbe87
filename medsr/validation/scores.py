"""Single measurements of a validation, each a row of plain values with its scan and its task.

Every class here but `Score`, which has `Score.row`, turns into JSON by `dataclasses.asdict`;
`medsr.validation.findings.Findings.from_dict` reads all of them back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any

from medsr.metrics.table import NAMES, UNCERTAINTY_METRICS

NAN = float("nan")
PLACES = ("scan", "task", "axes", "method")
"""Columns of a score that say what was measured."""

ScoreRow = make_dataclass("ScoreRow", [*((name, str) for name in PLACES), *((name, float) for name in NAMES)])
"""A score as a row of plain values."""


@dataclass(frozen=True)
class Score:
    """One method on one scan under one task: `score["psnr_db"]` is its PSNR.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        axes: Axes that were degraded, such as "R A S" or "S".
        method: Name of the method; "band_limited" is a ceiling and not a method.
        values: One number for each metric of `medsr.metrics.table.METRICS`; NaN where it was not measured.
    """

    scan: str
    task: str
    axes: str
    method: str
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        if set(self.values) != set(NAMES):
            off = sorted(set(self.values) ^ set(NAMES))
            raise ValueError(f"a score must hold the metrics of the table, no more and no less; see {', '.join(off)}")

    def __getitem__(self, metric: str) -> float:
        return self.values[metric]

    @classmethod
    def from_row(cls, row: Any) -> Score:
        """The score of a `ScoreRow`."""
        return cls(row.scan, row.task, row.axes, row.method, {name: getattr(row, name) for name in NAMES})

    def row(self) -> dict[str, str | float]:
        """Plain values in the order of the table of metrics."""
        places = {"scan": self.scan, "task": self.task, "axes": self.axes, "method": self.method}
        return {**places, **{name: self.values[name] for name in NAMES}}


@dataclass(frozen=True)
class Uncertainty:
    """How far one stated uncertainty can be trusted on one scan under one task.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        method: "samples" (deviation of posterior samples from the mean), "variance" (the network's variance head) or
            "white noise" (a control: the mean with white noise of the variance that the head states for samples).
        coverage: Share of voxels in the mask within the interval of a normal distribution with the stated deviation,
            by percent ("50", "80", "90", "95").
        calibrated: Share after scaling by the factors of the weights; empty where they hold none.
        crps: Mean continuous ranked probability score over R, of the samples themselves or of normal distributions.
        crps_constant: CRPS of normal distributions with one deviation everywhere, the root mean square error.
        auroc: How well the deviation points at the largest tenth of the errors; 0.5 is blind.
        energy_score: Mean energy score over R of blocks of 4 x 4 x 4 voxels; NaN without samples, as the next one.
        coverage90_blocks: Share of such blocks whose mean lies in the samples' interval of 90 %.
        coverage90_interior: Share of the interior's voxels in their interval of 90 %, calibrated where that is known.
        coverage90_edges: The same at edges.
        power_ratio_of_samples: High-frequency power of the samples over the reference's; NaN without samples.
        histogram_distance: Wasserstein-1 distance of the histograms over R; NaN without samples.
        deviation: Root mean square stated deviation over R.
        error: Root mean square error of the mean over R.
        stated_deviation: Reliability curve: root mean square stated deviation over R, by bins of it.
        actual_error: Root mean square error over R in the same bins; equal where the stated deviation is right.
        n_samples: Number of posterior samples behind it; 0 for the variance head.
    """

    scan: str
    task: str
    method: str
    coverage: dict[str, float]
    calibrated: dict[str, float]
    crps: float
    crps_constant: float
    auroc: float
    energy_score: float
    coverage90_blocks: float
    coverage90_interior: float
    coverage90_edges: float
    power_ratio_of_samples: float
    histogram_distance: float
    deviation: float
    error: float
    stated_deviation: tuple[float, ...]
    actual_error: tuple[float, ...]
    n_samples: int


_without = [one.name for one in UNCERTAINTY_METRICS if one.name not in (entry.name for entry in fields(Uncertainty))]
if _without:
    raise TypeError(f"Uncertainty has no field {_without[0]!r}; the table of metrics has it")


@dataclass(frozen=True)
class Case:
    """What is known of one scan under one task.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        subject: Label of the subject; scans of one subject count once.
        modality: "MR" or "CT".
        contrast: Contrast, such as "T1w"; "" where nothing says it.
        axes: Axes that were degraded.
        factor: Largest number of fine voxels per coarse voxel.
        spacing_mm: Voxel spacing of the reference.
        range: Data range R of the convention, in the scan's unit.
        reference_noise: Standard deviation of the reference's noise, in its unit; an upper bound.
        ceiling_db: PSNR that no method can pass, because the reference's own noise can't be predicted.
        facts: Entries of a manifest, such as scanner and anatomy.
        profile: Profile that the methods assumed, with its widths, such as "gaussian, R 2 mm, A 2 mm, S 2 mm".
        degraded_by: Profile that made the input where the methods assumed another one, else "".
    """

    scan: str
    task: str
    subject: str
    modality: str
    contrast: str
    axes: str
    factor: float
    spacing_mm: tuple[float, float, float]
    range: float
    reference_noise: float
    ceiling_db: float
    facts: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    degraded_by: str = ""


@dataclass(frozen=True)
class BlendPoint:
    """What one blend of mean and posterior sample gives and costs.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        blend: Weight of the sample, 0 (mean) to 1 (sample).
        psnr_db: PSNR of mean + blend (sample - mean); see `medsr.validation.convention.CONVENTION`.
        high_frequency_power_ratio: Power of the finest detail over the reference's, as in `Score`; 1 is as sharp.
    """

    scan: str
    task: str
    blend: float
    psnr_db: float
    high_frequency_power_ratio: float


@dataclass(frozen=True)
class Shells:
    """Fourier shell correlation of one method with the reference along one axis (docs/reference/metrics.md).

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        method: Name of the method.
        axis: "R", "A" or "S".
        per_mm: Middle of each shell, rising, in cycles per mm.
        correlation: Correlation in each shell, -1 to 1.
    """

    scan: str
    task: str
    method: str
    axis: str
    per_mm: tuple[float, ...]
    correlation: tuple[float, ...]


@dataclass(frozen=True)
class PairFit:
    """How a real low-resolution scan relates to its real high-resolution partner (`medsr.validation.pairs`).

    Before anything is done the low-resolution scan y becomes slope * y + offset, so that every method answers in the
    unit of the high-resolution scan x. The line is that of least squares of y over A x in the mask on the grid of y,
    turned round. CT is in HU and is left alone.

    Attributes:
        scan: Name of the pair.
        task: Name of what was asked of it.
        slope: Slope of the line; 1 where nothing was fitted.
        offset: Offset of the line, in the unit of x; 0 where nothing was fitted.
        correlation: Correlation of A x and y in the mask, -1 to 1.
        shift_mm: Distance of y from A x: what is left of the registration's error.
        covered: Share of the voxels of y that both scans cover.
        turn_deg: Angle between the two scans' axes.
        interpolated: Axes along which x had to be interpolated, such as "R A"; "" where its own voxels were taken.
        moved_mm: Shift of x at the middle of y that registration found; NaN, as the next two, without registration.
        moved_deg: Turn that it found.
        registration_error_mm: What it says of its own error (`medsr.registration.rigid.register`).
    """

    scan: str
    task: str
    slope: float
    offset: float
    correlation: float
    shift_mm: float
    covered: float
    turn_deg: float
    interpolated: str
    moved_mm: float = NAN
    moved_deg: float = NAN
    registration_error_mm: float = NAN

    @property
    def was_registered(self) -> bool:
        """Whether the two were registered before anything was measured."""
        return not math.isnan(self.moved_mm)


@dataclass(frozen=True)
class Unmeasured:
    """A case that could not be measured.

    Attributes:
        scan: Name of the reference or the pair.
        task: Name of the task.
        reason: What was found, what was expected, what to do next.
    """

    scan: str
    task: str
    reason: str


@dataclass(frozen=True)
class StructureScore:
    """One structure of the body in the result of one method, against the same in the reference.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        method: Name of the method.
        part: What was segmented: "head" (T1w, by a network) or "body" (CT, by thresholds).
        structure: Name of the structure.
        reference_ml: Volume in the reference.
        volume_ml: Volume in the result.
        volume_error_percent: Volume in the result over the reference's, minus 1; NaN where that has none.
        dice: Dice coefficient of both; NaN where neither has any.
        surface_mm: Mean distance of their surfaces.
        surface95_mm: 95th percentile of it, of the direction where it is larger.
    """

    scan: str
    task: str
    method: str
    part: str
    structure: str
    reference_ml: float
    volume_ml: float
    volume_error_percent: float
    dice: float
    surface_mm: float
    surface95_mm: float


@dataclass(frozen=True)
class Unsegmented:
    """A case that the anatomy was asked of and could not be measured on, and why."""

    scan: str
    task: str
    reason: str
