"""Soft ellipsoids planted in patches, so that training sees what becomes of small things between slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from medsr.training.degradations import LesionParameters
from medsr.training.scans import FOREGROUND

LESION_WEIGHT = 6.0  # in the loss, of voxels within half a low-resolution voxel of a planted lesion: they are few


def with_lesions(
    x: Tensor,
    lesions: Sequence[LesionParameters],
    spacing_mm: tuple[float, float, float],
    reach_mm: tuple[float, float, float],
) -> tuple[Tensor, Tensor]:
    """The window with soft ellipsoids added, but for those that would lie in air, and what each voxel then counts.

    Args:
        x: (I, J, K) in the model range.
        lesions: Result of `degradations.sample_lesions`.
        spacing_mm: Voxel spacing of x.
        reach_mm: Per axis, the distance around a lesion within which voxels count more.

    Returns:
        Window and weights, (I, J, K).
    """
    weight = torch.ones_like(x)
    for lesion in lesions:
        centre = [min(int(share * n), n - 1) for share, n in zip(lesion.place, x.shape, strict=True)]
        if float(x[centre[0], centre[1], centre[2]]) > FOREGROUND:
            x = x + lesion.height * _ellipsoid(x, centre, lesion, spacing_mm)
            i, j, k = (axis + 2 * reach for axis, reach in zip(lesion.axes_mm, reach_mm, strict=True))
            near = _ellipsoid(x, centre, replace(lesion, axes_mm=(i, j, k)), spacing_mm) > 0.5
            weight = torch.where(near, LESION_WEIGHT, weight)
    return x, weight


def _ellipsoid(
    x: Tensor, centre: Sequence[int], lesion: LesionParameters, spacing_mm: tuple[float, float, float]
) -> Tensor:
    """1 inside, 0 outside, 0.5 where the distance from the centre is half the axis."""
    squares = torch.zeros((), device=x.device)
    for dim, (n, place, h, axis_mm) in enumerate(zip(x.shape, centre, spacing_mm, lesion.axes_mm, strict=True)):
        sides = [n if other == dim else 1 for other in range(3)]
        squares = squares + (((torch.arange(n, device=x.device) - place) * h * 2 / axis_mm) ** 2).reshape(sides)
    edge = lesion.edge_mm * 2 / min(lesion.axes_mm)
    return ((1 - squares.sqrt()) / edge + 0.5).clamp(0, 1)
