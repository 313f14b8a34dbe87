"""From millimetres to an operator: how a low-resolution scan (the input) was acquired, seen from a finer grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.errors import UsageError
from medsr.physics.assumption import (
    THICKEST,
    Assumed,
    Assumption,
    Sampled,
    assumed_of,
    can_be_thick,
    is_isotropic,
    slice_axis_of,
    told_of,
)
from medsr.physics.ops import AxisSampling, Profile, Separable
from medsr.physics.profiles import ProfileChoice
from medsr.record import assumption_text
from medsr.volume import MAX_VOXELS

SMALLEST_FACTOR = 1.05  # an axis that would change by less is left alone
LARGEST_FACTOR = 16.0
# The default grid stays within what packaged models are validated on.
DEFAULT_FINEST_MM, DEFAULT_COARSEST_MM = 0.35, 2.6
DEFAULT_FACTOR, DEFAULT_FACTOR_SEVERAL = 12.0, 6.0
ROUNDING = 0.01  # to whole voxels: what an envelope takes for the same spacing


@dataclass(frozen=True)
class Acquisition:
    """A fine grid, the coarse grid over the same field of view, and the operator between them.

    Attributes:
        op: Operator from the fine to the coarse grid.
        fine_shape: Voxels of the fine grid, per axis.
        fine_affine: Affine (4, 4) of the fine grid, voxel index to RAS mm.
        coarse_shape: Voxels of the coarse grid, per axis.
        coarse_affine: Affine (4, 4) of the coarse grid, voxel index to RAS mm.
        assumed: What the operator takes for granted of each degraded axis, and where that came from; None: an axis that
            is not degraded, or an operator that is known.
    """

    op: Separable
    fine_shape: tuple[int, int, int]
    fine_affine: NDArray[np.float64]
    coarse_shape: tuple[int, int, int]
    coarse_affine: NDArray[np.float64]
    assumed: Assumption = (None, None, None)

    @property
    def coarsest_axis(self) -> int:
        """Degraded axis along which the input is the coarsest."""
        steps = zip(self.fine_spacing_mm, self.factors, self.degraded, strict=True)
        return int(np.argmax([h * factor if changed else 0.0 for h, factor, changed in steps]))

    @property
    def fine_spacing_mm(self) -> tuple[float, float, float]:
        """Spacing of the fine grid in mm, per axis."""
        i, j, k = (float(h) for h in grids.spacing_mm(self.fine_affine))
        return i, j, k

    @property
    def factors(self) -> tuple[float, float, float]:
        """Fine voxels per coarse voxel, per axis."""
        i, j, k = (n / m for n, m in zip(self.fine_shape, self.coarse_shape, strict=True))
        return i, j, k

    @property
    def degraded(self) -> tuple[bool, bool, bool]:
        """Whether each axis is degraded, that is, differs between the grids."""
        i, j, k = (axis is not None for axis in self.op.axes)
        return i, j, k

    @property
    def profile_text(self) -> str:
        """Shape and widths of the profile, such as "gaussian, S 5 mm"; axes in the order of the grid, taken as RAS."""
        found: dict[str, None] = {}
        for name, axis, h in zip("RAS", self.op.axes, self.fine_spacing_mm, strict=True):
            if axis is not None:
                found[axis.profile] = None
                if axis.has_width:
                    found[f"{name} {axis.fwhm * h:.3g} mm"] = None
        return ", ".join(found)

    @property
    def assumed_text(self) -> str:
        """What is assumed of each degraded axis and where it came from; axes are numbered as stored, from 0."""
        return assumption_text([None if one is None else one.facts() for one in self.assumed])

    def summary(self) -> dict[str, object]:
        """Factors, spacings, profile and widths, for the run record."""
        widths = [
            round(axis.fwhm * h, 4) if axis is not None and axis.has_width else None
            for axis, h in zip(self.op.axes, self.fine_spacing_mm, strict=True)
        ]
        profiles = sorted({axis.profile for axis in self.op.axes if axis is not None})
        return {
            "factors": [round(f, 4) for f in self.factors],
            "coarse_shape": list(self.coarse_shape),
            "fine_shape": list(self.fine_shape),
            "coarse_spacing_mm": [round(float(h), 4) for h in grids.spacing_mm(self.coarse_affine)],
            "fine_spacing_mm": [round(h, 4) for h in self.fine_spacing_mm],
            "profile": profiles,
            "fwhm_mm": widths,
            "assumed": [None if one is None else one.facts() for one in self.assumed],
        }


def acquisition_of(
    scan: Sampled,
    spacing_mm: Sequence[float] | None = None,
    factors: Sequence[float] | None = None,
    profile: ProfileChoice = "auto",
    thickness_mm: float | None = None,
) -> Acquisition:
    """How the input was acquired, as seen from the finer grid that is asked for.

    By default the grid is isotropic at the finest spacing, or half that of an isotropic scan; axes that would become
    finer than 0.35 mm or change by more than 12 times (6 where several do) stay at that limit.

    Args:
        scan: Input.
        spacing_mm: Target spacing in mm, one number per stored axis or one for all; None: the default grid.
        factors: Result voxels per input voxel instead, at least 1, one number per stored axis or one for all.
        profile: Slice profile of every axis; "auto": as the headers say, or else by default (`assumed_of`).
        thickness_mm: Slice thickness in mm; None: what the headers say, else the spacing.

    Raises:
        UsageError: both a spacing and a factor, a grid that is not finer, a factor above 16, more than 2**31 voxels,
            or an impossible thickness.
    """
    spacing = scan.spacing_mm
    if spacing_mm is not None and factors is not None:
        raise UsageError("both a target spacing and a factor are given; expected one of them")
    if factors is not None:
        target = spacing / _three(factors, "factor")
    elif spacing_mm is not None:
        target = _three(spacing_mm, "spacing")
    else:
        target = _default_target(spacing)
    wanted = spacing / target
    if np.any(wanted < 1 - 1e-3) or np.any(wanted > LARGEST_FACTOR):
        raise UsageError(
            f"target spacing is {grids.axes_text(target)} mm for a scan of {grids.axes_text(spacing)} mm; "
            f"expected the same or finer, at most {LARGEST_FACTOR:g} times"
        )
    shape = [n if f < SMALLEST_FACTOR else max(n, round(n * float(f))) for n, f in zip(scan.shape, wanted, strict=True)]
    if spacing_mm is None and factors is None:
        shape = [_inside(*axis) for axis in zip(shape, scan.shape, spacing, strict=True)]
    if int(np.prod(shape, dtype=object)) > MAX_VOXELS:
        raise UsageError(
            f"the result would have {grids.axes_text(shape)} voxels; the limit is {MAX_VOXELS}, "
            "so ask for a coarser --spacing or a smaller --factor"
        )
    if tuple(shape) == scan.shape:
        raise UsageError(
            f"the scan already has a spacing of {grids.axes_text(spacing)} mm; "
            "ask for a finer --spacing or a --factor above 1"
        )
    fine_affine = grids.resized(scan.affine, scan.shape, shape)
    check_thickness(scan, thickness_mm)
    assumed = assumed_of(scan, thickness_mm) if profile == "auto" else told_of(scan, profile, thickness_mm)
    both = on_grids(fine_affine, (shape[0], shape[1], shape[2]), scan.shape, "kspace", None)
    return with_assumed(both, assumed)


def check_thickness(scan: Sampled, thickness_mm: float | None) -> None:
    """Refuse a thickness that slices as far apart as those of a scan can't have.

    Raises:
        UsageError: not above 0, or more than `THICKEST` times their spacing.
    """
    spacing = float(scan.spacing_mm[slice_axis_of(scan)])
    if thickness_mm is not None and not can_be_thick(thickness_mm, spacing):
        raise UsageError(
            f"slices are {thickness_mm:g} mm thick every {spacing:.3g} mm; expected more than 0 and at most "
            f"{THICKEST:g} times their spacing, so give the true --thickness"
        )


def with_assumed(acquisition: Acquisition, assumed: Assumption) -> Acquisition:
    """The same two grids, their degraded axes sampled as assumed."""
    i, j, k = (one if changes else None for one, changes in zip(assumed, acquisition.degraded, strict=True))
    a, b, c = (
        None if axis is None or one is None else _sampling(axis, one, h)
        for axis, one, h in zip(acquisition.op.axes, (i, j, k), acquisition.fine_spacing_mm, strict=True)
    )
    return replace(acquisition, op=Separable((a, b, c)), assumed=(i, j, k))


def _sampling(axis: AxisSampling, assumed: Assumed, fine_mm: float) -> AxisSampling:
    width = axis.n_fine / axis.n_coarse if assumed.fwhm_mm is None else assumed.fwhm_mm / fine_mm
    return replace(axis, profile=assumed.profile, fwhm=width)


def on_grids(
    fine_affine: NDArray[np.float64],
    fine_shape: tuple[int, int, int],
    coarse_shape: Sequence[int],
    profile: Profile,
    fwhm_mm: float | None,
    fwhm_axis: int | None = None,
) -> Acquisition:
    """Two grids of one field of view and the operator between them.

    Args:
        fine_affine: Affine (4, 4) of the fine grid, voxel index to RAS mm.
        fine_shape: Voxels of the fine grid, per axis.
        coarse_shape: Voxels of the coarse grid, as many or fewer along every axis.
        profile: Slice profile.
        fwhm_mm: Width of the profile in mm; None: the coarse spacing.
        fwhm_axis: Axis that the width holds for; None: every degraded axis.
    """
    axes: list[AxisSampling | None] = []
    for axis, (n, m) in enumerate(zip(fine_shape, coarse_shape, strict=True)):
        width = n / m
        if fwhm_mm is not None and fwhm_axis in (None, axis):
            width = fwhm_mm / float(grids.spacing_mm(fine_affine)[axis])
        axes.append(None if n == m else AxisSampling(n, m, profile, width))
    i, j, k = coarse_shape
    coarse_affine = grids.resized(fine_affine, fine_shape, coarse_shape)
    return Acquisition(Separable((axes[0], axes[1], axes[2])), fine_shape, fine_affine, (i, j, k), coarse_affine)


def _default_target(spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    wanted = spacing / 2 if is_isotropic(spacing) else np.full(3, spacing.min())
    several = np.count_nonzero(spacing >= SMALLEST_FACTOR * wanted) > 1
    finest = np.maximum(DEFAULT_FINEST_MM, spacing / (DEFAULT_FACTOR_SEVERAL if several else DEFAULT_FACTOR))
    return np.minimum(spacing, np.maximum(wanted, finest))


def _inside(n_fine: int, n_coarse: int, coarse_mm: float) -> int:
    """Voxels of a default grid, one more or less where rounding took few slices out of what models are validated on."""
    if n_fine == n_coarse:
        return n_fine
    fine_mm, nearest_mm = n_coarse * coarse_mm / n_fine, n_coarse * coarse_mm / (n_fine + 1)
    if fine_mm > (1 + ROUNDING) * DEFAULT_COARSEST_MM >= nearest_mm:
        return n_fine + 1
    return n_fine - 1 if fine_mm < (1 - ROUNDING) * DEFAULT_FINEST_MM and n_fine - 1 > n_coarse else n_fine


def _three(values: Sequence[float], what: str) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64).ravel()
    if numbers.size == 1:
        numbers = np.repeat(numbers, 3)
    if numbers.size != 3 or not np.all(np.isfinite(numbers)) or np.any(numbers <= 0):
        raise UsageError(f"{what} is {list(values)}; expected one or three numbers above 0")
    return numbers
