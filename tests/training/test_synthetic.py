"""Laws of synthetic geometry: a function of its generator, in the model range, with edges of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.training.synthetic import KINDS, synthetic

SHAPES = st.tuples(*[st.integers(6, 40)] * 3)


def drawn(seed, shape=(30, 24, 20)):
    return synthetic(np.random.default_rng(seed), shape)


@given(SHAPES, st.integers(0, 10_000))
def test_a_window_has_its_shape_and_lies_in_the_model_range(shape, seed):
    x = drawn(seed, shape)
    assert x.shape == shape and x.dtype == torch.float32
    assert x.min() > -0.1 and x.max() < 1.1


def test_the_same_generator_gives_the_same_window_and_others_give_others():
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_windows_hold_sharp_edges_of_any_contrast():
    steps = [x.diff(dim=0).abs().max().item() for x in map(drawn, range(12))]
    assert min(steps) > 0.1
    assert max(steps) > 0.6


def test_most_of_a_window_is_flat():
    """Unlike anatomy: so that nothing is added where nothing is."""
    flat = [(x.diff(dim=2).abs() < 0.04).float().mean().item() for x in map(drawn, range(8))]
    assert np.mean(flat) > 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_is_seen_and_leaves_most_of_the_window_alone(kind):
    places = tuple(
        torch.arange(n, dtype=torch.float32).reshape([n if axis == dim else 1 for dim in range(3)])
        for axis, n in enumerate((48, 44, 40))
    )
    shares = [(KINDS[kind](np.random.default_rng(seed), places) > 0).float().mean().item() for seed in range(30)]
    assert np.mean([0 < share < 0.5 for share in shares]) > 0.8


def test_a_vessel_is_a_tube_of_one_radius():
    places = tuple(torch.arange(60.0).reshape([60 if axis == dim else 1 for dim in range(3)]) for axis in range(3))
    for seed in range(6):
        depth = KINDS["vessel"](np.random.default_rng(seed), places)
        slope = [depth.diff(dim=dim)[:59, :59, :59] for dim in range(3)]
        steepness = sum(part**2 for part in slope).sqrt()
        assert steepness[depth[:59, :59, :59] < -2].median() == pytest.approx(1, abs=0.05)  # a distance
