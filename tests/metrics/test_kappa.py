"""Weighted kappa on tables made by hand, and its limits."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.metrics.kappa import weighted_kappa

ANSWERS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


def rated(table):
    """Both readers' categories of every case of a table of counts."""
    cells = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return [i for i, _ in cells], [j for _, j in cells]


def test_two_categories_give_the_unweighted_kappa():
    """20 and 15 of 50 alike: observed 0.7, by chance 0.6 * 0.5 + 0.4 * 0.5 = 0.5."""
    assert weighted_kappa(*rated([[20, 5], [10, 15]]), 2) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_quadratic_weights_by_hand():
    """Of 10 cases two are off by 1 and one by 2: 2 * 1 + 1 * 4 = 6. Shares: 0.5, 0.3, 0.2 and 0.3, 0.3, 0.4."""
    table = [[3, 1, 1], [0, 2, 1], [0, 0, 2]]
    by_chance = 0.5 * (0.3 + 4 * 0.4) + 0.3 * (0.3 + 0.4) + 0.2 * (4 * 0.3 + 0.3)
    assert weighted_kappa(*rated(table), 3) == pytest.approx(1 - 0.6 / by_chance)


def test_perfect_opposite_and_chance():
    assert weighted_kappa([0, 2, 4], [0, 2, 4], 5) == 1
    assert weighted_kappa([0, 4], [4, 0], 5) == pytest.approx(-1)
    pairs = list(product(range(5), range(5)))
    assert weighted_kappa([i for i, _ in pairs], [j for _, j in pairs], 5) == pytest.approx(0)


def test_nothing_to_agree_on_is_no_number():
    assert math.isnan(weighted_kappa([], [], 5))
    assert math.isnan(weighted_kappa([2, 2], [2, 2], 5))
    assert weighted_kappa([2, 2], [3, 3], 5) == pytest.approx(0)


@given(ANSWERS)
def test_readers_are_alike_and_the_scale_may_be_turned_round(answers):
    a, b = [i for i, _ in answers], [j for _, j in answers]
    found = weighted_kappa(a, b, 5)
    turned = weighted_kappa([4 - i for i in b], [4 - j for j in a], 5)
    assert math.isnan(found) == math.isnan(turned)
    if not math.isnan(found):
        assert found == pytest.approx(turned)
        assert -1 <= found <= 1 + 1e-12
