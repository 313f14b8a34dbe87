"""The line between two scans is found whatever their unit; CT keeps its own."""

from __future__ import annotations

import numpy as np
import pytest

from medsr.registration.intensities import Line, line_onto, with_slow_gain

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


SHAPE = (20, 24, 8)


def bright_as(field: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scan dimmed by a field and in another unit, the scan as it was, and where the two were compared."""
    rng = np.random.default_rng(0)
    x = rng.uniform(50, 400, SHAPE)
    places = np.array(np.nonzero(rng.random(SHAPE) < 0.5))
    return ((x - 20) / (2 * field))[tuple(places)], x[tuple(places)], places


def gained(y: np.ndarray, x: np.ndarray, places: np.ndarray) -> Line:
    return with_slow_gain(line_onto(y, x, "MR"), y, x, places, SHAPE)


def test_a_slow_gain_is_found_everywhere():
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    field = 1.0 + 0.2 * i - 0.1 * j * k + 0.15 * j**2
    y, x, places = bright_as(field)
    found = gained(y, x, places)
    assert (found.slope, found.offset) == (pytest.approx(2, abs=0.05), pytest.approx(20, abs=0.1))
    np.testing.assert_allclose(found.slope * found.gain, 2 * field, rtol=0.02)
    whole = np.zeros(SHAPE, np.float32)
    whole[tuple(places)] = y
    np.testing.assert_allclose(found.applied(whole)[tuple(places)], x, rtol=0.01)


def test_even_brightness_has_no_gain():
    y, x, places = bright_as(np.ones(SHAPE))
    assert gained(y + np.random.default_rng(1).normal(0, 5, y.shape), x, places).gain == 1.0


def test_a_gain_stays_within_a_factor_of_two():
    i = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")[0]
    found = np.asarray(gained(*bright_as(1.0 + 0.95 * i)).gain)
    assert found.min() == 0.5
    assert found.max() < 2.0


def test_the_gain_comes_before_the_line():
    line = Line(2.0, 1.0, 0.9, np.full((1, 1, 2), 1.5, np.float32))
    np.testing.assert_allclose(line.applied(np.array([[[1.0, 2.0]]], np.float32)), [[[4.0, 7.0]]])
