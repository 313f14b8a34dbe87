"""One small matrix per axis: sampling by a profile, cubic interpolation, and the IBP estimate made of both.

All matrices are float64 NumPy, built once per axis and cached. Fine and coarse grid share the field of view:
sample i of m is centred at (i + 1/2) n/m - 1/2 in voxels of the fine grid (docs/explanation/equations.md, eq. 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.physics.profiles import Profile, box, gaussian, trapezoid

Matrix = NDArray[np.float64]
Integral = Callable[[NDArray[np.float64], float], NDArray[np.float64]]
"""Integral of a profile up to a distance from its centre, for a width in the same unit."""
MatrixKind = Literal["forward", "adjoint", "ibp", "to_eigen", "from_eigen", "cubic", "linear", "nearest"]


def sample_centres(n_fine: int, n_coarse: int) -> NDArray[np.float64]:
    """Centres (n_coarse,) of the coarse samples, in voxels of the fine grid."""
    return (np.arange(n_coarse, dtype=np.float64) + 0.5) * (n_fine / n_coarse) - 0.5


def profile_matrix(n_fine: int, n_coarse: int, integral: Integral, fwhm: float) -> Matrix:
    """Sampling by a compact profile, (n_coarse, n_fine), rows sum to 1 (docs/explanation/equations.md, eq. 2).

    The profile is integrated over each fine voxel, cut at the field of view and renormalised.

    Args:
        n_fine: Voxels of the fine axis.
        n_coarse: Samples of the coarse axis.
        integral: Integral of the profile (`medsr.physics.profiles`).
        fwhm: Full width at half maximum in voxels of the fine grid, above 0.
    """
    faces = np.arange(n_fine + 1) - 0.5
    steps = integral(faces[None, :] - sample_centres(n_fine, n_coarse)[:, None], fwhm)
    weights = np.diff(steps, axis=1)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def kspace_matrix(n_fine: int, n_coarse: int) -> Matrix:
    """Ideal low-pass to the coarse Nyquist frequency, (n_coarse, n_fine) (docs/explanation/equations.md, eq. 3).

    Rows sum to 1. Periodic, as a measurement in k-space is. The pair of terms at the coarse Nyquist frequency is
    halved, so that the matrix is real, and the phase ramp that keeps the corners is in the centres.
    """
    frequencies = np.arange(n_coarse // 2 + 1)
    weights = np.where(frequencies == 0, 1.0, 2.0)
    if n_coarse % 2 == 0:
        weights[-1] = 1.0
    distance = sample_centres(n_fine, n_coarse)[:, None] - np.arange(n_fine)[None, :]
    waves = np.cos(2 * np.pi * distance[..., None] * frequencies / n_fine)
    return np.asarray(waves @ weights / n_fine, dtype=np.float64)


@dataclass(frozen=True)
class SliceProfile:
    """One entry of `SLICE_PROFILES`.

    Attributes:
        summary: What it is and where it is met, in a line.
        integral: Integral of a compact profile; None: sampling in k-space, which has no width.
        is_flat: Whether the profile has a flat top, one of the network's conditions.
    """

    summary: str
    integral: Integral | None
    is_flat: bool = False

    def matrix(self, n_fine: int, n_coarse: int, fwhm: float) -> Matrix:
        """Sampling along one axis, (n_coarse, n_fine); `fwhm` in voxels of the fine grid."""
        if self.integral is None:
            return kspace_matrix(n_fine, n_coarse)
        return profile_matrix(n_fine, n_coarse, self.integral, fwhm)

    @property
    def has_width(self) -> bool:
        """Whether a width means anything."""
        return self.integral is not None


SLICE_PROFILES: dict[Profile, SliceProfile] = {
    "gaussian": SliceProfile("a Gaussian: soft slices, resampled scans", gaussian),
    "box": SliceProfile("a box: the mean over the slice, as in CT", box, is_flat=True),
    "trapezoid": SliceProfile("a box with ramps: real slice-selective pulses", trapezoid, is_flat=True),
    "kspace": SliceProfile("an ideal low-pass filter: 3D acquisitions, in-plane axes", None),
}


@lru_cache(maxsize=256)
def cubic_matrix(n_fine: int, n_coarse: int) -> Matrix:
    """Cubic B-spline interpolation from the coarse to the fine grid, (n_fine, n_coarse), mirrored at the faces.

    Solved exactly: recursive prefilters, SciPy's for one, are off by up to 1e-5 of the signal on short axes.
    """
    return cubic_at(_fine_positions(n_fine, n_coarse), n_coarse)


def cubic_at(positions: NDArray[np.float64], n: int) -> Matrix:
    """Cubic B-spline interpolation of n samples, (len(positions), n), mirrored at the faces and constant beyond them.

    Args:
        positions: Places (m,) in samples, 0 at the first.
        n: Number of samples.
    """
    samples = _cubic_splines(np.arange(n, dtype=np.float64), n)
    values = _cubic_splines(np.clip(positions, -0.5, n - 0.5), n)
    return np.asarray(np.linalg.solve(samples.T, values.T).T, dtype=np.float64)


def linear_matrix(n_fine: int, n_coarse: int) -> Matrix:
    """Linear interpolation from the coarse to the fine grid, (n_fine, n_coarse), constant beyond the last centres."""
    return _local_matrix(n_fine, n_coarse, order=1)


def nearest_matrix(n_fine: int, n_coarse: int) -> Matrix:
    """Nearest neighbour from the coarse to the fine grid, (n_fine, n_coarse)."""
    return _local_matrix(n_fine, n_coarse, order=0)


def _fine_positions(n_fine: int, n_coarse: int) -> NDArray[np.float64]:
    """Centres (n_fine,) of the fine voxels, in samples of the coarse grid."""
    return np.asarray((np.arange(n_fine) + 0.5) * (n_coarse / n_fine) - 0.5, dtype=np.float64)


def _cubic_splines(positions: NDArray[np.float64], n: int) -> Matrix:
    """Value at each position of the cubic B-spline on each of n samples, (len(positions), n), mirrored at the faces."""
    knots = np.arange(-2, n + 2)
    distance = np.abs(positions[:, None] - knots)
    near, far = 2 / 3 - distance**2 + distance**3 / 2, np.maximum(2 - distance, 0.0) ** 3 / 6
    values = np.where(distance < 1, near, far)
    folded = np.mod(knots, 2 * n)
    mirror = np.eye(n)[np.minimum(folded, 2 * n - 1 - folded)]
    return np.asarray(values @ mirror, dtype=np.float64)


def _local_matrix(n_fine: int, n_coarse: int, order: int) -> Matrix:
    positions = _fine_positions(n_fine, n_coarse)
    columns = [
        ndimage.map_coordinates(unit, positions[None, :], order=order, mode="reflect", output=np.float64)
        for unit in np.eye(n_coarse)
    ]
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class AxisSampling:
    """How one axis is sampled: `n_fine` voxels seen by `n_coarse` profiles of width `fwhm`.

    Attributes:
        n_fine: Voxels of the fine axis.
        n_coarse: Samples of the coarse axis, at most n_fine.
        profile: Name of the profile; one without a width ignores `fwhm`.
        fwhm: Full width at half maximum in voxels of the fine grid, above 0.
    """

    n_fine: int
    n_coarse: int
    profile: Profile
    fwhm: float

    def __post_init__(self) -> None:
        if not 1 <= self.n_coarse <= self.n_fine:
            raise ValueError(f"{self.n_coarse} coarse samples of {self.n_fine} fine voxels; expected 1 to as many")
        if not self.fwhm > 0:
            raise ValueError(f"profile width is {self.fwhm} voxels; expected more than 0")

    def matrix(self, kind: MatrixKind, roughness: float = 0.0) -> Matrix:
        """The matrix of that kind, float64; `roughness` is for the IBP estimate alone (see `Separable.ibp`)."""
        match kind:
            case "forward":
                return _forward(self)
            case "adjoint":
                return _forward(self).T
            case "ibp":
                return ibp_matrix(self, roughness)
            case "to_eigen":
                return _eigen(self)[1].T
            case "from_eigen":
                return _eigen(self)[1]
            case "cubic":
                return cubic_matrix(self.n_fine, self.n_coarse)
            case "linear":
                return linear_matrix(self.n_fine, self.n_coarse)
            case "nearest":
                return nearest_matrix(self.n_fine, self.n_coarse)

    @property
    def has_width(self) -> bool:
        """Whether the profile has a width."""
        return SLICE_PROFILES[self.profile].has_width

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        """Eigenvalues (n_coarse,) of A A', rising."""
        return _eigen(self)[0]


def ibp_matrix(axis: AxisSampling, roughness: float) -> Matrix:
    """G = C (B'B + roughness D'D)^-1 B' with B = A C and D the first differences, (n_fine, n_coarse).

    At roughness 0 it is C (A C)^-1, the fixed point of iterative back-projection (Irani & Peleg 1991) and the
    consistent spline of Unser & Aldroubi 1994 (docs/explanation/equations.md, eq. 5).

    Args:
        axis: Sampling of the axis.
        roughness: Variance of the noise over the variance of neighbouring samples' differences, 0 or more.
    """
    C = cubic_matrix(axis.n_fine, axis.n_coarse)
    B = _forward(axis) @ C
    if roughness == 0.0:
        return np.asarray(np.linalg.solve(B.T, C.T).T, dtype=np.float64)
    D = np.diff(np.eye(axis.n_coarse), axis=0)
    return np.asarray(C @ np.linalg.solve(B.T @ B + roughness * D.T @ D, B.T), dtype=np.float64)


@lru_cache(maxsize=256)
def _forward(axis: AxisSampling) -> Matrix:
    return SLICE_PROFILES[axis.profile].matrix(axis.n_fine, axis.n_coarse, axis.fwhm)


@lru_cache(maxsize=256)
def _eigen(axis: AxisSampling) -> tuple[NDArray[np.float64], Matrix]:
    values, vectors = np.linalg.eigh(_forward(axis) @ _forward(axis).T)
    return np.maximum(values, 0.0), vectors
