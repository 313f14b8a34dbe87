"""Laws of codes: the autoencoder, and the network that works on its codes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import CODED, TINY, space_to_depth, tiny_net

from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import NetSpec
from medsr.model.nets import Autoencoder, DetailNet, LatentNet, network_of
from medsr.model.nets.layers import shuffle, unshuffle


def white(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    net = Autoencoder(CODED).requires_grad_(False)
    net.centre.copy_(white(4, seed=1))
    net.variance.copy_(white(4, seed=2) ** 2 + 0.1)
    return net


def test_a_code_holds_its_numbers_on_half_as_many_voxels_an_axis(autoencoder):
    detail = white(2, 1, 8, 6, 4)
    code = autoencoder.encode(detail)
    assert code.shape == (2, 4, 4, 3, 2)
    assert autoencoder.decode(code).shape == detail.shape


def test_codes_are_told_in_units_of_their_running_mean_and_variance(autoencoder):
    detail = white(2, 1, 8, 6, 4)
    raw = autoencoder.distribution(detail).mean
    code = autoencoder.encode(detail)
    deviation = autoencoder.variance.sqrt()[:, None, None, None]
    torch.testing.assert_close(code * deviation + autoencoder.centre[:, None, None, None], raw)
    torch.testing.assert_close(autoencoder.decode(code), autoencoder.detail_of(raw))


def test_codes_move_with_the_scan_by_two_voxels(autoencoder):
    """Away from the border, which convolutions see as far as they reach."""
    reach = 1 + 2 * (CODED.blocks // 2) + 1
    detail = white(1, 1, 26, 20, 20)
    whole, moved = autoencoder.encode(detail), autoencoder.encode(detail[:, :, 2:])
    torch.testing.assert_close(whole[:, :, 1 + reach :], moved[:, :, reach:])


def test_space_to_depth_is_an_autoencoder_that_loses_nothing():
    detail = white(1, 1, 6, 8, 4)
    assert torch.equal(space_to_depth().encode(detail), unshuffle(detail))
    assert torch.equal(space_to_depth().decode(unshuffle(detail)), detail)


def test_on_codes_that_are_voxels_the_network_is_the_one_of_details():
    """Its layers, their order and their random weights are those of the network of details."""
    detail_net = tiny_net()
    net = LatentNet(replace(TINY, codes=8), space_to_depth().spec).eval()
    weights = {f"autoencoder.{name}": value for name, value in space_to_depth().state_dict().items()}
    net.load_state_dict({**detail_net.state_dict(), **weights})
    maps, conditions = white(2, N_MAPS, 12, 8, 16), white(2, N_CONDITIONS, seed=1)
    found = net(unshuffle(maps), conditions)
    mean, log_variance = found.chunk(2, dim=1)
    assert torch.equal(torch.cat([shuffle(mean), shuffle(log_variance)], dim=1), detail_net(maps, conditions))


def test_odd_grids_of_codes_are_answered_in_their_size():
    net = network_of(CODED, CODED)
    assert isinstance(net, LatentNet)
    with torch.no_grad():
        assert net(white(1, 4 + 8 * (N_MAPS - 1), 7, 5, 3), white(1, N_CONDITIONS)).shape == (1, 8, 7, 5, 3)
    assert not any(value.requires_grad for value in net.autoencoder.parameters())


def test_sizes_say_what_network_they_are_of():
    assert type(network_of(TINY)) is DetailNet
    assert type(network_of(CODED)) is Autoencoder
    for net, maker in ((CODED, replace(CODED, codes=5)), (TINY, CODED), (TINY, TINY)):
        with pytest.raises(ValueError, match="codes of"):
            network_of(net, maker)
    for codes in (-1, 65, 4.0):
        with pytest.raises(ValueError, match=r"codes of|whole numbers"):
            NetSpec(N_MAPS, N_CONDITIONS, codes=codes)
