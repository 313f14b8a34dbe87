"""Flaws of real scans on a patch: softness, correlated noise, uneven or moved slices, a profile that is told wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medsr.physics.ops import AxisSampling, Profile, Separable
from medsr.physics.ops.matrices import SLICE_PROFILES
from medsr.training.degradations import AxisParameters, ScannerParameters
from medsr.training.extras import Extras, happens

SMOOTHED_VOX = (0.8, 1.6)  # FWHM in voxels of scans that a filter or a kernel made softer than their spacing
FILLED = (1.2, 2.0)  # times as many samples as were acquired in zero-filled scans
CORRELATED_VOX = (1.0, 2.5)  # FWHM of the noise of kernels and filters, in samples
MOST_UNEVEN = 0.1  # gain of every other slice
MOST_SHIFT_VOX = 0.5  # of a slice against the others, in its plane
TOLD_WIDTH = (0.8, 1.25)  # true width over the one that is told: what the estimate from the voxels errs by
OTHER_PROFILE = 0.5  # of those that are told wrong: another profile as well, where the true one has a width


@dataclass(frozen=True)
class Flaws:
    """The flaws of one patch; as they stand here there are none.

    Attributes:
        smoothed_vox: FWHM of a filter over the truth in voxels; 0: none.
        filled: Samples of the truth over those that were acquired; 1: not zero-filled.
        correlated_vox: FWHM of the noise in samples; 0: white.
        uneven: Gain of every other slice less 1.
        shift_vox: Largest shift of a slice in its plane.
        shift_seed: Random seed of the shifts.
        seen: The scanner as it was; None: as it is told.
    """

    smoothed_vox: float = 0.0
    filled: float = 1.0
    correlated_vox: float = 0.0
    uneven: float = 0.0
    shift_vox: float = 0.0
    shift_seed: int = 0
    seen: ScannerParameters | None = None


NONE = Flaws()


def sample_flaws(rng: np.random.Generator, extras: Extras, told: ScannerParameters, variety: float) -> Flaws:
    """Random flaws of a patch.

    Args:
        rng: The only source of randomness.
        extras: Share of the patches that each of them has.
        told: The scanner that the network is told of.
        variety: Factor of all shares.
    """
    flaws = NONE
    if happens(rng, variety * extras.soft):
        smoothed = rng.random() < 0.5
        size = float(rng.uniform(*(SMOOTHED_VOX if smoothed else FILLED)))
        flaws = replace(flaws, smoothed_vox=size) if smoothed else replace(flaws, filled=size)
    if happens(rng, variety * extras.correlated):
        flaws = replace(flaws, correlated_vox=float(rng.uniform(*CORRELATED_VOX)))
    if happens(rng, variety * extras.uneven):
        flaws = replace(flaws, uneven=float(rng.uniform(-MOST_UNEVEN, MOST_UNEVEN)))
    if happens(rng, variety * extras.moved):
        size, seed = float(rng.uniform(0, MOST_SHIFT_VOX)), int(rng.integers(2**31))
        flaws = replace(flaws, shift_vox=size, shift_seed=seed)
    if happens(rng, variety * extras.told_wrong):
        flaws = replace(flaws, seen=_other(rng, told))
    return flaws


def softened(x: Tensor, flaws: Flaws, fine: Sequence[bool]) -> Tensor:
    """The truth as soft as the flaws make it along its fine axes, on the same grid.

    Args:
        x: (..., I, J, K).
        flaws: Flaws of the patch.
        fine: Axes that may be degraded.
    """
    sizes = [n if softens else 0 for n, softens in zip(x.shape[-3:], fine, strict=True)]
    if flaws.smoothed_vox > 0:
        i, j, k = (AxisSampling(n, n, "gaussian", flaws.smoothed_vox) if n else None for n in sizes)
        x = Separable((i, j, k))(x)
    if flaws.filled > 1:
        i, j, k = (AxisSampling(n, max(1, round(n / flaws.filled)), "kspace", 1.0) if n else None for n in sizes)
        filled = Separable((i, j, k))
        x = filled.pinv(filled(x))
    return x


def correlated(noise: Tensor, flaws: Flaws, coarsest: int) -> Tensor:
    """The noise of a scan (..., i, j, k) shared by neighbours in the plane across an axis, of the same variance."""
    if flaws.correlated_vox == 0:
        return noise
    i, j, k = (
        None if axis == coarsest or n == 1 else AxisSampling(n, n, "gaussian", flaws.correlated_vox)
        for axis, n in enumerate(noise.shape[-3:])
    )
    kept = 1.0
    for axis in (i, j, k):
        if axis is not None:
            kept *= float(np.mean(np.sum(axis.matrix("forward") ** 2, axis=1)))
    return Separable((i, j, k))(noise) / math.sqrt(kept)


def with_slices(y: Tensor, flaws: Flaws, slices: int) -> Tensor:
    """A scan (1, 1, i, j, k) whose slices across an axis are uneven, and moved in their plane."""
    if flaws.shift_vox == 0 and flaws.uneven == 0:
        return y
    stack = y[0, 0].movedim(slices, 0)[:, None]
    if flaws.shift_vox > 0:
        stack = _shifted(stack, flaws)
    if flaws.uneven != 0:
        gain = torch.ones(len(stack), dtype=y.dtype, device=y.device)
        gain[1::2] += flaws.uneven
        stack = stack * gain[:, None, None, None]
    return stack[:, 0].movedim(0, slices)[None, None]


def _shifted(stack: Tensor, flaws: Flaws) -> Tensor:
    """Slices (n, 1, I, J), each at a place of its own by cubic interpolation, the borders continued."""
    rng = np.random.default_rng(flaws.shift_seed)
    shifts = rng.uniform(-flaws.shift_vox, flaws.shift_vox, (len(stack), 2))
    sides = np.array([stack.shape[3], stack.shape[2]])
    theta = np.tile(np.eye(2, 3), (len(stack), 1, 1))
    theta[:, :, 2] = 2 * shifts / sides
    grid = F.affine_grid(torch.from_numpy(theta).to(stack), list(stack.shape), align_corners=False)
    return F.grid_sample(stack, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _other(rng: np.random.Generator, told: ScannerParameters) -> ScannerParameters:
    """A scanner that is taken for the one that is told: other widths, one for all axes, and often another profile."""
    ratio = float(np.exp(rng.uniform(*np.log(TOLD_WIDTH))))
    names: list[Profile] = [name for name, one in SLICE_PROFILES.items() if one.has_width]
    other = names[int(rng.integers(len(names)))] if rng.random() < OTHER_PROFILE else None

    def seen(axis: AxisParameters | None) -> AxisParameters | None:
        if axis is None:
            return None
        profile = other or ("gaussian" if axis.profile == "kspace" else axis.profile)
        return AxisParameters(axis.factor, profile, ratio * axis.width)

    a, b, c = (seen(axis) for axis in told.axes)
    return replace(told, axes=(a, b, c))
