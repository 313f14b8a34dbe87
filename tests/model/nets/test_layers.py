"""Laws of the blocks."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.model.nets.layers import ResidualBlock, he_conv, shuffle, unshuffle

SIZES = st.tuples(st.integers(1, 2), st.integers(1, 3), *[st.integers(1, 4)] * 3)


def numbered(*shape):
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)


@given(SIZES)
def test_shuffle_and_unshuffle_undo_each_other(size):
    b, c, i, j, k = size
    fine = numbered(b, c, 2 * i, 2 * j, 2 * k)
    coarse = numbered(b, 8 * c, i, j, k)
    assert unshuffle(fine).shape == coarse.shape
    assert torch.equal(shuffle(unshuffle(fine)), fine)
    assert torch.equal(unshuffle(shuffle(coarse)), coarse)


@given(SIZES)
def test_each_channel_of_unshuffle_is_one_phase(size):
    b, c, i, j, k = size
    fine = numbered(b, c, 2 * i, 2 * j, 2 * k)
    coarse = unshuffle(fine)
    for channel in range(c):
        for number, (p, q, r) in enumerate([(p, q, r) for p in (0, 1) for q in (0, 1) for r in (0, 1)]):
            assert torch.equal(coarse[:, 8 * channel + number], fine[:, channel, p::2, q::2, r::2])


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_convolutions_start_with_hes_variance_and_no_bias(gain):
    torch.manual_seed(0)
    conv = he_conv(32, 24, gain=gain)
    assert conv.weight.std().item() == pytest.approx(gain * math.sqrt(2 / (32 * 27)), rel=0.03)
    assert not conv.bias.any()
    assert conv(numbered(1, 32, 5, 4, 3)).shape == (1, 24, 5, 4, 3)  # the size is kept


def test_a_block_without_branch_is_the_identity():
    torch.manual_seed(0)
    block = ResidualBlock(4, 3, branch_gain=0.0)
    x = torch.randn(2, 4, 5, 4, 3)
    assert torch.equal(block(x, torch.randn(2, 3)), x)


def test_a_block_listens_to_the_embedding_of_its_own_member():
    torch.manual_seed(0)
    block = ResidualBlock(4, 3, branch_gain=1.0)
    x, embedding = torch.randn(2, 4, 5, 4, 3), torch.randn(2, 3)
    changed = torch.stack([embedding[0], embedding[1] + 1])
    before, after = block(x, embedding), block(x, changed)
    torch.testing.assert_close(before[0], after[0])
    assert not torch.allclose(before[1], after[1])
