"""Laws of cutting and of noise by voxel index."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import shapes

from medsr.tiles import BALANCED, draw_noise, n_tiles, tiled, white_noise

GRID = 4
N = 60
SIGNIFICANT = 4.5  # standard errors: once in 150 000


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
    count, sizes = [], []

    def net(maps, _):
        sizes.append(maps.numel())
        return maps

    def on_tile(number, n_all):
        count.append((number, n_all))

    maps = maps_of(shape)
    answer = tiled(net, GRID * tile, GRID * reach, GRID, on_tile)(maps, torch.zeros(1, 1))
    assert torch.equal(answer, maps)
    n_all = n_tiles(shape, GRID * tile)
    assert count == [(number, n_all) for number in range(1, n_all + 1)]
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


@given(shapes(1, 6), st.tuples(*[st.integers(0, 50)] * 3), st.integers(0, 2**64 - 1), st.integers(0, 100))
def test_the_noise_of_a_region_is_that_of_the_whole(shape, origin, seed, draw):
    whole = white_noise((12, 13, 14), seed, draw, 3, tuple(max(0, o - 4) for o in origin))
    inside = tuple(o - max(0, o - 4) for o in origin)
    region = white_noise(shape, seed, draw, 3, origin)
    assert region.shape == (1, 1, *shape)
    assert region.dtype == torch.float32
    window = tuple(slice(start, start + n) for start, n in zip(inside, shape, strict=True))
    assert torch.equal(region, whole[(..., *window)])


def test_noise_is_standard_normal():
    noise = white_noise((N, N, N), 7, 0, 0, (0, 0, 0)).double().flatten()
    n = noise.numel()
    assert noise.mean().abs() < SIGNIFICANT / n**0.5
    assert (noise.var() - 1).abs() < SIGNIFICANT * (2 / n) ** 0.5
    assert (noise**3).mean().abs() < SIGNIFICANT * (15 / n) ** 0.5
    assert ((noise**4).mean() - 3).abs() < SIGNIFICANT * (96 / n) ** 0.5
    below = torch.special.ndtr(noise).sort().values  # uniform, by Kolmogorov and Smirnov
    assert (below - (torch.arange(n) + 0.5) / n).abs().max() < 2.2 / n**0.5


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) * a.numel() ** 0.5


BASE = (5, 2, 1)  # seed, draw, step


@pytest.mark.parametrize(
    "other",
    [
        (6, 2, 1),
        (5, 3, 1),
        (5, 2, 2),
        (2, 5, 1),
        (5, 1, 2),
        (1, 2, 5),
        (6, 1, 1),
        (4, 3, 1),
        (5, 2, 2**40),
        (2**63, 2, 1),
    ],
)
def test_noise_of_another_seed_draw_or_step_is_unrelated(other):
    ours, theirs = (white_noise((30, 30, 30), *key, (0, 0, 0)) for key in (BASE, other))
    assert abs(correlation(ours, theirs)) < SIGNIFICANT
    assert abs(correlation(ours**2, theirs**2)) < SIGNIFICANT


@pytest.mark.parametrize(
    "shift", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, -1), (2, 0, 0), (0, 0, 8), (16, 0, 0)]
)
def test_noise_of_neighbours_is_unrelated(shift):
    noise = white_noise((40, 40, 40), 1, 0, 0, (0, 0, 0))
    moved = torch.roll(noise, shift, dims=(-3, -2, -1))
    assert abs(correlation(noise, moved)) < SIGNIFICANT
    assert abs(correlation(noise**2, moved**2)) < SIGNIFICANT


def test_noise_is_white_in_every_band():
    noise = white_noise((48, 48, 48), 3, 1, 0, (0, 0, 0))[0, 0].double()
    power = torch.fft.fftn(noise).abs().square() / noise.numel()
    for dim in range(3):
        bands = power.movedim(dim, 0).flatten(1).mean(1)
        assert (bands - 1).abs().max() < SIGNIFICANT * (2 / 48**2) ** 0.5


def test_planes_lie_far_apart_in_the_whole_index():
    """Voxels whose indices meet in a short hash would have the same noise."""
    places = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 2**19), (0, 2**19, 0), (2**19, 0, 0)]
    values = [white_noise((1, 1, 1), 0, 0, 0, place).item() for place in places]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("first", [0, BALANCED])
def test_the_noises_of_a_set_of_draws_sum_to_zero_and_each_is_standard_normal(first):
    noises = torch.cat([draw_noise((N, N, N), 7, first + n, (0, 0, 0)) for n in range(BALANCED)])
    assert noises.sum(0).abs().max() < 1e-5
    n = N**3
    for noise in noises.double():
        assert noise.mean().abs() < SIGNIFICANT / n**0.5
        assert (noise.var() - 1).abs() < SIGNIFICANT * (2 / n) ** 0.5
    between = torch.corrcoef(noises.flatten(1))[0, 1:]
    assert between + 1 / (BALANCED - 1) == pytest.approx(torch.zeros(BALANCED - 1), abs=SIGNIFICANT / n**0.5)


def test_noises_of_different_sets_are_unrelated():
    ours, theirs = (draw_noise((30, 30, 30), 7, draw, (0, 0, 0)) for draw in (0, BALANCED))
    assert abs(correlation(ours, theirs)) < SIGNIFICANT


def test_the_noise_of_a_draw_in_a_region_is_that_of_the_whole():
    whole = draw_noise((8, 9, 10), 3, 2, (0, 0, 0))
    assert torch.equal(draw_noise((3, 4, 5), 3, 2, (4, 1, 5)), whole[..., 4:7, 1:5, 5:10])
