"""Laws of noise by voxel index."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from phantoms import shapes

from medsr.diffusion.noise import BALANCED, pair_spread, sample_noise, white_noise

N = 60
SIGNIFICANT = 4.5  # standard errors: once in 150 000


PLACES = (shapes(1, 6), st.tuples(*[st.integers(0, 50)] * 3), st.integers(0, 2**64 - 1), st.integers(0, 100))


@given(*PLACES, st.integers(1, 5))
def test_the_noise_of_a_region_is_that_of_the_whole(shape, origin, seed, sample, channels):
    whole = white_noise((12, 13, 14), seed, sample, 3, tuple(max(0, o - 4) for o in origin), channels)
    inside = tuple(o - max(0, o - 4) for o in origin)
    region = white_noise(shape, seed, sample, 3, origin, channels)
    assert region.shape == (1, channels, *shape)
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


BASE = (5, 2, 1)  # seed, sample, step


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
def test_noise_of_another_seed_sample_or_step_is_unrelated(other):
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
def test_the_noise_of_a_set_of_samples_sums_to_zero_and_each_is_standard_normal(first):
    noises = torch.cat([sample_noise((N, N, N), 7, first + n, (0, 0, 0)) for n in range(BALANCED)])
    assert noises.sum(0).abs().max() < 1e-5
    n = N**3
    for noise in noises.double():
        assert noise.mean().abs() < SIGNIFICANT / n**0.5
        assert (noise.var() - 1).abs() < SIGNIFICANT * (2 / n) ** 0.5
    between = torch.corrcoef(noises.flatten(1))[0, 1:]
    assert between + 1 / (BALANCED - 1) == pytest.approx(torch.zeros(BALANCED - 1), abs=SIGNIFICANT / n**0.5)


@pytest.mark.parametrize("n", [2, 3, BALANCED, BALANCED + 3])
def test_samples_lie_as_far_apart_as_the_spread_says(n):
    noises = torch.cat([sample_noise((N, N, N), 7, number, (0, 0, 0)) for number in range(n)]).double()
    squares = [float((noises[i] - noises[j]).square().mean()) for i in range(n) for j in range(i)]
    independent = 2.0
    assert (sum(squares) / len(squares) / independent) ** 0.5 == pytest.approx(pair_spread(n), rel=0.004)


def test_the_noise_of_different_sets_is_unrelated():
    ours, theirs = (sample_noise((30, 30, 30), 7, sample, (0, 0, 0)) for sample in (0, BALANCED))
    assert abs(correlation(ours, theirs)) < SIGNIFICANT


def test_the_noise_of_a_sample_in_a_region_is_that_of_the_whole():
    whole = sample_noise((8, 9, 10), 3, 2, (0, 0, 0))
    assert torch.equal(sample_noise((3, 4, 5), 3, 2, (4, 1, 5)), whole[..., 4:7, 1:5, 5:10])
