"""Structures over subjects: scans of one subject count once, and the error before is that of cubic interpolation."""

from __future__ import annotations

import math

import pytest

from medsr.validation.agreement import agreements, summaries
from medsr.validation.scores import NAN, StructureScore


def subject_of(scan: str) -> str:
    return scan[0]


def row(scan, method, structure, reference_ml, volume_ml, dice=0.9, part="head") -> StructureScore:
    error = 100 * (volume_ml / reference_ml - 1) if reference_ml else NAN
    return StructureScore(scan, "iso2", method, part, structure, reference_ml, volume_ml, error, dice, 0.5, 1.5)


ROWS = [
    row("a1", "cubic", "liver", 10.0, 12.0, 0.8),
    row("a1", "cubic", "spleen", 5.0, 4.0, 0.6),
    row("a1", "mean", "liver", 10.0, 11.0, 0.9),
    row("a1", "mean", "spleen", 5.0, 4.75, 0.8),
    row("a2", "cubic", "liver", 10.0, 12.0, 0.8),
    row("a2", "cubic", "spleen", 5.0, 4.0, 0.6),
    row("a2", "mean", "liver", 10.0, 10.0, 0.9),
    row("a2", "mean", "spleen", 5.0, 4.75, 0.8),
    row("b1", "cubic", "liver", 20.0, 18.0, 0.7),
    row("b1", "cubic", "spleen", 0.0, 0.0, NAN),
    row("b1", "mean", "liver", 20.0, 20.5, 0.9),
    row("b1", "mean", "spleen", 0.0, 0.0, NAN),
]


def test_each_structure_by_itself():
    found = {(one.method, one.structure): one for one in agreements(ROWS, subject_of)}
    liver = found["mean", "liver"]
    assert (liver.volume_ml.n, liver.volume_ml.bias) == (2, pytest.approx(0.5))  # a: mean of 1 and 0; b: 0.5
    assert liver.volume_error_percent == pytest.approx((5 + 2.5) / 2)
    assert liver.error_ratio.median == pytest.approx((0.25 + 0.25) / 2)
    assert found["cubic", "liver"].error_ratio.median == 1
    assert found["mean", "spleen"].dice == pytest.approx(0.8)  # b has none
    assert (found["mean", "spleen"].volume_ml.n, found["mean", "spleen"].error_ratio.n) == (1, 1)
    assert found["mean", "spleen"].reference_ml == 5


def test_all_structures_together():
    cubic, mean = summaries(ROWS, subject_of)
    assert (cubic.method, mean.method) == ("cubic", "mean")
    assert mean.dice.median == pytest.approx((0.85 + 0.9) / 2)
    assert cubic.volume_error_percent.median == pytest.approx((20 + 10) / 2)
    a = ((10 + 5) / 2 + (0 + 5) / 2) / 2
    assert mean.volume_error_percent.median == pytest.approx((a + 2.5) / 2)
    assert mean.error_ratio.median == pytest.approx((a / 20 + 0.25) / 2)


def test_heads_and_bodies_are_not_mixed():
    rows = [*ROWS, row("c1", "mean", "air", 100.0, 100.0, 1.0, "body")]
    found = {(one.part, one.method): one for one in summaries(rows, subject_of)}
    assert found["body", "mean"].dice.median == 1
    assert found["head", "mean"].dice.n == 2
    assert math.isnan(found["body", "mean"].error_ratio.median)  # nothing is known of before


def test_nothing_gives_nothing():
    assert (summaries([], subject_of), agreements([], subject_of)) == ((), ())
