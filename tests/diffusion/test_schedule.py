"""Laws of the noise levels."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.diffusion.schedule import SIGMA_MAX, SIGMA_MIN, karras


@given(st.integers(1, 64), st.floats(0.5, 80.0), st.floats(0.002, 0.4), st.floats(0.5, 9.0))
def test_levels_fall_from_the_first_to_zero(n_steps, sigma_max, sigma_min, rho):
    levels = karras(n_steps, sigma_max, sigma_min, rho)
    assert levels.shape == (n_steps + 1,)
    assert levels.dtype == torch.float64
    assert levels[0].item() == pytest.approx(sigma_max)
    assert levels[-1] == 0
    assert torch.all(torch.diff(levels) < 0)
    if n_steps > 1:
        assert levels[-2].item() == pytest.approx(sigma_min)


@given(st.integers(2, 40), st.floats(0.5, 9.0))
def test_levels_are_evenly_spaced_after_the_root(n_steps, rho):
    roots = karras(n_steps, 3.0, 0.05, rho)[:-1] ** (1 / rho)
    steps = torch.diff(roots)
    torch.testing.assert_close(steps, steps.mean().expand_as(steps))


def test_a_large_rho_puts_more_levels_near_the_end():
    middle = [karras(11, rho=rho)[5].item() for rho in (1.0, 3.0, 7.0, 1e4)]
    assert middle == sorted(middle, reverse=True)
    assert middle[-1] == pytest.approx(math.sqrt(SIGMA_MAX * SIGMA_MIN), rel=1e-3)  # in the limit, a geometric row


@pytest.mark.parametrize(
    ("n_steps", "high", "low"),
    [(0, 3.0, 0.05), (-1, 3.0, 0.05), (4, 0.05, 3.0), (4, 3.0, 0.0), (4, float("nan"), 0.05)],
)
def test_levels_that_do_not_fall_are_refused(n_steps, high, low):
    with pytest.raises(ValueError, match="falling positive levels"):
        karras(n_steps, high, low)
