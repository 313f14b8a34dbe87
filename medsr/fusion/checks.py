"""Stacks that can't be fused, and requests that have no meaning for several, refused before any work is done."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medsr.affine import axes_text
from medsr.enhancement.assumed import acquisition_for
from medsr.enhancement.envelope import admitted_grid
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError, InputError, UsageError
from medsr.fusion.grid import Grid, spacing_of
from medsr.io.outline import Outline
from medsr.model.spec import ModelSpec
from medsr.registration.rigid import LEAST_OVERLAP, overlap
from medsr.volume import Volume

ONE_SCAN = (
    "a grid is for several stacks: one scan is enhanced on a finer grid of its own, as interpolating the result would "
    "blur it; leave the grid out, and resample OUT onto it where that is meant (mrgrid OUT regrid -template GRID NEW)"
)
FEWEST_SLICES = 6  # along every axis: localizers have one to five


def check_request(settings: EnhanceSettings) -> None:
    """Refuse what is asked of one scan and has no meaning for several.

    Raises:
        UsageError: a mode, a region, a factor or a spacing that several stacks can't share.
    """
    if settings.mode == "sample" or settings.samples:
        raise UsageError("several stacks have no posterior samples; ask for mode mean, or uncertainty with 0 samples")
    if settings.region is not None:
        raise UsageError("a region is one of one scan; leave it out, or crop the stacks before they are fused")
    if settings.cascade is not None:
        raise UsageError("several stacks are fused in one stage; leave cascade out")
    if settings.factors is not None or (settings.spacing_mm is not None and len(settings.spacing_mm) != 1):
        raise UsageError("several stacks share one isotropic grid; give one number as --spacing, and no --factor")
    if settings.spacing_mm is not None and not 0 < settings.spacing_mm[0] < math.inf:
        raise UsageError(f"spacing is {settings.spacing_mm[0]:g}; expected a number above 0, in mm")
    if settings.noise is not None:
        raise UsageError("the stacks differ in unit and noise; leave --noise out, it is estimated of each")


def check_grid(
    grid: Grid, stacks: Sequence[Volume | Outline], settings: EnhanceSettings, spec: ModelSpec | None
) -> None:
    """Refuse a grid that stacks can't be fused on.

    Args:
        grid: Grid that is asked for.
        stacks: The stacks, or what their headers say.
        settings: What is asked.
        spec: Specification of the weights, whose envelope judges what each stack is refined to; None: nothing does.

    Raises:
        EnvelopeError: it is finer than the model was validated on for a stack, and `settings.force` is not set.
        InputError: it lies beside the first stack.
        UsageError: a spacing is given too, or it refines a stack nowhere or too far.
    """
    if settings.spacing_mm is not None:
        raise UsageError("both a target spacing and a grid are given; expected one of them")
    place = Outline(grid.shape, grid.affine)
    shared = max(overlap(place, stacks[0]), overlap(stacks[0], place))
    if shared < LEAST_OVERLAP:
        raise InputError(
            f"the grid and the first stack share {shared:.0%} of the smaller field of view; expected at least "
            f"{LEAST_OVERLAP:.0%}: name an image of the same patient and session"
        )
    for number, stack in enumerate(stacks, start=1):
        try:
            check_refined(stack, grid.along(stack), settings, spec)
        except (EnvelopeError, UsageError) as error:
            raise type(error)(f"a grid of {axes_text(grid.spacing_mm)} mm, stack {number}: {error}") from error


def check_refined(
    stack: Volume | Outline, wanted_mm: NDArray[np.float64], settings: EnhanceSettings, spec: ModelSpec | None
) -> None:
    """Refuse what refines a stack nowhere, or further than a model was validated on.

    Args:
        stack: The stack, or what its headers say.
        wanted_mm: Spacing of the result along its axes, (3,).
        settings: What is asked.
        spec: Specification of the weights; None: nothing is judged.

    Raises:
        EnvelopeError: further than the model was validated on, and `settings.force` is not set.
        UsageError: nowhere, or further than anything goes.
    """
    spacing_of(stack, wanted_mm)
    finer = tuple(np.minimum(wanted_mm, stack.spacing_mm).tolist())
    acquisition = acquisition_for(stack, replace(settings, spacing_mm=finer))
    if spec is not None:
        admitted_grid(settings.modality or stack.modality, acquisition, spec, force=settings.force)


def check_stacks(stacks: Sequence[Volume]) -> None:
    """Refuse stacks that do not show one body in one way.

    Raises:
        InputError: too few slices, MR with CT, or one stack given twice.
    """
    for number, stack in enumerate(stacks, start=1):
        if min(stack.shape) < FEWEST_SLICES:
            raise InputError(
                f"stack {number} has {axes_text(stack.shape)} voxels; expected at least {FEWEST_SLICES} along every "
                "axis: leave localizers out"
            )
        if stack.modality != stacks[0].modality:
            raise InputError(
                f"stack {number} is {stack.modality}, the first one {stacks[0].modality}; fuse stacks of one modality, "
                "or say by --modality what all of them are"
            )
    for (a, one), (b, other) in itertools.combinations(enumerate(stacks, start=1), 2):
        if one.shape == other.shape and np.array_equal(one.data, other.data):
            raise InputError(f"stacks {a} and {b} hold the same voxels; give every stack once")
