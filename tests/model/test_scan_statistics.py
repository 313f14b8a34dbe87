"""Statistics of scans: they have no unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head

from medsr.model.scan_statistics import MEASURES, distance_of, statistics_of


@given(st.sampled_from(sorted(MEASURES)), st.floats(0.01, 50), st.floats(0.01, 50), st.floats(0, 1))
def test_distance_is_zero_inside_the_range_and_grows_beyond(name, a, b, where):
    usual = (min(a, b), max(a, b))
    inside = usual[0] + where * (usual[1] - usual[0])
    assert distance_of(name, inside, usual) == pytest.approx(0, abs=1e-9)
    beyond = [distance_of(name, usual[1] * (1 + k), usual) for k in (0.1, 1, 10)]
    below = [distance_of(name, usual[0] / (1 + k), usual) for k in (0.1, 1, 10)]
    assert beyond == sorted(beyond)
    assert below == sorted(below)
    assert max(*beyond, *below) > 0


@given(st.floats(0.5, 20), st.floats(-1000, 1000))
def test_statistics_of_mr_do_not_depend_on_its_unit(scale, offset):
    volume = head((16, 18, 14), (4.0, 4.0, 4.0))
    changed = statistics_of(volume.with_data(np.asarray(scale * volume.data + offset, np.float32)))
    for name, value in statistics_of(volume).items():
        if name not in ("offset", "levels", "saturated"):  # the first tells the unit's zero; rounding merges values
            assert changed[name] == pytest.approx(value, rel=2e-2, abs=2e-3), name
