"""How large the result of a case will be, by the headers of its scans, and whether it can be made."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from medsr.enhancement.assumed import acquisition_for
from medsr.enhancement.envelope import admitted_grid
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import MedsrError, UsageError
from medsr.fusion.checks import ONE_SCAN, check_grid, check_refined, check_request
from medsr.fusion.grid import Grid, planned
from medsr.fusion.grid_file import read_grid
from medsr.io.dicom.options import Policies
from medsr.io.found import Found
from medsr.io.names import nameless
from medsr.model.spec import ModelSpec


@dataclass(frozen=True)
class Size:
    """The size of a case.

    Attributes:
        result: Voxels of the result.
        work: Voxels that the network gives for it: of several stacks, those of each alone.
    """

    result: int = 0
    work: int = 0


def size_of(found: Found, settings: EnhanceSettings, spec: ModelSpec | None) -> Size:
    """The size of a case; 1 where headers don't tell it.

    Args:
        found: A scan, or several stacks that are fused.
        settings: What is asked.
        spec: Specification of the weights, whose envelope judges the grids; None leaves them unjudged.

    Raises:
        EnvelopeError: a grid outside what the model was validated on.
        InputError: the image of a grid can't be read, or lies elsewhere.
        UsageError: a request that does not fit the scans.
    """
    if found.stacks:
        return _of_stacks(found, settings, spec)
    if found.grid is not None:
        raise UsageError(ONE_SCAN)
    if found.outline is None:
        return Size(1, 1)
    acquisition = acquisition_for(found.outline, settings)
    if spec is not None:
        admitted_grid(settings.modality, acquisition, spec, force=settings.force)
    n_voxels = prod(acquisition.fine_shape) * found.outline.n_volumes
    return Size(n_voxels, n_voxels)


def _of_stacks(found: Found, settings: EnhanceSettings, spec: ModelSpec | None) -> Size:
    check_request(settings)
    grid = None if found.grid is None else _grid(found.grid, settings.policies)
    outlines = [one.outline for one in found.stacks if one.outline is not None]
    if len(outlines) < len(found.stacks):
        return Size(1 if grid is None else prod(grid.shape), len(found.stacks))
    if grid is not None:
        check_grid(grid, outlines, settings, spec)
    elif settings.spacing_mm is not None:
        for stack in outlines:
            check_refined(stack, np.full(3, settings.spacing_mm[0]), settings, spec)
    alone = planned(outlines, settings, grid)
    if grid is None and settings.spacing_mm is None and spec is not None:
        for one in alone:
            admitted_grid(settings.modality, one, spec, force=settings.force)
    return Size(prod(alone[0].fine_shape if grid is None else grid.shape), sum(prod(one.fine_shape) for one in alone))


def _grid(image: Path, policies: Policies) -> Grid:
    """The grid of an image; what is wrong with it does not name it."""
    try:
        return read_grid(image, policies)[0]
    except MedsrError as error:
        raise type(error)(f"the image of the grid: {nameless(str(error), [str(image)])}") from error
