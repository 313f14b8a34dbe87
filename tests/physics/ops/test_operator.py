"""The laws of a separable operator, in float64, for every profile and any factor from 1 to 8."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samplings import fine_shape, operators

from medsr.physics.ops import PROFILES, AxisSampling, Separable

seeds = st.integers(0, 2**31)


def scans(op: Separable, seed: int, n: int = 2, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """Random images on the fine grid, in a batch of 2."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, *fine_shape(op), generator=generator, dtype=dtype) for _ in range(n)]


def dense(op: Separable) -> torch.Tensor:
    """A as one matrix."""
    shape = fine_shape(op)
    matrices = [np.eye(n) if axis is None else axis.matrix("forward") for axis, n in zip(op.axes, shape, strict=True)]
    return torch.from_numpy(functools.reduce(np.kron, matrices))


@given(operators(), seeds)
def test_it_equals_dense_algebra(op, seed):
    x, _ = scans(op, seed)
    torch.testing.assert_close(op(x).flatten(1), x.flatten(1) @ dense(op).T, rtol=0, atol=1e-10)


@given(operators(), seeds, st.floats(-3, 3))
def test_it_is_linear(op, seed, factor):
    x, z = scans(op, seed)
    torch.testing.assert_close(op(x + factor * z), op(x) + factor * op(z), rtol=0, atol=1e-10)


@given(operators(), seeds)
def test_the_adjoint_is_the_adjoint(op, seed):
    x, z = scans(op, seed)
    y = op(z) + 1
    torch.testing.assert_close((op(x) * y).sum(), (x * op.adjoint(y)).sum(), rtol=1e-10, atol=1e-10)


@given(operators(), seeds)
def test_the_pseudo_inverse_reproduces_what_was_measured(op, seed):
    y = op(scans(op, seed)[0])
    torch.testing.assert_close(op(op.pinv(y)), y, rtol=0, atol=1e-8)


@given(operators(), seeds)
def test_the_pseudo_inverse_projects_orthogonally(op, seed):
    x, z = scans(op, seed)
    seen_x, seen_z = op.pinv(op(x)), op.pinv(op(z))
    torch.testing.assert_close(op.pinv(op(seen_x)), seen_x, rtol=0, atol=1e-8)
    torch.testing.assert_close((seen_x * z).sum(), (x * seen_z).sum(), rtol=1e-8, atol=1e-8)


@given(operators(), seeds)
def test_the_ibp_estimate_reproduces_what_was_measured(op, seed):
    y = op(scans(op, seed)[0])
    torch.testing.assert_close(op(op.ibp(y)), y, rtol=0, atol=1e-8)


@given(operators(), seeds)
def test_the_measured_part_is_a_projection_and_the_rest_is_not_seen(op, seed):
    x, z = scans(op, seed)
    seen = op.measured(x)
    torch.testing.assert_close(op(x - seen), torch.zeros_like(op(x)), rtol=0, atol=1e-8)
    torch.testing.assert_close(op.measured(seen), seen, rtol=0, atol=1e-7)
    torch.testing.assert_close(op.measured(op.prox(z, op(x), 0.0)), seen, rtol=0, atol=1e-7)
    torch.testing.assert_close(op.measured(torch.ones_like(x)), torch.ones_like(x))


@given(operators(), st.floats(0, 5), st.floats(-100, 100))
def test_constants_stay_constant(op, roughness, value):
    x = torch.full(fine_shape(op), value, dtype=torch.float64)
    y = op(x)
    torch.testing.assert_close(y, torch.full_like(y, value))
    for back in (op.ibp(y, roughness), op.ibp(y), op.cubic(y), op.linear(y), op.nearest(y)):
        torch.testing.assert_close(back, x)


@settings(max_examples=20)
@given(operators(), seeds, st.floats(1e-3, 10))
def test_the_proximal_step_equals_dense_algebra(op, seed, ratio):
    x, z = scans(op, seed)
    y, matrix = op(z) + 0.1, dense(op)
    inner = matrix @ matrix.T + ratio * torch.eye(len(matrix), dtype=torch.float64)
    residual = y.flatten(1) - x.flatten(1) @ matrix.T
    expected = x.flatten(1) + torch.linalg.solve(inner, residual.T).T @ matrix
    torch.testing.assert_close(op.prox(x, y, ratio).flatten(1), expected, rtol=0, atol=1e-10)


@given(operators(), seeds)
def test_without_noise_the_proximal_step_projects_onto_the_measurement(op, seed):
    x, z = scans(op, seed)
    projected = op.prox(x, op(z), 0.0)
    torch.testing.assert_close(op(projected), op(z), rtol=0, atol=1e-8)
    torch.testing.assert_close(op.pinv(op(projected - x)), projected - x, rtol=0, atol=1e-8)
    assert (projected - z).norm() <= (x - z).norm() * (1 + 1e-9)


@given(operators(), seeds, st.floats(0, 10))
def test_the_proximal_step_leaves_alone_what_fits(op, seed, ratio):
    x, _ = scans(op, seed)
    torch.testing.assert_close(op.prox(x, op(x), ratio), x, rtol=0, atol=1e-8)


@given(operators(), seeds, st.sampled_from([-3, -2, -1]))
def test_a_flipped_scan_gives_a_flipped_result(op, seed, dim):
    x, _ = scans(op, seed)
    y = op(x)
    torch.testing.assert_close(op(x.flip(dim)), y.flip(dim), rtol=0, atol=1e-10)
    torch.testing.assert_close(op.ibp(y.flip(dim)), op.ibp(y).flip(dim), rtol=0, atol=1e-8)


@pytest.mark.parametrize("profile", PROFILES)
def test_float32_stays_float32_and_is_as_exact_as_it_can_be(profile):
    op = Separable((AxisSampling(20, 10, profile, 2.0), None, AxisSampling(30, 6, profile, 5.0)))
    x, z = scans(op, 0, dtype=torch.float32)
    y = op(z)
    for result in (y, op.adjoint(y), op.pinv(y), op.ibp(y), op.prox(x, y, 0.1)):
        assert result.dtype == torch.float32
    torch.testing.assert_close((op(x) * y).sum(), (x * op.adjoint(y)).sum(), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(op(op.prox(x, y, 0.0)), y, rtol=0, atol=2e-5)


def test_leading_axes_are_carried_along():
    op = Separable((AxisSampling(8, 4, "box", 2.0), AxisSampling(9, 3, "gaussian", 3.0), None))
    x = torch.randn(2, 3, *fine_shape(op), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = op(x)
    assert y.shape == (2, 3, 4, 3, 4)
    torch.testing.assert_close(y[1, 2], op(x[1, 2]))
    torch.testing.assert_close(op.prox(x, y + 1, 0.5)[1, 2], op.prox(x[1, 2], y[1, 2] + 1, 0.5))


def test_no_degraded_axis_changes_nothing():
    op = Separable((None, None, None))
    x, _ = scans(op, 0)
    for result in (op(x), op.adjoint(x), op.pinv(x), op.ibp(x), op.cubic(x)):
        torch.testing.assert_close(result, x)
    torch.testing.assert_close(op.prox(x, x + 1, 1.0), x + 0.5)


def test_the_input_is_not_changed():
    op = Separable((AxisSampling(8, 4, "gaussian", 2.0), None, None))
    x, z = scans(op, 0)
    y = op(z)
    kept_x, kept_y = x.clone(), y.clone()
    op.prox(x, y, 0.3), op.ibp(y), op.pinv(y)
    assert torch.equal(x, kept_x)
    assert torch.equal(y, kept_y)
