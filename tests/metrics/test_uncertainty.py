"""Coverage, reliability curve, CRPS and AUROC against definitions, quadrature and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from medsr.metrics.uncertainty import (
    LEVELS,
    auroc,
    coverage,
    crps_of_normal,
    crps_of_samples,
    normal_width,
    pair_auroc,
    reliability_curve,
)


def normal_errors(n: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    deviation = rng.uniform(0.5, 3, n)
    return deviation * rng.standard_normal(n), deviation


@pytest.mark.parametrize("level", LEVELS)
def test_a_true_deviation_covers_what_it_says(level):
    error, deviation = normal_errors()
    assert coverage(error, deviation, normal_width(level)) == pytest.approx(level, abs=0.01)


def test_the_widths_are_those_of_tables():
    np.testing.assert_allclose([normal_width(level) for level in LEVELS], [0.6745, 1.2816, 1.6449, 1.96], atol=1e-4)


def test_coverage_by_hand():
    assert coverage(np.array([-1, 2, 3, 0.5]), np.array([1, 1, 4, 1]), 1.0) == 0.75


@given(st.floats(0.2, 5))
def test_on_the_diagonal_where_the_stated_deviation_is_right_and_off_it_by_its_error(factor):
    error, deviation = normal_errors()
    found = reliability_curve(error, factor * deviation)
    np.testing.assert_allclose(np.array(found.stated_deviation) / found.actual_error, factor, rtol=0.06)
    assert list(found.stated_deviation) == sorted(found.stated_deviation)


def test_bins_by_hand():
    found = reliability_curve(np.array([1.0, -1.0, 3.0, 5.0]), np.array([1.0, 2.0, 4.0, 3.0]), n_bins=2)
    np.testing.assert_allclose(found.stated_deviation, np.sqrt([2.5, 12.5]))
    np.testing.assert_allclose(found.actual_error, np.sqrt([1, 17]))


@given(st.integers(2, 9), st.integers(0, 100))
def test_the_score_of_samples_is_its_definition(m, seed):
    rng = np.random.default_rng(seed)
    samples, truth = rng.standard_normal((m, 7)), rng.standard_normal(7)
    near = np.mean(np.abs(samples - truth))
    apart = sum(abs(samples[i] - samples[j]) for i in range(m) for j in range(m)).mean() / (2 * m * (m - 1))
    assert crps_of_samples(samples, truth) == pytest.approx(near - apart)


@pytest.mark.parametrize("m", [2, 8, 32])
def test_few_samples_score_like_many(m):
    rng = np.random.default_rng(0)
    truth, samples = rng.standard_normal(40_000), rng.standard_normal((m, 40_000))
    assert crps_of_samples(samples, truth) == pytest.approx(1 / math.sqrt(math.pi), rel=0.02)


@pytest.mark.parametrize(("error", "deviation"), [(0.0, 1.0), (1.3, 0.7), (-4.0, 2.0)])
def test_the_score_of_a_normal_is_its_integral(error, deviation):
    def squared(x: float) -> float:
        return (stats.norm.cdf(x, error, deviation) - (x >= 0)) ** 2

    expected = integrate.quad(squared, -40, 0)[0] + integrate.quad(squared, 0, 40)[0]
    assert crps_of_normal(np.array([error]), np.array([deviation])) == pytest.approx(expected, rel=1e-6)


@given(st.integers(0, 50), st.booleans())
def test_auroc_is_that_of_mann_and_whitney(seed, ties):
    rng = np.random.default_rng(seed)
    error, deviation = rng.standard_normal(200), rng.standard_normal(200)
    if ties:
        deviation = np.round(deviation)
    large = np.abs(error) > np.quantile(np.abs(error), 0.9)
    expected = stats.mannwhitneyu(deviation[large], deviation[~large]).statistic / (large.sum() * (~large).sum())
    assert auroc(error, deviation) == pytest.approx(expected)


def test_auroc_by_hand():
    assert pair_auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx((1 + 1 + 1 + 0.5) / 4)
    error = np.arange(100.0)
    assert auroc(error, error) == 1
    assert auroc(error, -error) == 0
    assert math.isnan(auroc(np.ones(5), np.arange(5.0)))
