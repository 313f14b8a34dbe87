"""Laws of orthogonalised steps."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from medsr.training.muon import Muon, orthogonalised


def white(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(2, 24), st.integers(2, 80), st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_singular_values_are_all_near_one(rows, columns, seed, size):
    matrix = size * white(rows, columns, seed=seed)
    values = torch.linalg.svdvals(orthogonalised(matrix))
    condition = torch.linalg.svdvals(matrix)
    kept = values[condition > 0.05 * condition[0]]  # directions that the gradient hardly has take more steps to grow
    assert kept.min() > 0.6
    assert values.max() < 1.3


def test_the_orthogonal_part_of_the_matrix_is_kept():
    u, s, v = torch.linalg.svd(white(12, 40), full_matrices=False)
    expected = u @ v
    ours = orthogonalised(u @ torch.diag(s) @ v)
    cosine = (ours * expected).sum() / ours.norm() / expected.norm()
    assert cosine > 0.95


def test_a_tall_matrix_is_treated_as_its_transpose():
    wide = white(6, 30)
    torch.testing.assert_close(orthogonalised(wide.T), orthogonalised(wide).T)


def test_the_size_of_a_gradient_does_not_matter():
    matrix = white(8, 27)
    torch.testing.assert_close(orthogonalised(64 * matrix), orthogonalised(matrix))


def test_nothing_stays_nothing():
    assert not orthogonalised(torch.zeros(4, 9)).any()


def kernel(seed=1):
    return nn.Parameter(white(6, 4, 3, 3, 3, seed=seed))


def test_steps_reach_the_minimum_of_a_quadratic():
    weight, target = kernel(), white(6, 4, 3, 3, 3, seed=2)
    optimiser = Muon([weight], lr=0.35)
    losses = []
    for step in range(60):
        optimiser.param_groups[0]["lr"] = 0.35 * (1 - step / 60)
        optimiser.zero_grad()
        loss = (weight - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert losses[-1] < 0.02 * losses[0]


def test_a_step_has_the_size_that_was_asked_for():
    weight = kernel()
    before = weight.detach().clone()
    weight.grad = white(6, 4, 3, 3, 3, seed=5)
    Muon([weight], lr=0.01, weight_decay=0.0).step()
    change = (weight.detach() - before).flatten(1)
    values = torch.linalg.svdvals(change) / (0.01 * 0.2 * 108**0.5)
    assert 0.6 < values.min() < values.max() < 1.3


def test_a_weight_without_gradient_is_left_alone():
    weight = kernel()
    before = weight.detach().clone()
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight, before)


def test_weight_decay_is_decoupled_from_the_gradient():
    weight = kernel()
    before = weight.detach().clone()
    weight.grad = torch.zeros_like(weight)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), before * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("momentum", [0.0, 0.95])
def test_its_state_can_be_stored_and_loaded(momentum):
    ours, theirs = kernel(), kernel()
    first, second = Muon([ours], 0.02, momentum), Muon([theirs], 0.02, momentum)
    for step in range(4):
        ours.grad = white(6, 4, 3, 3, 3, seed=step)
        first.step()
        if step == 1:
            second.load_state_dict(copy.deepcopy(first.state_dict()))
            theirs.data.copy_(ours)
        elif step > 1:
            theirs.grad = ours.grad.clone()
            second.step()
    assert torch.equal(ours, theirs)
