"""Medians, intervals and tests over subjects against SciPy, hand-made tables and laws."""

from __future__ import annotations

import math
from operator import lt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medsr.metrics.statistics import bootstrap_ends, holm, interval_of_median, paired, per_subject, share_ends


def test_scans_of_one_subject_count_once_and_what_is_not_finite_does_not():
    found = per_subject([1.0, 3.0, 10.0, math.nan, math.inf], ["a", "a", "b", "b", "c"])
    assert found == {"a": 2.0, "b": 10.0}


def test_the_interval_holds_the_median_and_is_the_same_each_time():
    values = [0.2, 0.5, 0.1, 0.9, 0.4, 0.7, 0.3]
    found = interval_of_median(values)
    assert found.n == 7
    assert found.low <= found.median == 0.4 <= found.high
    assert found == interval_of_median(values)


def test_the_interval_is_that_of_efron():
    values = np.random.default_rng(1).normal(3, 1, 25)
    expected = stats.bootstrap((values,), np.median, n_resamples=10_000, method="BCa", rng=0).confidence_interval
    found = interval_of_median(values.tolist())
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_it_covers_the_true_median_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [interval_of_median(rng.normal(0, 1, 15).tolist(), level=0.8) for _ in range(60)]
    assert 0.65 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.97


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0]])
def test_too_few_subjects_have_no_interval(values):
    found = interval_of_median(values)
    assert (found.n, found.low, found.high) == (len(values), None, None)


@settings(max_examples=10)
@given(st.lists(st.sampled_from([1.0, 1.0, 2.0]), min_size=3, max_size=8))
def test_ties_do_not_break_it(values):
    found = interval_of_median(values)
    assert 1 <= found.low <= found.high <= 2


def test_the_paired_test_is_wilcoxons():
    rng = np.random.default_rng(0)
    ours = dict(zip("abcdefghij", rng.normal(0.5, 1, 10), strict=True))
    theirs = dict(zip("jihgfedcbaz", rng.normal(0, 1, 11), strict=True))
    differences = [ours[s] - theirs[s] for s in ours]
    found = paired(ours, theirs)
    assert found.p == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert found.improved == np.mean(np.array(differences) > 0)
    assert paired(ours, theirs, lt).improved == pytest.approx(1 - found.improved)


def test_six_of_six_improved_by_hand():
    """All ranks on one side: 2 of 2^6 sign patterns are as extreme."""
    found = paired({s: float(n + 1) for n, s in enumerate("abcdef")}, dict.fromkeys("abcdef", 0.0))
    assert found.p == pytest.approx(2 / 64)
    assert (found.improved, found.interval.median, found.note) == (1.0, 3.5, "")


@pytest.mark.parametrize("n", [0, 1, 5])
def test_with_too_few_it_says_so(n):
    found = paired({str(k): 1.0 for k in range(n)}, {str(k): 0.0 for k in range(n)})
    assert found.p is None
    assert "at least 6 subjects" in found.note


def test_equal_methods_are_not_tested():
    values = dict.fromkeys("abcdefg", 1.0)
    assert paired(values, values).note == "no test: the two methods do not differ"


def test_holm_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, then never falling (Holm 1979)."""
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == (0.03, 0.06, None, 0.06, 0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_value_and_bonferroni(p_values):
    corrected = holm(p_values)
    for p, q in zip(p_values, corrected, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert list(np.array(corrected)[order]) == sorted(corrected)


def test_a_share_has_the_exact_interval():
    """9 of 10 in Clopper and Pearson's table; with all or none of n the other end is (0.05 / 2)^(1/n)."""
    assert share_ends(9, 10) == pytest.approx((0.5550, 0.9975), abs=1e-4)
    assert share_ends(6, 6) == pytest.approx((0.025 ** (1 / 6), 1.0))
    assert share_ends(0, 6) == pytest.approx((0.0, 1 - 0.025 ** (1 / 6)))
    assert share_ends(0, 0) == (None, None)


def test_a_mean_has_an_interval_around_it():
    values = [1.0, 2.0, 3.0, 4.0, 15.0]
    low, high = bootstrap_ends(values, np.mean)
    assert low is not None
    assert low < np.mean(values) < high
    assert low > min(values)
    assert bootstrap_ends(values[:2], np.mean) == (None, None)
    assert bootstrap_ends([2.0] * 4, np.mean) == (2.0, 2.0)
