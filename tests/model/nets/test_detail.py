"""Laws of the network: any size, its receptive field, and the same answer however it is cut."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import TINY, tiny_net

from medsr.model.net_spec import NetSpec
from medsr.model.nets.detail import GRID
from medsr.model.tiling import tiled

SPECS = [
    TINY,
    dataclasses.replace(TINY, blocks=1, deep_blocks=0),
    dataclasses.replace(TINY, blocks=3, deep_blocks=1),
    dataclasses.replace(TINY, blocks=0, deep_blocks=1),
    dataclasses.replace(TINY, blocks=1, deep_blocks=2),
]
each_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.blocks}+{spec.deep_blocks}")


def inputs(*size, batch=1, spec=TINY, seed=0):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(batch, spec.channels, *size, generator=generator)
    return maps, torch.randn(batch, spec.conditions, generator=generator)


def perturbed(maps, dim, index):
    maps = maps.clone()
    maps.narrow(dim, index, 1)[...] += 100.0
    return maps


@settings(max_examples=15)
@given(st.tuples(*[st.integers(1, 13)] * 3))
def test_any_size_keeps_its_size(size):
    answer = tiny_net()(*inputs(*size))
    assert answer.shape == (1, 2, *size)
    assert answer.dtype == torch.float32
    assert torch.isfinite(answer).all()


def test_the_answer_does_not_depend_on_the_batch():
    net = tiny_net()
    maps, conditions = inputs(9, 8, 11, batch=3)
    together = net(maps, conditions)
    for n in range(3):
        alone = net(maps[n : n + 1], conditions[n : n + 1])
        torch.testing.assert_close(together[n : n + 1], alone, atol=1e-5, rtol=0)


def test_the_answer_is_the_same_every_time():
    maps, conditions = inputs(12, 9, 10)
    assert torch.equal(tiny_net()(maps, conditions), tiny_net()(maps, conditions))


def test_conditions_change_the_answer():
    net, (maps, conditions) = tiny_net(), inputs(8, 8, 8)
    assert not torch.allclose(net(maps, conditions), net(maps, conditions + 1))


@each_spec
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("phase", range(GRID))
def test_nothing_farther_than_the_reach_changes_the_answer(spec, axis, phase):
    net = tiny_net(spec)
    middle = spec.reach + GRID + phase
    size = [4, 4, 4]
    size[axis] = 2 * middle
    maps, conditions = inputs(*size, spec=spec)
    with torch.inference_mode():
        change = net(perturbed(maps, axis + 2, middle), conditions) != net(maps, conditions)
    reached = change.movedim(axis + 2, 0).flatten(1).any(dim=1).nonzero().flatten()
    assert (reached - middle).abs().max() <= spec.reach
    assert reached.min() < middle < reached.max()  # and it does change the answer nearby


@each_spec
def test_the_reach_is_not_much_wider_than_it_must_be(spec):
    """With every weight positive nothing cancels: the farthest voxel that still counts is found."""
    net = tiny_net(spec)
    for value in net.parameters():
        value.abs_()
    middle = spec.reach + GRID
    farthest = 0
    with torch.inference_mode():
        maps, conditions = inputs(2 * middle, 4, 4, spec=spec)
        before = net.double()(maps.double().abs(), conditions.double())
        for phase in range(GRID):
            after = net(perturbed(maps.double().abs(), 2, middle + phase), conditions.double())
            reached = (after != before).flatten(0, 1).any(dim=0).flatten(1).any(dim=1).nonzero().flatten()
            farthest = max(farthest, int((reached - middle - phase).abs().max()))
    assert spec.reach - GRID < farthest <= spec.reach
    assert spec.reach % GRID == 0


THIN, ROUND = [(55, 5, 6), (6, 57, 5), (7, 5, 54)], (26, 36, 29)


@pytest.mark.parametrize(("size", "tile"), [*[(size, tile) for size in THIN for tile in (4, 12, 32)], (ROUND, 16)])
def test_tiles_put_together_are_the_whole(size, tile):
    spec = dataclasses.replace(TINY, blocks=1, deep_blocks=0)
    net = tiny_net(spec)
    maps, conditions = inputs(*size, spec=spec)
    with torch.inference_mode():
        whole = net(maps, conditions)
        parts = tiled(net, tile, spec.reach, GRID)(maps, conditions)
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)


def test_tiles_of_a_deep_network_are_the_whole():
    net = tiny_net()
    maps, conditions = inputs(101, 6, 7)
    with torch.inference_mode():
        parts = tiled(net, 16, TINY.reach, GRID)(maps, conditions)
        torch.testing.assert_close(parts, net(maps, conditions), atol=1e-5, rtol=0)


def test_a_reach_too_small_would_show():
    net = tiny_net()
    maps, conditions = inputs(64, 6, 7)
    with torch.inference_mode():
        parts = tiled(net, 16, GRID, GRID)(maps, conditions)
        assert (parts - net(maps, conditions)).abs().max() > 1e-4


def test_the_variance_does_not_shape_the_trunk():
    net = tiny_net().requires_grad_(True)
    maps, conditions = inputs(8, 8, 8)
    net(maps, conditions)[:, 1].sum().backward()
    moved = {
        name.split(".")[0] for name, value in net.named_parameters() if value.grad is not None and value.grad.any()
    }
    assert moved == {"doubt"}
    net.zero_grad()
    net(maps, conditions)[:, 0].sum().backward()
    moved = {
        name.split(".")[0] for name, value in net.named_parameters() if value.grad is not None and value.grad.any()
    }
    assert {"embed", "head", "before", "deep", "after", "tail"} <= moved
    assert "doubt" not in moved


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 0},
        {"width": 10**9},
        {"blocks": 0, "deep_blocks": 0},
        {"blocks": -1},
        {"blocks": 10**9},
        {"embedding": 8.5},
        {"deep_width": "8"},
    ],
)
def test_sizes_that_make_no_network_are_refused(changed):
    with pytest.raises(ValueError, match="expected"):
        dataclasses.replace(TINY, **changed)


def test_the_default_network_fits_a_weights_file():
    net = tiny_net(NetSpec(TINY.channels, TINY.conditions))
    n_parameters = sum(value.numel() for value in net.parameters())
    assert 2 * n_parameters < 16 * 2**20
