"""The residual in units of the noise."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.metrics.fidelity import residual_in_noise_units
from medsr.physics.ops import AxisSampling, Separable

OP = Separable((AxisSampling(60, 30, "gaussian", 2.0), None, AxisSampling(40, 8, "gaussian", 5.0)))


def measured(sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(60, 50, 40, generator=generator, dtype=torch.float64)
    y = OP(x)
    return x, y + sigma * torch.randn(y.shape, generator=generator, dtype=y.dtype)


@given(st.floats(1e-3, 10))
def test_the_truth_leaves_the_noise(sigma):
    assert residual_in_noise_units(OP, *measured(sigma), sigma) == pytest.approx(1, abs=0.02)


def test_a_fit_to_the_noise_leaves_nothing():
    x, y = measured(0.1)
    assert residual_in_noise_units(OP, OP.prox(x, y, 0.0), y, 0.1) < 1e-6


@given(st.floats(0.1, 10))
def test_a_shift_counts_in_units_of_the_noise(units):
    x, y = measured(0.0)
    assert residual_in_noise_units(OP, x + 0.5 * units, y, 0.5) == pytest.approx(units)


def test_without_noise_only_an_exact_fit_is_finite():
    x, y = measured(0.0)
    assert residual_in_noise_units(OP, x, OP(x), 0.0) == 0
    assert residual_in_noise_units(OP, x, y + 1, 0.0) == math.inf
