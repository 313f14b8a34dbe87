"""From millimetres to an operator: how a coarse scan was acquired, and how a fine one is degraded by a named task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr import affine as grids
from medsr.errors import UsageError
from medsr.ops import AxisSampling, Profile, Separable
from medsr.ops.noise import add_gaussian, add_rician
from medsr.volume import MAX_VOXELS, Volume

SMALLEST_FACTOR = 1.05  # an axis that would change by less is left alone
LARGEST_FACTOR = 16.0
THICKEST = 4.0  # slices thicker than this times their spacing are a slip in the header or on the command line
ISOTROPIC = 1.25  # a scan whose spacings differ by less counts as isotropic
DEGRADABLE = 1.6  # an axis coarser than this times the finest spacing is never degraded
NOISE_PERCENTILE = 99.0  # MR noise of a task is a share of this percentile of the reference
SUPERIOR, RIGHT, ANTERIOR = 2, 0, 1  # axes of a scan in RAS order


class Sampled(Protocol):
    """What decides how a scan was acquired, its voxels aside: a `Volume`, or slices whose headers alone are read."""

    @property
    def shape(self) -> tuple[int, int, int]: ...  # noqa: D102
    @property
    def affine(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def spacing_mm(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def thickness_mm(self) -> float | None: ...  # noqa: D102
    @property
    def slice_axis(self) -> int | None: ...  # noqa: D102


@dataclass(frozen=True)
class Acquisition:
    """A fine grid, the coarse grid over the same field of view, and the operator between them.

    Attributes:
        op: the operator, fine to coarse.
        fine_shape: voxels of the fine grid.
        fine_affine: (4, 4) its affine.
        coarse_shape: voxels of the coarse grid.
        coarse_affine: (4, 4) its affine.
    """

    op: Separable
    fine_shape: tuple[int, int, int]
    fine_affine: NDArray[np.float64]
    coarse_shape: tuple[int, int, int]
    coarse_affine: NDArray[np.float64]

    @property
    def fine_spacing_mm(self) -> tuple[float, float, float]:
        """Spacing of the fine grid."""
        i, j, k = (float(h) for h in grids.spacing_mm(self.fine_affine))
        return i, j, k

    @property
    def factors(self) -> tuple[float, float, float]:
        """Fine voxels per coarse voxel, per axis."""
        i, j, k = (n / m for n, m in zip(self.fine_shape, self.coarse_shape, strict=True))
        return i, j, k

    @property
    def degraded(self) -> tuple[bool, bool, bool]:
        """Which axes differ."""
        i, j, k = (axis is not None for axis in self.op.axes)
        return i, j, k

    @property
    def profile_text(self) -> str:
        """Shape and widths of the profile, such as "gaussian, S 5 mm"; axes in the order of the grid, taken as RAS."""
        found: dict[str, None] = {}
        for name, axis, h in zip("RAS", self.op.axes, self.fine_spacing_mm, strict=True):
            if axis is not None:
                found[axis.profile] = None
                if axis.profile != "kspace":
                    found[f"{name} {axis.fwhm * h:.3g} mm"] = None
        return ", ".join(found)

    def summary(self) -> dict[str, object]:
        """Factors, spacings, profile and widths, for the run record."""
        widths = [
            None if axis is None or axis.profile == "kspace" else round(axis.fwhm * h, 4)
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
        }


@dataclass(frozen=True)
class Task:
    """A named degradation (docs/physics.md, tasks). Either `factor` or `thick_mm` is set.

    Attributes:
        name: as on the command line.
        factor: of every axis fine enough.
        thick_mm: new spacing of one axis.
        fwhm_mm: width of the profile where it differs from the new spacing.
        profile: its shape.
        noise_share: MR noise as a share of the 99th percentile.
        noise_hu: CT noise.
        in_plane: leave the slice axis alone.
        told_profile: shape of the profile that methods are told of, where it is not the true one: what a wrong
            assumption costs.
        told_fwhm_mm: its width, where that is not the true one.
        all_axes: refuse scans with an axis too coarse to be degraded, instead of leaving that axis alone.
    """

    name: str
    factor: float | None = None
    thick_mm: float | None = None
    fwhm_mm: float | None = None
    profile: Profile = "gaussian"
    noise_share: float = 0.0
    noise_hu: float = 0.0
    in_plane: bool = False
    told_profile: Profile | None = None
    told_fwhm_mm: float | None = None
    all_axes: bool = False


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("iso2", factor=2),
        Task("iso4", factor=4),
        Task("thick3", thick_mm=3),
        Task("thick5", thick_mm=5),
        Task("thick6", thick_mm=6),
        Task("gap", thick_mm=5, fwhm_mm=4, profile="trapezoid"),
        Task("plane2", factor=2, profile="kspace", in_plane=True),
        Task("noisy2", factor=2, noise_share=0.02, noise_hu=20),
    )
}


def task_named(name: str, profile: Profile | None = None) -> Task:
    """The task of that name, with another profile where one is given.

    Raises:
        UsageError: no such task.
    """
    if name not in TASKS:
        raise UsageError(f"no task is called {name!r}; choose one of {', '.join(TASKS)}")
    return TASKS[name] if profile is None else replace(TASKS[name], profile=profile)


def is_for(spacing_mm: NDArray[np.float64], task: Task) -> bool:
    """Whether a task that asks for every axis finds them all fine enough; true of every other task."""
    return not task.all_axes or bool(np.all(spacing_mm < DEGRADABLE * spacing_mm.min()))


def degradation(reference: Volume, task: Task) -> Acquisition:
    """How `task` would acquire a fine scan in RAS order (design, section 4).

    Raises:
        UsageError: the scan is too coarse or too small for the task.
    """
    spacing = reference.spacing_mm
    fine = [bool(h < DEGRADABLE * spacing.min()) for h in spacing]
    if not is_for(spacing, task):
        raise UsageError(f"{task.name} is for scans that are fine along every axis; this one has {_times(spacing)} mm")
    if task.thick_mm is not None:
        axis = _thick_axis(fine)
        if spacing[axis] * SMALLEST_FACTOR > task.thick_mm:
            raise UsageError(
                f"{task.name} needs slices finer than {task.thick_mm:g} mm; this one has {spacing[axis]:.3g} mm"
            )
        coarse = [task.thick_mm if number == axis else None for number in range(3)]
    else:
        factor = 1.0 if task.factor is None else task.factor
        slices = _slice_axis(spacing) if task.in_plane else None
        coarse = [
            factor * float(h) if ok and n != slices else None
            for n, (h, ok) in enumerate(zip(spacing, fine, strict=True))
        ]
    shape = [
        n if d is None else max(2, round(n * float(h) / d))
        for n, d, h in zip(reference.shape, coarse, spacing, strict=True)
    ]
    if tuple(shape) == reference.shape:
        raise UsageError(
            f"{task.name} leaves {' x '.join(map(str, shape))} voxels of {_times(spacing)} mm as they are; "
            "choose a larger scan or another task"
        )
    return _acquisition(reference.affine, reference.shape, shape, task.profile, task.fwhm_mm)


def degrade(reference: Volume, task: Task, seed: int = 0) -> tuple[Volume, Acquisition]:
    """The coarse scan that `task` makes of a fine one, on the fine scan's axes turned to RAS.

    Args:
        reference: any orientation.
        task: what to do.
        seed: of the noise, where the task has any.

    Returns:
        The coarse scan and the acquisition, whose fine grid is the reference in RAS order: the true one, or the one
        that methods are told of where the task names another.
    """
    turned = reference.to_ras()
    true = degradation(turned, task)
    y = true.op(torch.from_numpy(np.array(turned.data)))
    y = _noisy(y, turned, task, seed)
    acquisition = as_told(true, task)
    thick = acquisition.degraded.index(True) if task.thick_mm is not None else turned.slice_axis
    sampling = None if thick is None else acquisition.op.axes[thick]
    thickness_mm = turned.thickness_mm
    if thick is not None and sampling is not None:
        thickness_mm = sampling.fwhm * acquisition.fine_spacing_mm[thick]
    coarse = replace(
        turned,
        data=y.numpy(),
        affine=acquisition.coarse_affine,
        slice_axis=thick,
        thickness_mm=thickness_mm,
        source=replace(turned.source, dtype="float32"),
    )
    return coarse, acquisition


def as_told(acquisition: Acquisition, task: Task) -> Acquisition:
    """The acquisition with the profile and the width that methods are told of."""
    axes = [
        axis
        and replace(
            axis,
            profile=task.told_profile or axis.profile,
            fwhm=axis.fwhm if task.told_fwhm_mm is None else task.told_fwhm_mm / h,
        )
        for axis, h in zip(acquisition.op.axes, acquisition.fine_spacing_mm, strict=True)
    ]
    return replace(acquisition, op=Separable((axes[0], axes[1], axes[2])))


def acquisition_of(
    scan: Sampled,
    spacing_mm: Sequence[float] | None = None,
    factors: Sequence[float] | None = None,
    profile: Profile = "gaussian",
    thickness_mm: float | None = None,
) -> Acquisition:
    """How a coarse scan was acquired, as seen from the finer grid that is asked for.

    Without a wish the grid is isotropic at the finest spacing; an isotropic scan gets half its spacing. Profiles are
    as wide as the spacing, but along the slice axis as the slice is thick.

    Args:
        scan: the coarse scan.
        spacing_mm: wanted spacing, one number per axis or one for all.
        factors: wanted voxels per voxel instead, each from 1.
        profile: shape of the profile.
        thickness_mm: slice thickness where it is known better than from the scan's headers.

    Raises:
        UsageError: both wishes, a wish that is no finer grid, a factor beyond 16, more than 2**31 voxels, or a
            thickness that no slice has.
    """
    spacing = scan.spacing_mm
    if spacing_mm is not None and factors is not None:
        raise UsageError("a target spacing and a factor exclude each other; give one of them")
    if factors is not None:
        target = spacing / _three(factors, "factor")
    elif spacing_mm is not None:
        target = _three(spacing_mm, "spacing")
    else:
        target = _default_target(spacing)
    wanted = spacing / target
    if np.any(wanted < 1 - 1e-3) or np.any(wanted > LARGEST_FACTOR):
        raise UsageError(
            f"target spacing {_times(target)} mm of a scan with {_times(spacing)} mm; "
            f"expected the same or finer, at most {LARGEST_FACTOR:g} times"
        )
    shape = [n if f < SMALLEST_FACTOR else max(n, round(n * float(f))) for n, f in zip(scan.shape, wanted, strict=True)]
    if int(np.prod(shape, dtype=object)) > MAX_VOXELS:
        raise UsageError(f"the finer scan would have {' x '.join(map(str, shape))} voxels; the limit is {MAX_VOXELS}")
    if tuple(shape) == scan.shape:
        raise UsageError(f"the scan already has {_times(spacing)} mm; ask for a finer --spacing or a --factor above 1")
    fine_affine = grids.resized(scan.affine, scan.shape, shape)
    fwhm = scan.thickness_mm if thickness_mm is None else thickness_mm
    slices = scan.slice_axis if scan.slice_axis is not None else int(np.argmax(spacing))
    if fwhm is not None and not 0 < fwhm <= THICKEST * spacing[slices]:
        raise UsageError(
            f"slices {fwhm:g} mm thick every {spacing[slices]:.3g} mm; expected above 0 and at most {THICKEST:g} times "
            "their spacing, so give the true --thickness"
        )
    return _acquisition(fine_affine, (shape[0], shape[1], shape[2]), scan.shape, profile, fwhm, slices)


def _acquisition(
    fine_affine: NDArray[np.float64],
    fine_shape: tuple[int, int, int],
    coarse_shape: Sequence[int],
    profile: Profile,
    fwhm_mm: float | None,
    fwhm_axis: int | None = None,
) -> Acquisition:
    """Grids and operator; `fwhm_mm` holds for `fwhm_axis`, or for every degraded axis where that is None."""
    axes: list[AxisSampling | None] = []
    for axis, (n, m) in enumerate(zip(fine_shape, coarse_shape, strict=True)):
        width = n / m
        if fwhm_mm is not None and fwhm_axis in (None, axis):
            width = fwhm_mm / float(grids.spacing_mm(fine_affine)[axis])
        axes.append(None if n == m else AxisSampling(n, m, profile, width))
    i, j, k = coarse_shape
    coarse_affine = grids.resized(fine_affine, fine_shape, coarse_shape)
    return Acquisition(Separable((axes[0], axes[1], axes[2])), fine_shape, fine_affine, (i, j, k), coarse_affine)


def _noisy(y: Tensor, reference: Volume, task: Task, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if reference.modality == "CT":
        return add_gaussian(y, task.noise_hu, generator) if task.noise_hu else y
    sigma = task.noise_share * float(np.percentile(reference.data, NOISE_PERCENTILE))
    return add_rician(y, sigma, generator) if sigma else y


def _thick_axis(fine: Sequence[bool]) -> int:
    return next(axis for axis in (SUPERIOR, RIGHT, ANTERIOR) if fine[axis])


def _slice_axis(spacing: NDArray[np.float64]) -> int:
    """The coarsest axis, or superior-inferior where they are alike."""
    return int(np.argmax(spacing)) if spacing.max() > ISOTROPIC * spacing.min() else SUPERIOR


def _default_target(spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    if spacing.max() < ISOTROPIC * spacing.min():
        return spacing / 2
    return np.full(3, spacing.min())


def _three(values: Sequence[float], what: str) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64).ravel()
    if numbers.size == 1:
        numbers = np.repeat(numbers, 3)
    if numbers.size != 3 or not np.all(np.isfinite(numbers)) or np.any(numbers <= 0):
        raise UsageError(f"{what} is {list(values)}; expected one or three numbers above 0")
    return numbers


def _times(values: NDArray[np.float64]) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
