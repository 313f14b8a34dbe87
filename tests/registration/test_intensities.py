"""The line between two scans is found whatever their unit; CT keeps its own."""

from __future__ import annotations

import numpy as np
import pytest

from medsr.registration.intensities import line_onto

X = np.random.default_rng(0).gamma(4.0, 50.0, 4000)
NOISE = np.random.default_rng(1).normal(0, 20, X.size)


def test_the_line_is_found_and_noise_does_not_flatten_it():
    line = line_onto(0.4 * X - 30 + 0.4 * NOISE, X, "MR")
    assert line.slope == pytest.approx(2.5, rel=0.02)
    assert line.offset == pytest.approx(75, abs=4)
    assert 0.95 < line.correlation < 1
    np.testing.assert_allclose(line.applied((0.4 * X - 30).astype(np.float32)), X, rtol=0.05, atol=6)
    assert line.applied(X.astype(np.float32)).dtype == np.float32


def test_ct_keeps_its_unit_and_the_correlation_is_told():
    line = line_onto(0.4 * X - 30 + NOISE, X, "CT")
    assert (line.slope, line.offset) == (1.0, 0.0)
    assert line.correlation == pytest.approx(np.corrcoef(0.4 * X + NOISE, X)[0, 1])
