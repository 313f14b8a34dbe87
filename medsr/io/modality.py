"""MR or CT where no header says it: guessed from the values of all voxels, with what leaves it open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.volume import Modality

AIR_BELOW_HU, TISSUE_HU = -500.0, (-300.0, 300.0)
DARKEST_LUNG_HU = -850.0  # some voxel of any CT with air or lung in it lies below
LEAST_AIR = 0.001  # of the voxels of a CT
LOWEST_CUT_HU = (-1100.0, -20.0)  # where the windows in which CTs are shown begin
CUT_SHARE = 0.001  # of all voxels, at each end of a window
OFFSET_HU = 1024  # added by exports that store no negative numbers
NARROW_HU, NARROW_SHARE = 200.0, 0.75  # most of a body lies that close to water, which no contrast of MR does
LEAST_AIR_AROUND = 0.05


@dataclass(frozen=True)
class Guess:
    """A modality, and why it may be the other one; "" where nothing speaks for that."""

    modality: Modality
    doubt: str = ""


def guess_modality(data: NDArray[np.float32]) -> Guess:
    """CT where a share of the voxels is as dark as air or lung in HU and the rest is like soft tissue, else MR.

    A few voxels below -500 are what splines leave of an MR, and no air. Two kinds of CT don't look like one: cut to a
    window, which counts as CT, and with an offset, which counts as MR until it is subtracted.

    Args:
        data: Voxels in the unit of the file, any shape.
    """
    is_air = data <= AIR_BELOW_HU
    low, high = float(data.min()), float(data.max())
    if is_air.all() or (float(np.mean(is_air)) >= LEAST_AIR and _is_soft_tissue(data[~is_air])):
        return Guess("CT", f"no voxel is as dark as air; the lowest value is {low:g}" if low > DARKEST_LUNG_HU else "")
    if _is_cut(data, low, high) and _is_soft_tissue(data[(data > low) & (data < high)]):
        return Guess("CT", f"all values lie between {low:g} and {high:g}, as in a CT that was cut to a window")
    if low > -OFFSET_HU / 2 and _is_body_in_hu(data - np.float32(OFFSET_HU)):
        return Guess(
            "MR", f"the values could be HU with {OFFSET_HU} added; if so, subtract it before giving --modality CT"
        )
    return Guess("MR")


def _is_soft_tissue(values: NDArray[np.float32]) -> bool:
    low, high = TISSUE_HU
    return values.size > 0 and low <= float(np.median(values)) <= high


def _is_cut(data: NDArray[np.float32], low: float, high: float) -> bool:
    """Whether many voxels hold the lowest and many the highest of whole numbers that begin like a window of CT."""
    if not LOWEST_CUT_HU[0] <= low <= LOWEST_CUT_HU[1] or not low.is_integer() or not high.is_integer():
        return False
    return min(float(np.mean(data == low)), float(np.mean(data == high))) >= CUT_SHARE


def _is_body_in_hu(data: NDArray[np.float32]) -> bool:
    is_air = data <= AIR_BELOW_HU
    body = data[~is_air]
    if float(np.mean(is_air)) < LEAST_AIR_AROUND or not body.size:
        return False
    return float(np.mean(np.abs(body) <= NARROW_HU)) >= NARROW_SHARE
