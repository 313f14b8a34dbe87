"""How much noise a scan holds, estimated from its voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FINEST = np.array([1.0, -4.0, 6.0, -4.0, 1.0]) / np.sqrt(70.0)  # the finest detail: half of noise, little of anatomy
COARSER = np.array([1.0, 0.0, -2.0, 0.0, 1.0]) / np.sqrt(6.0)  # detail twice as coarse, blind to the finest
SMOOTH = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / np.sqrt(70.0)
WINDOW_VOX = 5  # side of the box in which power is averaged: small enough to lie inside one tissue
FLAT_SHARE = 0.25  # the flattest quarter of the tissue, where noise and not anatomy sets the local power
N_GROUPS = 8  # of the flat boxes, by the power of their coarser detail
MOST_ANATOMY = 0.9  # finest over coarser detail of anatomy: a scan that holds nothing but noise would have 1
FEWEST_BOXES = 64  # of tissue; with fewer nothing can be said
EVERY_BOX_VOX = 250_000  # in a larger block every other box along each axis is enough
LEAST_REPEATED = 0.1  # of the detail of one slice in the next, where there is most: below it they share too little
CORRELATED = 1.4  # total over white noise; white noise of 1.5 % is found up to 1.3 times as large
BLOCK_VOX = 160  # side of the central block that is looked at: more changes nothing and takes time


def estimate_sigma(y: NDArray[np.floating], axes: Sequence[int] = (-3, -2, -1)) -> float:
    """Standard deviation of the noise in a scan, from its flattest tissue; 0.0 where there is too little to tell.

    White noise has the same power in detail of every size, anatomy far less in the finest (Immerkaer 1996 takes it
    for none). So over small boxes of tissue the power a of the finest detail is a line in the power b of detail twice
    as coarse, a = sigma^2 + r (b - sigma^2): r is the share of anatomy, and the line meets a = b at the noise. Boxes
    are chosen by b, whose noise is another than that of a, which leaves white noise without bias. Boxes darker than
    the scan's mean don't count: air holds less noise in magnitude MR, or none where it was set to 0. Noise that is
    correlated between neighbours is underestimated.

    Args:
        y: Scan (I, J, K) in any unit; the result has the same unit.
        axes: Axes along which neighbours are alike; leave out the axis of thick slices.
    """
    block = central(y)
    used = sorted({axis % 3 for axis in axes if block.shape[axis] > 2 * WINDOW_VOX})
    if not used or not block.size:
        return 0.0
    finest = _power(block, dict.fromkeys(used, FINEST))
    coarser = [_power(block, {axis: COARSER if axis == one else SMOOTH for axis in used}) for one in used]
    flat = (finest > 0) & (_boxes(block) > block.mean())  # exactly 0: background that was masked out
    fine, coarse = finest[flat], np.mean([power[flat] for power in coarser], axis=0)
    n_flat = int(FLAT_SHARE * fine.size)
    if n_flat < FEWEST_BOXES:
        return 0.0
    groups = np.array_split(np.argsort(coarse)[:n_flat], N_GROUPS)
    a, b = (np.array([values[group].mean() for group in groups]) for values in (fine, coarse))
    level, share = np.linalg.lstsq(np.stack([1 / a, b / a], axis=1), np.ones(N_GROUPS), rcond=None)[0]
    if not 0 <= share <= MOST_ANATOMY:
        share = min(max(float(share), 0.0), MOST_ANATOMY)
        level = np.mean(1 - share * b / a) / np.mean(1 / a)
    return float(np.sqrt(max(level, 0.0) / (1 - share)))


def estimate_sigma_of_slices(
    y: NDArray[np.floating], axes: Sequence[int], *, acquired_apart: bool, white: float | None = None
) -> float:
    """As `estimate_sigma`, for slices in whose plane the noise may be correlated and so hide from the finest detail.

    Filters, zero-filling and reconstruction kernels take noise out of the finest detail. What is left of it after
    neighbours were averaged in pairs is added to what the averages lost. White noise gives no more that way; where more
    than `CORRELATED` times as much is found, the noise is taken to be correlated. Averages hold fine anatomy as well:
    of slices with noise of their own, only what the next slice does not repeat counts (`_unrepeated`).

    Args:
        y: Scan (I, J, K) in any unit; the result has the same unit.
        axes: The axes in the plane of the slices.
        acquired_apart: Whether each slice has noise of its own, as in 2D MR. Sections of a CT are interpolated from
            turns that neighbours share.
        white: Result of `estimate_sigma` where it is known already; None: it is estimated.

    Returns:
        Standard deviation of all the noise, in the unit of `y`; 0.0 where there is too little tissue to tell.
    """
    white = estimate_sigma(y, axes) if white is None else white
    averages = y
    for axis in axes:
        pairs = np.moveaxis(averages, axis, 0)
        pairs = pairs[: pairs.shape[0] // 2 * 2]
        averages = np.moveaxis((pairs[::2] + pairs[1::2]) / 2, 0, axis)
    lost = 1 - 0.5 ** len(axes)  # share of the power of white noise that the averages lose
    left = estimate_sigma(averages, axes)
    if acquired_apart:
        left = min(left, _unrepeated(averages, axes))
    total = float(np.sqrt(lost * white**2 + left**2))
    return total if total > CORRELATED * white else white


def _unrepeated(y: NDArray[np.floating], axes: Sequence[int]) -> float:
    """Standard deviation of the fine detail that slices do not share with the next one as they share anatomy.

    Noise of one slice is not that of the next, while anatomy is in part. How much of it the next slice repeats is seen
    where there is most of it, in the boxes of tissue with the most coarse detail; in the flattest ones, what is not
    repeated to that degree is noise. Infinite where slices repeat too little of each other to tell.
    """
    used = {axis % 3 for axis in axes}
    across = next(axis for axis in range(3) if axis not in used)
    block = np.moveaxis(central(y), across, -1)
    if block.shape[-1] < 2 or min(block.shape[:2]) <= 2 * WINDOW_VOX:
        return np.inf
    detail = _filtered(block, dict.fromkeys((0, 1), FINEST))
    coarse = [_filtered(block, {axis: COARSER if axis == one else SMOOTH for axis in (0, 1)}) for one in (0, 1)]
    here, there = slice(None, -1), slice(1, None)
    own = _boxes((detail[..., here] ** 2 + detail[..., there] ** 2) / 2)
    shared = _boxes(detail[..., here] * detail[..., there])
    coarser = _boxes(np.mean([one[..., here] ** 2 for one in coarse], axis=0))
    tissue = np.flatnonzero((own > 0) & (_boxes(block[..., here]) > block.mean()))
    order = tissue[np.argsort(coarser.flat[tissue])]
    n_flat = int(FLAT_SHARE * order.size)
    if n_flat < FEWEST_BOXES:
        return np.inf
    flat, busy = order[:n_flat], order[-n_flat:]
    repeated = shared.flat[busy].mean() / own.flat[busy].mean()
    if repeated < LEAST_REPEATED:
        return np.inf
    return float(np.sqrt(max(own.flat[flat].mean() - shared.flat[flat].mean() / repeated, 0.0)))


def central(data: NDArray[np.floating]) -> NDArray[np.float64]:
    """The middle of a scan (I, J, K), at most `BLOCK_VOX` voxels a side, for estimates from voxels; any unit."""
    starts = [max(0, (n - BLOCK_VOX) // 2) for n in data.shape]
    i, j, k = (slice(start, start + BLOCK_VOX) for start in starts)
    return np.asarray(data[i, j, k], np.float64)


def _power(block: NDArray[np.float64], filters: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Power in small boxes after filters of unit norm along some axes; boxes that reach the border left out."""
    return _boxes(_filtered(block, filters) ** 2)


def _filtered(block: NDArray[np.float64], filters: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    for axis, weights in filters.items():
        block = ndimage.convolve1d(block, weights, axis=axis, mode="reflect")
    return block


def _boxes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of boxes of `WINDOW_VOX` voxels a side that lie inside with the reach of a filter."""
    step = 1 if values.size < EVERY_BOX_VOX else 2
    for axis, n in enumerate(values.shape):
        margin = min(WINDOW_VOX, n) // 2 + 2 if n > 2 * WINDOW_VOX else 0
        means = ndimage.uniform_filter1d(values, min(WINDOW_VOX, n), axis, mode="reflect")
        values = np.moveaxis(np.moveaxis(means, axis, 0)[margin : n - margin : step], 0, axis)
    return values
