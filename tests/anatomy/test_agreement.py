"""Bland-Altman and the ratio of errors over subjects, by hand."""

from __future__ import annotations

import math

import pytest

from medsr.anatomy.agreement import bland_altman, error_ratio


def test_bias_and_limits_are_those_of_the_differences():
    found = bland_altman([1.0, 2.0, 3.0, 6.0])
    deviation = math.sqrt((4 + 1 + 0 + 9) / 3)
    assert (found.n, found.bias) == (4, 3.0)
    assert found.low == pytest.approx(3 - 1.96 * deviation)
    assert found.high == pytest.approx(3 + 1.96 * deviation)


def test_two_subjects_have_a_bias_and_no_limits():
    found = bland_altman([1.0, 3.0])
    assert (found.n, found.bias, found.low, found.high) == (2, 2.0, None, None)
    assert math.isnan(bland_altman([]).bias)


def test_a_smaller_error_has_a_ratio_below_1_whatever_its_sign():
    after = {"a": -1.0, "b": 2.0, "c": 0.0, "d": 9.0}
    before = {"a": 4.0, "b": -4.0, "c": 3.0, "e": 1.0}
    found = error_ratio(after, before)
    assert (found.n, found.median) == (3, 0.25)
    assert found.low == 0.0
    assert found.high == 0.5


def test_a_subject_without_an_error_before_has_no_ratio():
    assert error_ratio({"a": 1.0}, {"a": 0.0}).n == 0
    assert error_ratio({"a": float("nan")}, {"a": 1.0}).n == 0
