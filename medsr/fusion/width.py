"""How wide the slices of each stack are, by what the other stacks show: found before the network sees any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.without_network import silent
from medsr.fusion.grid import reduced, spacing_of, thickest_mm
from medsr.fusion.others import shown_by_others
from medsr.fusion.placing import own_grid, placed
from medsr.fusion.prior import prior_of
from medsr.fusion.stack import Stack, measured
from medsr.model.intensity import scale_of
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.physics.assumption import OTHER_STACKS, Assumed
from medsr.physics.ops import AxisSampling, Posed, Profile, Separable
from medsr.registration.rigid import Rigid
from medsr.volume import Volume

FAMILIES: tuple[Profile, ...] = ("gaussian", "trapezoid")
WIDTHS = np.linspace(0.6, 1.5, 19)  # of the distance between slices
WORTH = 0.02  # of the squared error: what explains the slices no better than that by so much changes nothing
FEWEST_VOX = 1000
LEAST_TURN_DEG = 45.0  # between the normals of two stacks: with less, both blur the same detail
DRAFT_VOX = 6  # of a draft across the thickest slice: with 4, widths came out a twentieth narrower
DRAFT_STEPS = 3  # twice as many found the same widths of three sets of training stacks
# Full width at half maximum of the Gaussian by which slices are compared, in thicknesses. What the others lost across
# their own slices lies in the plane of these, and would make them pass for narrower ones: without it for 4.2 to 4.8 mm
# on three training scans in slices of 5 mm, with it for 4.75 to 5.
BLUR = 2.4
FWHM_OF_SIGMA = 2.3548


def widths_shown(
    stacks: Sequence[Volume],
    poses: Sequence[Rigid],
    dark: Sequence[NDArray[np.bool_]],
    wanted_mm: Sequence[NDArray[np.float64]],
    acquisitions: Sequence[Acquisition | None],
    model: Model,
    settings: EnhanceSettings,
) -> list[Assumed | None]:
    """How the slices of each stack were sampled, where the others show it clearly better than is assumed; else None.

    Drafts are fused for it: iterative back-projection of every stack, without the network, on coarse voxels.

    Args:
        stacks: Stacks.
        poses: What brings each stack onto the first one.
        dark: Which slices of each stack lost their signal and were filled, (n,).
        wanted_mm: Spacing in mm that the result has along the axes of each stack, (3,).
        acquisitions: How each stack was acquired, where that is known; None: as `settings` ask.
        model: Loaded model.
        settings: What is asked of the result.

    Raises:
        InputError: stacks that do not belong together.
    """
    thick_mm = thickest_mm(stacks)
    drafts = [
        _draft(stack, thick_mm, wanted, acquisition, model, settings)
        for stack, wanted, acquisition in zip(stacks, wanted_mm, acquisitions, strict=True)
    ]
    begun = placed(drafts, poses, dark)
    width = scale_of(measured(drafts[0]), drafts[0].volume.modality).width
    others = shown_by_others(begun, prior_of(begun, own_grid(drafts[0]), width), width, DRAFT_STEPS)
    return [
        _shown([*begun[:number], *begun[number + 1 :]], stack, image, thick_mm)
        for number, (stack, image) in enumerate(zip(begun, others, strict=True))
    ]


def _draft(
    stack: Volume,
    thick_mm: float,
    wanted_mm: NDArray[np.float64],
    acquisition: Acquisition | None,
    model: Model,
    settings: EnhanceSettings,
) -> Enhancement:
    """A stack enhanced without the network, on voxels that are coarse but tell widths apart."""
    asked = replace(settings, mode="uncertainty", samples=0, force=True)
    if acquisition is None:
        coarse_mm = np.maximum(wanted_mm, min(thick_mm / DRAFT_VOX, stack.spacing_mm.max() / 2))
        stack = reduced(stack, coarse_mm)
        asked = replace(asked, spacing_mm=spacing_of(stack, coarse_mm))
    return enhance(stack, silent(model), asked, acquisition)


def _shown(rest: Sequence[Stack], stack: Stack, image: Tensor, thick_mm: float) -> Assumed | None:
    acquisition, across = stack.alone.acquisition, stack.across
    if acquisition.assumed[across] is None or not is_shown(stack.normal, [one.normal for one in rest]):
        return None
    sigma = BLUR * thick_mm / FWHM_OF_SIGMA / stack.alone.residual.spacing_mm
    sigma[across] = 0.0
    found = fitted(stack.op, across, stack.y, stack.used, image, sigma)
    if found is None:
        return None
    return Assumed(found.profile, found.fwhm * acquisition.fine_spacing_mm[across], OTHER_STACKS, OTHER_STACKS)


def is_shown(normal: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> bool:
    """Whether another stack runs another way, so that its planes show what lies across the slices of this one.

    Parallel stacks do not: both blur the same detail, and slices would pass for narrower than they are.

    Args:
        normal: Unit vector across the slices, (3,).
        others: Those of the other stacks.
    """
    return any(abs(normal @ other) <= np.cos(np.radians(LEAST_TURN_DEG)) for other in others)


def fitted(
    op: Posed,
    across: int,
    y: NDArray[np.float32],
    used: NDArray[np.bool_],
    others: Tensor,
    sigma_vox: NDArray[np.float64],
) -> AxisSampling | None:
    """The profile and width across the slices of a stack under which the others predict them best.

    The others show in their planes what lies across the slices of this one, so that no assumption on anatomy is needed.

    Args:
        op: Operator of the stack as it is assumed.
        across: Axis of the stack across its slices.
        y: Voxels of the stack, (i, j, k).
        used: Those that count, (i, j, k).
        others: The image that agrees with the other stacks, (I, J, K).
        sigma_vox: Standard deviation of the Gaussian by which errors are smoothed, in voxels of the stack, (3,).

    Returns:
        None where the slices are not resolved further, or nothing explains them clearly better than what is assumed.
    """
    axis = op.profile.axes[across]
    if axis is None or not axis.has_width or np.count_nonzero(used) < FEWEST_VOX:
        return None
    shown = op.placed(others)
    weight = ndimage.gaussian_filter(used.astype(np.float32), sigma_vox, mode="constant")
    slices = [k for k, inside in enumerate(np.moveaxis(used, across, 0)) if inside.any()]

    def error(one: AxisSampling) -> float:
        apart = np.where(used, _with(op.profile, across, one)(shown).numpy() - y, 0)
        smooth = ndimage.gaussian_filter(apart, sigma_vox, mode="constant")
        squares = np.divide(smooth, weight, out=np.zeros_like(smooth), where=used) ** 2
        of_slices = [np.mean(np.take(squares, k, across)[np.take(used, k, across)]) for k in slices]
        return float(np.median(of_slices))  # slices that moved, in this stack or the others, are the fewer

    tried = [
        replace(axis, profile=family, fwhm=float(width * axis.n_fine / axis.n_coarse))
        for family in FAMILIES
        for width in WIDTHS
    ]
    errors = [error(one) for one in tried]
    best = int(np.argmin(errors))
    at_an_end = tried[best].fwhm in (tried[0].fwhm, tried[-1].fwhm)  # something else is wrong
    return None if at_an_end or errors[best] > (1 - WORTH) * error(axis) else tried[best]


def _with(profile: Separable, across: int, axis: AxisSampling) -> Separable:
    axes = list(profile.axes)
    axes[across] = axis
    return Separable((axes[0], axes[1], axes[2]))
