"""Named tasks: how a high-resolution scan (the reference) is degraded, and what methods assume about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.affine import axes_text
from medsr.errors import UsageError
from medsr.physics.acquisition import SMALLEST_FACTOR, Acquisition, on_grids, with_assumed
from medsr.physics.assumption import assumed_from_voxels, fine_axes, is_isotropic
from medsr.physics.ops import Profile, Separable
from medsr.physics.ops.noise import add_gaussian, add_rician
from medsr.physics.profiles import ProfileChoice
from medsr.volume import Volume

NOISE_PERCENTILE = 99.0  # MR noise of a task is a share of this percentile of the reference
SUPERIOR, RIGHT, ANTERIOR = 2, 0, 1  # axes of a scan in RAS order
MOST_STACKS = 3  # one across each axis


@dataclass(frozen=True)
class Task:
    """A named degradation (docs/reference/tasks.md). Either `factor` or `thick_mm` is set.

    Attributes:
        name: Name on the command line.
        factor: Factor of every axis that is fine enough (reference voxels per voxel of the degraded scan).
        thick_mm: New spacing of one axis in mm.
        fwhm_mm: Width of the profile in mm; None: the new spacing.
        profile: Slice profile.
        noise_share: Standard deviation of the MR noise as a share of the reference's 99th percentile.
        noise_hu: Standard deviation of the CT noise in HU.
        in_plane: Leave the slice axis alone.
        assumed_profile: Slice profile that methods assume, to measure what a wrong assumption costs; "auto": what is
            assumed of the degraded scan where nothing is told; None: the true one.
        assumed_fwhm_mm: Width of the profile in mm that methods assume; None: the true one.
        all_axes: Refuse scans with an axis too coarse to be degraded, instead of leaving that axis alone.
        stacks: Number of stacks of thick slices, 1 to 3, each across another axis (`medsr.physics.stacks`).
        moved: Turn and shift every stack but the first, and in MR scale it.
    """

    name: str
    factor: float | None = None
    thick_mm: float | None = None
    fwhm_mm: float | None = None
    profile: Profile = "gaussian"
    noise_share: float = 0.0
    noise_hu: float = 0.0
    in_plane: bool = False
    assumed_profile: ProfileChoice | None = None
    assumed_fwhm_mm: float | None = None
    all_axes: bool = False
    stacks: int = 1
    moved: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.stacks <= MOST_STACKS:
            raise UsageError(f"task {self.name!r} has {self.stacks} stacks; expected 1 to {MOST_STACKS}")
        if self.stacks > 1 and self.thick_mm is None:
            raise UsageError(f"task {self.name!r} has {self.stacks} stacks; give the thickness of slices as thick_mm")
        if self.moved and self.stacks == 1:
            raise UsageError(f"task {self.name!r} moves every stack but the first and has one; ask for stacks = 2 or 3")


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
        UsageError: no task has that name.
    """
    if name not in TASKS:
        raise UsageError(f"no task is called {name!r}; choose one of {', '.join(TASKS)}")
    return TASKS[name] if profile is None else replace(TASKS[name], profile=profile)


def is_for(spacing_mm: NDArray[np.float64], task: Task) -> bool:
    """Whether every axis is fine enough for a task that degrades all axes; always true for other tasks."""
    return not task.all_axes or len(fine_axes(spacing_mm)) == 3


def degradation(reference: Volume, task: Task, across: int | None = None) -> Acquisition:
    """How `task` would acquire a reference in RAS order (docs/reference/tasks.md).

    Args:
        reference: High-resolution scan in RAS order.
        task: What is asked of it.
        across: Axis across the slices of a task with `thick_mm`; None: the first that is fine enough.

    Raises:
        UsageError: the scan is too coarse or too small for the task.
    """
    spacing = reference.spacing_mm
    fine = fine_axes(spacing)
    if len(fine) < 3 and (task.all_axes or task.stacks > 1):
        raise UsageError(
            f"{task.name} needs a scan that is fine along every axis; this one has {axes_text(spacing)} mm"
        )
    if task.thick_mm is not None:
        axis = _thick_axis(fine) if across is None else across
        if spacing[axis] * SMALLEST_FACTOR > task.thick_mm:
            raise UsageError(
                f"{task.name} needs slices finer than {task.thick_mm:g} mm; this one has {spacing[axis]:.3g} mm"
            )
        coarse = [task.thick_mm if number == axis else None for number in range(3)]
    else:
        factor = 1.0 if task.factor is None else task.factor
        slices = _slice_axis(spacing) if task.in_plane else None
        coarse = [factor * float(h) if axis in fine and axis != slices else None for axis, h in enumerate(spacing)]
    shape = [
        n if d is None else max(2, round(n * float(h) / d))
        for n, d, h in zip(reference.shape, coarse, spacing, strict=True)
    ]
    if tuple(shape) == reference.shape:
        raise UsageError(
            f"{task.name} leaves {axes_text(shape)} voxels of {axes_text(spacing)} mm as they are; "
            "choose a larger scan or another task"
        )
    return on_grids(reference.affine, reference.shape, shape, task.profile, task.fwhm_mm)


def degrade(
    reference: Volume, task: Task | str, seed: int = 0, across: int | None = None
) -> tuple[Volume, Acquisition]:
    """The low-resolution scan that a task makes of a high-resolution one, on its axes turned to RAS.

    docs/reference/tasks.md lists the tasks. Of several stacks this is one (`medsr.physics.stacks.stacks_of`).

    Args:
        reference: High-resolution scan in any orientation.
        task: Task, or the name of one of `TASKS`, such as "thick5".
        seed: Random seed for the noise, where the task has any.
        across: Axis across thick slices, in RAS order; None: the first that is fine enough.

    Returns:
        The low-resolution scan and the acquisition, whose fine grid is the reference in RAS order: the true one, or
        the assumed one where the task names another.

    Raises:
        UsageError: no task has that name, or the scan is too coarse or too small for it.
    """
    task = task_named(task) if isinstance(task, str) else task
    turned = reference.to_ras()
    true = degradation(turned, task, across)
    y = true.op(torch.from_numpy(np.array(turned.data)))
    y = with_noise(y, turned, task, seed)
    thick = true.degraded.index(True) if task.thick_mm is not None else turned.slice_axis
    coarse = replace(
        turned,
        data=y.numpy(),
        affine=true.coarse_affine,
        slice_axis=thick,
        thickness_mm=None,
        source=replace(turned.source, dtype="float32"),
    )
    if task.assumed_profile == "auto":
        return coarse, with_assumed(true, assumed_from_voxels(coarse, task.assumed_fwhm_mm))
    told = _as_told(true, task.assumed_profile, task.assumed_fwhm_mm)
    sampling = None if thick is None else told.op.axes[thick]
    if thick is None or sampling is None:
        return replace(coarse, thickness_mm=turned.thickness_mm), told
    return replace(coarse, thickness_mm=sampling.fwhm * told.fine_spacing_mm[thick]), told


def _as_told(true: Acquisition, profile: Profile | None, fwhm_mm: float | None) -> Acquisition:
    """The acquisition with the profile and the width in mm that methods are told; None: the true one."""
    axes = [
        axis and replace(axis, profile=profile or axis.profile, fwhm=axis.fwhm if fwhm_mm is None else fwhm_mm / h)
        for axis, h in zip(true.op.axes, true.fine_spacing_mm, strict=True)
    ]
    return replace(true, op=Separable((axes[0], axes[1], axes[2])))


def with_noise(y: Tensor, reference: Volume, task: Task, seed: int) -> Tensor:
    """What a task measures where it would measure y, (i, j, k), without noise; y and reference are in one unit."""
    generator = torch.Generator().manual_seed(seed)
    if reference.modality == "CT":
        return add_gaussian(y, task.noise_hu, generator) if task.noise_hu else y
    sigma = task.noise_share * float(np.percentile(reference.data, NOISE_PERCENTILE))
    return add_rician(y, sigma, generator) if sigma else y


def _thick_axis(fine: Sequence[int]) -> int:
    return next(axis for axis in (SUPERIOR, RIGHT, ANTERIOR) if axis in fine)


def _slice_axis(spacing: NDArray[np.float64]) -> int:
    """The coarsest axis, or superior-inferior where they are alike."""
    return SUPERIOR if is_isotropic(spacing) else int(np.argmax(spacing))
