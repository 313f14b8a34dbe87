"""Laws of tiling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import shapes

from medsr.model.tiling import n_tiles, tiled

GRID = 4


def maps_of(shape, channels=1):
    return torch.arange(channels * int(np.prod(shape)), dtype=torch.float32).reshape(1, channels, *shape)


def box_sum(maps, conditions):
    """A network that sees exactly `GRID` voxels to each side."""
    padded = torch.nn.functional.pad(maps, (GRID,) * 6)
    pooled = torch.nn.functional.avg_pool3d(padded, 2 * GRID + 1, stride=1, divisor_override=1)
    return torch.cat([pooled, conditions[:, :1, None, None, None] * maps], dim=1)


@settings(max_examples=15)
@given(shapes(1, 21), st.integers(1, 6), st.integers(0, 3))
def test_every_voxel_is_computed_once(shape, tile, reach):
    sizes = []

    def net(maps, _):
        sizes.append(maps.numel())
        return maps

    maps = maps_of(shape)
    answer = tiled(net, GRID * tile, GRID * reach, GRID)(maps, torch.zeros(1, 1))
    assert torch.equal(answer, maps)
    n_all = n_tiles(shape, GRID * tile)
    assert len(sizes) == n_all
    assert n_all == np.prod([len(range(0, n, GRID * tile)) for n in shape])
    if reach == 0:
        assert sum(sizes) == maps.numel()


@settings(max_examples=15)
@given(shapes(1, 20), st.integers(1, 5))
def test_a_networks_answer_does_not_depend_on_the_tile(shape, tile):
    maps, conditions = maps_of(shape) % 17, torch.tensor([[3.0, 4.0]])
    parts = tiled(box_sum, GRID * tile, GRID, GRID)(maps, conditions)
    torch.testing.assert_close(parts, box_sum(maps, conditions), rtol=0, atol=1e-2)


@given(shapes(1, 40), st.integers(1, 4), st.integers(0, 2))
def test_tiles_begin_on_the_networks_grid_and_are_bounded(shape, tile, reach):
    places = []

    def net(maps, _):
        places.append(maps)
        return maps

    tiled(net, GRID * tile, GRID * reach, GRID)(maps_of(shape), torch.zeros(1, 1))
    for place in places:
        first = np.unravel_index(int(place.flatten()[0]), shape)
        assert all(index % GRID == 0 for index in first)
        assert max(place.shape[-3:]) <= GRID * (tile + 2 * reach)


@pytest.mark.parametrize(("tile", "reach"), [(0, 4), (-4, 4), (6, 4), (8, 3), (2, 0)])
def test_tiles_off_the_grid_are_refused(tile, reach):
    with pytest.raises(ValueError, match=f"must be multiples of {GRID}"):
        tiled(box_sum, tile, reach, GRID)


def test_maps_without_voxels_are_refused():
    with pytest.raises(ValueError, match="no voxel"):
        tiled(box_sum, GRID, GRID, GRID)(torch.zeros(1, 1, 0, 4, 4), torch.zeros(1, 1))


# --- noise ------------------------------------------------------------------------------------------------------------
