"""The unmeasured part of a scan, on scans whose share is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.metrics.prior import prior_map, prior_part
from medsr.physics.ops import AxisSampling, Separable

OP = Separable((None, None, AxisSampling(40, 10, "gaussian", 4.0)))
SHAPE = (12, 14, 40)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def parts(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What the scanner sees of a scan, and what it does not."""
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal(SHAPE))
    seen = OP.measured(x)
    return seen.numpy(), (x - seen).numpy()


@given(st.floats(0.1, 3))
def test_energy_and_correlation_are_those_of_the_unmeasured_part_alone(gain):
    seen, hidden = parts()
    found = prior_part(7 * seen + gain * hidden, seen + hidden, EVERYWHERE, OP.measured)
    assert found.energy == pytest.approx(gain**2)
    assert found.correlation == pytest.approx(1)


def test_invention_has_energy_without_correlation():
    seen, hidden = parts()
    _, other = parts(1)
    found = prior_part(seen + other, seen + hidden, EVERYWHERE, OP.measured)
    assert found.energy == pytest.approx(1, rel=0.1)
    assert abs(found.correlation) < 0.1


def test_it_is_what_dense_algebra_says():
    A, C = (OP.axes[2].matrix(kind) for kind in ("forward", "cubic"))
    project = np.eye(40) - C @ np.linalg.inv(A @ C) @ A
    x, reference = np.random.default_rng(2).standard_normal((2, *SHAPE))
    ours, truth = x @ project.T, reference @ project.T
    found = prior_part(x, reference, EVERYWHERE, OP.measured)
    assert found.energy == pytest.approx(np.sum(ours**2) / np.sum(truth**2))
    assert found.correlation == pytest.approx(np.corrcoef(ours.ravel(), truth.ravel())[0, 1], abs=1e-3)


def test_the_map_is_0_where_all_was_measured_and_1_where_nothing_was():
    seen, hidden = parts()
    assert prior_map(seen, OP.measured, EVERYWHERE).max() < 1e-6
    assert prior_map(hidden, OP.measured, EVERYWHERE).min() > 1 - 1e-6
    both = prior_map(seen + hidden, OP.measured, EVERYWHERE)
    assert 0 < both.min() <= both.max() < 1
    assert both.mean() == pytest.approx(np.var(hidden) / (np.var(hidden) + np.var(seen)), abs=0.05)
    assert np.all(prior_map(np.ones(SHAPE), OP.measured, EVERYWHERE) < 1e-6)
