"""Stacks that can't be fused, and requests that have no meaning for several, refused before any work is done."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from medsr.affine import axes_text
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError, UsageError
from medsr.volume import Volume

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
