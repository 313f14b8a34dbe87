"""Laws of states: how codes lie on grids, and how a data step moves them."""

from __future__ import annotations

import pytest
import torch
from tiny_models import CODED, TINY, space_to_depth, tiny_net

from medsr.model.nets import Autoencoder, network_of
from medsr.model.nets.layers import unshuffle
from medsr.model.states import Codes, Details, states_of
from medsr.physics.ops import AxisSampling, Separable

OP = Separable((AxisSampling(12, 6, "gaussian", 2.0), None, AxisSampling(15, 6, "gaussian", 2.5)))
SHAPE = (12, 5, 15)


def white(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return Autoencoder(CODED).requires_grad_(False)


def test_the_network_says_what_its_states_are(autoencoder):
    assert states_of(tiny_net(TINY), (7, 8, 9), (1, 2, 3)) == Details((7, 8, 9), (1, 2, 3))
    assert isinstance(states_of(network_of(CODED, CODED), (7, 8, 9)), Codes)


def test_details_are_their_own_states():
    detail, states = white(1, 1, *SHAPE), Details(SHAPE, (0, 0, 0))
    assert states.encode(detail) is states.decode(detail) is states.maps(detail) is detail
    assert states.seen(OP) is OP and states.error == 0


@pytest.mark.parametrize("shape", [(8, 6, 4), (7, 5, 3), (8, 5, 4)])
@pytest.mark.parametrize("origin", [(0, 0, 0), (1, 2, 3), (5, 5, 5)])
def test_codes_of_any_shape_cover_all_voxels_and_come_back_as_they_were(shape, origin):
    states, detail = Codes(space_to_depth(), shape, origin), white(1, 1, *shape)
    code = states.encode(detail)
    assert code.shape == (1, states.channels, *states.shape)
    assert torch.equal(states.decode(code), detail)
    for o, n, first, count in zip(origin, shape, states.origin, states.shape, strict=True):
        assert 2 * first <= o and o + n <= 2 * (first + count) < o + n + 2
    maps = states.maps(white(1, 3, *shape, seed=1))
    assert maps.shape == (1, 24, *states.shape)
    given = white(1, 3, *shape, seed=1).flatten()
    assert torch.equal(maps[maps != 0].sort().values, given.sort().values)


@pytest.mark.parametrize("start", [0, 4, 5, 9])
def test_the_codes_of_a_region_are_those_of_the_whole(autoencoder, start):
    """Away from its faces, wherever it begins."""
    whole = Codes(autoencoder, (40, 12, 12))
    part = Codes(autoencoder, (25, 12, 12), (start, 0, 0))
    detail = white(1, 1, 40, 12, 12)
    codes, reach = whole.encode(detail), 5
    inner = part.encode(detail[:, :, start : start + 25])
    expected = codes[:, :, part.origin[0] : part.origin[0] + part.shape[0]]
    torch.testing.assert_close(inner[:, :, reach:-reach], expected[:, :, reach:-reach])


def test_a_code_whose_detail_fits_the_scan_stays_as_it_is(autoencoder):
    states = Codes(autoencoder, SHAPE)
    code = white(1, 4, *states.shape)
    for ratio in (0.0, 0.7):
        found = states.seen(OP).prox(code, OP(states.decode(code)), ratio)
        torch.testing.assert_close(found, code, atol=1e-5, rtol=1e-5)


def test_where_nothing_is_lost_a_code_moves_as_its_detail_does():
    states, detail, y = Codes(space_to_depth(), SHAPE), white(1, 1, *SHAPE), white(1, 1, 6, 5, 6, seed=1)
    for ratio in (0.0, 0.7):
        found = states.seen(OP).prox(states.encode(detail), y, ratio)
        torch.testing.assert_close(states.decode(found), OP.prox(detail, y, ratio), atol=1e-5, rtol=1e-5)


def test_codes_are_computed_in_float32_whatever_surrounds_them(autoencoder):
    states, detail = Codes(autoencoder, SHAPE), white(1, 1, *SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        code = states.encode(detail)
        decoded = states.decode(code)
    assert torch.equal(code, states.encode(detail)) and torch.equal(decoded, states.decode(code))


def test_maps_are_folded_as_the_network_folds_its_own():
    maps = white(1, 3, 8, 6, 4)
    assert torch.equal(Codes(space_to_depth(), (8, 6, 4)).maps(maps), unshuffle(maps))
