"""Scans cut to their most informative blocks, so that packs stay within a size; the resolution stays as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.errors import ResourceError
from medsr.training.packs import PackedScan, bytes_in_pack
from medsr.training.scans import FOREGROUND

STEP = 4  # voxels between the places that a block may begin at
SMALLEST_SIDE = 24  # voxels, of a block along an axis that has as many: patches are cut from it
NARROWER = 0.97  # of the size that should fit: what is left of a scan is denser than the whole
MOST_TRIES = 8


def within(scans: Sequence[PackedScan], limit_bytes: int) -> list[PackedScan]:
    """The same scans, each whole or cut to a block, so that packs of them need at most `limit_bytes`.

    The limit is shared evenly between subjects, and between the scans of a subject; what one does not need goes to
    the others.

    Args:
        scans: Scans, ordered by subject.
        limit_bytes: Size of all packs together.

    Raises:
        ResourceError: The limit leaves less than a patch of a scan.
    """
    whole = [bytes_in_pack([scan]) for scan in scans]
    subjects: dict[str, list[int]] = {}
    for number, scan in enumerate(scans):
        subjects.setdefault(scan.subject, []).append(number)
    totals = [sum(whole[number] for number in numbers) for numbers in subjects.values()]
    found: dict[int, PackedScan] = {}
    for numbers, share in zip(subjects.values(), even_shares(totals, limit_bytes), strict=True):
        parts = even_shares([whole[number] for number in numbers], share)
        found |= {number: _cut(scans[number], whole[number], part) for number, part in zip(numbers, parts, strict=True)}
    return [found[number] for number in range(len(scans))]


def even_shares(needs: Sequence[int], limit: int) -> list[int]:
    """A limit shared evenly: nobody gets more than is needed, and what is left goes to those who need more."""
    shares, left = [0] * len(needs), limit
    order = sorted(range(len(needs)), key=lambda number: needs[number])
    for done, number in enumerate(order):
        shares[number] = min(needs[number], left // (len(needs) - done))
        left -= shares[number]
    return shares


def block_sides(shape: tuple[int, int, int], n_voxels: int) -> tuple[int, int, int]:
    """Sides of the largest block of at most `n_voxels` that is as near to a cube as the scan allows."""
    sides = [1, 1, 1]
    for side in range(1, max(shape) + 1):
        wider = [min(n, side) for n in shape]
        if math.prod(wider) > n_voxels:
            break
        sides = wider
    return sides[0], sides[1], sides[2]


def most_informative(x: NDArray[np.float32], sides: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """Place of the block of those sides that holds most detail: what voxels differ by from the mean around them.

    Args:
        x: Scan (I, J, K) in the model range; air does not count.
        sides: Sides of the block in voxels.
    """
    detail = np.abs(x - ndimage.uniform_filter(x, 3, mode="nearest")).astype(np.float64)
    detail[x <= FOREGROUND] = 0.0
    starts = [_starts(n, side) for n, side in zip(x.shape, sides, strict=True)]
    sums = detail
    for axis, (places, side) in enumerate(zip(starts, sides, strict=True)):
        summed = np.insert(np.cumsum(sums, axis=axis), 0, 0.0, axis=axis)
        sums = summed.take(places + side, axis=axis) - summed.take(places, axis=axis)
    best = np.unravel_index(int(np.argmax(sums)), sums.shape)
    i, j, k = (
        slice(int(places[at]), int(places[at]) + side) for places, at, side in zip(starts, best, sides, strict=True)
    )
    return i, j, k


def _starts(n: int, side: int) -> NDArray[np.int64]:
    return np.unique(np.append(np.arange(0, n - side + 1, STEP), n - side))


def _cut(scan: PackedScan, whole_bytes: int, limit_bytes: int) -> PackedScan:
    """The scan, or its most informative block that needs at most `limit_bytes` in a pack."""
    if whole_bytes <= limit_bytes:
        return scan
    i, j, k = scan.data.shape
    x = np.asarray((scan.data - scan.scale.low) / scan.scale.width, np.float32)
    n_voxels = scan.data.size * limit_bytes / whole_bytes
    for _ in range(MOST_TRIES):
        sides = block_sides((i, j, k), int(n_voxels))
        if any(side < min(n, SMALLEST_SIDE) for side, n in zip(sides, (i, j, k), strict=True)):
            break
        block = replace(scan, data=np.ascontiguousarray(scan.data[most_informative(x, sides)]))
        needed = bytes_in_pack([block])
        if needed <= limit_bytes:
            return block
        n_voxels *= NARROWER * limit_bytes / needed
    raise ResourceError(
        f"the limit leaves {limit_bytes / 2**20:.2g} MiB for {scan.name}, less than a block to train on; "
        "allow more or give fewer scans"
    )
