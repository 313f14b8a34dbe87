"""What the metrics of the table judge: one result beside its reference, and one stated uncertainty beside the error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medsr.metrics.arrays import Mask, Scan
from medsr.metrics.artefacts import comb_ratio, shift_mm
from medsr.metrics.bands import band_errors
from medsr.metrics.ensembles import block_coverage, energy_score, histogram_distance, power_ratio_of_samples
from medsr.metrics.parts import Part
from medsr.metrics.resolution import ShellCorrelation, shell_correlation
from medsr.metrics.structure import ssim_map
from medsr.metrics.uncertainty import coverage, crps_of_normal, crps_of_samples, normal_width

PARTS_LEVEL = 0.9  # of the intervals whose coverage is told of parts and of blocks


@dataclass(frozen=True)
class Restoration:
    """One result and what it is judged by; what several metrics share is computed once.

    Attributes:
        x: Result, (I, J, K) in the scan's unit.
        reference: Reference, (I, J, K), same unit.
        mask: Voxels that count, (I, J, K).
        parts: Parts of the mask, of `medsr.metrics.parts.parts_of`.
        data_range: Data range R of the reference.
        spacing_mm: Voxel spacing of the reference.
        degraded: Axes that were degraded, at least one.
        n_coarse: Voxels of the input along each axis.
        op: Forward operator A, from (I, J, K) to (i, j, k).
        input: Scan that the result was made of, (i, j, k), same unit.
        noise: Standard deviation of the input's noise, same unit.
        seconds: Time that the method took.
    """

    x: Tensor
    reference: Scan
    mask: Mask
    parts: Mapping[Part, Mask]
    data_range: float
    spacing_mm: Sequence[float]
    degraded: Sequence[int]
    n_coarse: Sequence[int]
    op: Callable[[Tensor], Tensor]
    input: Tensor
    noise: float
    seconds: float

    @cached_property
    def ssim_map(self) -> NDArray[np.float32]:
        """SSIM at every voxel, (I, J, K)."""
        return ssim_map(self.x, self.reference, self.data_range)

    @cached_property
    def shells(self) -> tuple[ShellCorrelation, ...]:
        """Shell correlation with the reference along each degraded axis."""
        return tuple(shell_correlation(self.x, self.reference, self.spacing_mm, a, self.mask) for a in self.degraded)

    @cached_property
    def bands(self) -> tuple[float, float]:
        """Error inside and outside the measured band."""
        return band_errors(self.x, self.reference, self.mask, self.data_range, self.n_coarse)

    def comb(self) -> float:
        """Comb of the result over the reference's own, along the worst degraded axis; NaN where all are too thin."""
        ratios = (comb_ratio(self.x, self.reference, a, self.n_coarse[a], self.mask) for a in self.degraded)
        return max((ratio for ratio in ratios if not math.isnan(ratio)), default=float("nan"))

    def shift_mm(self) -> float:
        """Distance of the result from the reference."""
        return float(np.linalg.norm(shift_mm(self.x, self.reference, self.spacing_mm, self.mask)))


@dataclass(frozen=True)
class StatedUncertainty:
    """One stated uncertainty and the error that was made, in units of the data range.

    Attributes:
        mean: Centre of what is stated, (I, J, K).
        deviation: Stated standard deviations, (I, J, K), > 0.
        truth: True values, (I, J, K).
        mask: Voxels that count, (I, J, K).
        parts: Parts of the mask, of `medsr.metrics.parts.parts_of`.
        degraded: Axes that were degraded.
        samples: Samples behind the deviation, (M, I, J, K), M at least 2; None where a network states it directly.
        spread: Root mean square distance of two of the samples over that of two independent ones.
        factor: Factor that a calibration widens the intervals of 90 % by.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    truth: NDArray[np.float64]
    mask: Mask
    parts: Mapping[Part, Mask]
    degraded: Sequence[int]
    samples: NDArray[np.float32] | None = None
    spread: float = 1.0
    factor: float = 1.0

    @cached_property
    def error(self) -> NDArray[np.float64]:
        """Mean minus truth in the mask, (n,)."""
        return (self.mean - self.truth)[self.mask]

    @cached_property
    def stated(self) -> NDArray[np.float64]:
        """Stated standard deviations in the mask, (n,)."""
        return self.deviation[self.mask]

    def crps(self) -> float:
        """CRPS of the samples themselves, or of normal distributions."""
        if self.samples is None:
            return crps_of_normal(self.error, self.stated)
        return crps_of_samples(self.samples[:, self.mask], self.truth[self.mask], self.spread)

    def coverage_in(self, part: Part) -> float:
        """Share of a part's voxels within the intervals of 90 %, calibrated where that is known; NaN without voxels."""
        where = self.parts[part]
        if not where.any():
            return float("nan")
        error, deviation = (self.mean - self.truth)[where], self.deviation[where]
        return coverage(error, self.factor * deviation, normal_width(PARTS_LEVEL))

    def energy_score(self) -> float:
        """Energy score of blocks; NaN without samples, as for what follows."""
        if self.samples is None:
            return float("nan")
        return energy_score(self.samples, self.truth, self.mask, self.spread)

    def block_coverage(self) -> float:
        """Share of blocks whose mean lies within the samples' interval of 90 %."""
        if self.samples is None:
            return float("nan")
        return block_coverage(self.samples, self.mean, self.truth, self.mask, PARTS_LEVEL)

    def power_ratio(self) -> float:
        """High-frequency power of the samples over the truth's."""
        if self.samples is None:
            return float("nan")
        return power_ratio_of_samples(self.samples, self.truth, self.degraded, self.mask)

    def histogram_distance(self) -> float:
        """Distance of the samples' histogram from the truth's."""
        return float("nan") if self.samples is None else histogram_distance(self.samples, self.truth, self.mask)
