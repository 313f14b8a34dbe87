"""Values are counted or sorted, with the same answer."""

from __future__ import annotations

import numpy as np
import pytest

from medsr.physics.levels import MOST_COUNTED, distinct

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    "values",
    [
        RNG.integers(-1024, 3000, (9, 8, 7)),
        RNG.integers(0, 2**16, (30, 8, 7)) * 4,
        RNG.integers(0, 200, (9, 8, 7)) * 8 + 2**27,
        RNG.normal(0, 50, (9, 8, 7)),
        RNG.integers(-8, 8, (9, 8, 7)) / 4,
        np.array([0, 2.0 * MOST_COUNTED, 5]),
        np.full((3, 3), -7),
        np.array([1, np.nan, 2]),
    ],
    ids=["hu", "scaled", "large", "real", "quarters", "wide", "constant", "nan"],
)
def test_they_are_those_of_a_sort(values):
    data = np.asfortranarray(values.astype(np.float32))
    np.testing.assert_array_equal(distinct(data), np.unique(data))
    assert distinct(data).dtype == np.float32


def test_nothing_has_no_values():
    assert distinct(np.empty((0, 3), np.float32)).size == 0
