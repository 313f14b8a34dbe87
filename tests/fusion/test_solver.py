"""Conjugate gradients end where the normal equations hold, and start from what is expected."""

from __future__ import annotations

import numpy as np
import torch

from medsr.fusion.solver import Term, estimate
from medsr.physics.ops import AxisSampling, Posed, Separable

SHAPE = (8, 9, 10)
OP = Posed(Separable((AxisSampling(8, 2, "box", 4.0), None, None)), np.eye(4), SHAPE, SHAPE)


def normal(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_answer_solves_the_normal_equations():
    mean, deviation = normal(SHAPE, 0), normal(SHAPE, 1).abs() + 0.1
    term = Term(OP, normal((2, 9, 10), 2), normal((2, 9, 10), 3).abs())
    x = estimate([term], mean, deviation, most_steps=200)
    gradient = OP.adjoint(term.weight**2 * (OP(x) - term.y)) + (x - mean) / deviation**2
    start = OP.adjoint(term.weight**2 * (OP(mean) - term.y))
    assert float(gradient.norm() / start.norm()) < 0.02


def test_few_steps_are_enough_where_stacks_differ_much_in_noise():
    mean, one = normal(SHAPE, 0), torch.ones(SHAPE, dtype=torch.float64)
    other = Posed(Separable((None, AxisSampling(9, 3, "box", 3.0), None)), np.eye(4), SHAPE, SHAPE)
    terms = [
        Term(OP, normal((2, 9, 10), 2), torch.full((2, 9, 10), 20.0, dtype=torch.float64)),
        Term(other, normal((8, 3, 10), 3), torch.full((8, 3, 10), 2.0, dtype=torch.float64)),
    ]
    exact = estimate(terms, mean, one, most_steps=500)
    assert float((estimate(terms, mean, one, most_steps=6) - exact).norm() / (exact - mean).norm()) < 0.01


def test_what_was_expected_stays_where_it_agrees_or_nothing_was_measured():
    mean = normal(SHAPE, 0)
    one = torch.ones(SHAPE, dtype=torch.float64)
    agreed = estimate([Term(OP, OP(mean), torch.ones(2, 9, 10, dtype=torch.float64))], mean, one)
    torch.testing.assert_close(agreed, mean)
    unseen = estimate([Term(OP, normal((2, 9, 10), 2), torch.zeros(2, 9, 10, dtype=torch.float64))], mean, one)
    torch.testing.assert_close(unseen, mean)


def test_a_measurement_without_noise_is_reproduced():
    y = normal((2, 9, 10), 2)
    certain = torch.full((2, 9, 10), 1e4, dtype=torch.float64)
    x = estimate([Term(OP, y, certain)], normal(SHAPE, 0), torch.ones(SHAPE, dtype=torch.float64))
    torch.testing.assert_close(OP(x), y, rtol=0, atol=1e-3)


def test_the_answer_does_not_depend_on_where_it_starts():
    mean, deviation = normal(SHAPE, 0), normal(SHAPE, 1).abs() + 0.5
    term = Term(OP, normal((2, 9, 10), 2), normal((2, 9, 10), 3).abs())
    from_mean, from_elsewhere = (
        estimate([term], mean, deviation, start=start, most_steps=200) for start in (None, normal(SHAPE, 4))
    )
    torch.testing.assert_close(from_mean, from_elsewhere, rtol=0, atol=0.02)
    near = estimate([term], mean, deviation, start=from_mean, most_steps=1)
    torch.testing.assert_close(near, from_mean, rtol=0, atol=0.02)
