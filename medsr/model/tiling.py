"""The network computed tile by tile: the result does not depend on how it was cut.

Each tile is read with a margin as wide as the network's receptive field and only its inner part is kept, so the parts
are exactly those of the whole; nothing needs to be blended.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor

Network = Callable[[Tensor, Tensor], Tensor]
"""Maps (B, C, I, J, K) and conditions (B, S) to (B, D, I, J, K)."""


def tiled(net: Network, tile: int, reach: int, grid: int) -> Network:
    """The same network, computed tile by tile.

    Args:
        net: Network; its output at a voxel depends only on inputs within `reach` of it.
        tile: Side of a tile's inner part in voxels, a multiple of `grid`.
        reach: Receptive field to one side in voxels, a multiple of `grid`.
        grid: Period of the network in voxels; tile origins are multiples of it.

    Raises:
        ValueError: `tile` or `reach` is not a multiple of `grid`.
    """
    if tile < grid or tile % grid or reach % grid:
        raise ValueError(f"tile {tile} and reach {reach} must be multiples of {grid}")

    def compute(maps: Tensor, conditions: Tensor) -> Tensor:
        shape = maps.shape[-3:]
        result: Tensor | None = None
        for place in _places((shape[0], shape[1], shape[2]), tile):
            outer = [slice(max(0, s.start - reach), min(n, s.stop + reach)) for s, n in zip(place, shape, strict=True)]
            part = net(maps[:, :, outer[0], outer[1], outer[2]], conditions)
            inner = [slice(s.start - o.start, s.stop - o.start) for s, o in zip(place, outer, strict=True)]
            if result is None:
                result = part.new_empty(*part.shape[:2], *shape)
            result[:, :, place[0], place[1], place[2]] = part[:, :, inner[0], inner[1], inner[2]]
        if result is None:
            raise ValueError("maps hold no voxel")
        return result

    return compute


def n_tiles(shape: tuple[int, int, int], tile: int) -> int:
    """Number of tiles that a grid of `shape` is cut into."""
    return int(np.prod([-(-n // tile) for n in shape]))


def _places(shape: tuple[int, int, int], tile: int) -> Iterator[tuple[slice, slice, slice]]:
    starts = [range(0, n, tile) for n in shape]
    for i, j, k in itertools.product(*starts):
        yield (
            slice(i, min(i + tile, shape[0])),
            slice(j, min(j + tile, shape[1])),
            slice(k, min(k + tile, shape[2])),
        )
