"""What the metrics of the table judge: one result beside its reference, and one stated uncertainty beside the error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medsr.metrics.arrays import Mask, Scan
from medsr.metrics.artefacts import comb_ratio, shift_mm
from medsr.metrics.bands import band_errors
from medsr.metrics.parts import Part
from medsr.metrics.resolution import ShellCorrelation, shell_correlation
from medsr.metrics.structure import ssim_map
from medsr.metrics.uncertainty import crps_of_normal, crps_of_samples


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
        """Comb of the result over the reference's own, along the worst degraded axis."""
        ratios = (comb_ratio(self.x, self.reference, a, self.n_coarse[a], self.mask) for a in self.degraded)
        return max(ratios)

    def shift_mm(self) -> float:
        """Distance of the result from the reference."""
        return float(np.linalg.norm(shift_mm(self.x, self.reference, self.spacing_mm, self.mask)))


@dataclass(frozen=True)
class StatedUncertainty:
    """One stated uncertainty and the error that was made, voxel by voxel, in units of the data range.

    Attributes:
        error: Mean minus truth, (n,).
        deviation: Stated standard deviations, (n,), > 0.
        truth: True values, (n,).
        samples: Posterior samples behind the deviation, (M, n); None where a network states it directly.
    """

    error: NDArray[np.float64]
    deviation: NDArray[np.float64]
    truth: NDArray[np.float64]
    samples: NDArray[np.float32] | None = None

    def crps(self) -> float:
        """CRPS of the samples themselves, or of normal distributions."""
        if self.samples is None:
            return crps_of_normal(self.error, self.deviation)
        return crps_of_samples(self.samples, self.truth)
