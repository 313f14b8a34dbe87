"""Statistics of scans: they have no unit, and ranges hold what they were taken from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head, noisy_head

from medsr.errors import InputError
from medsr.model.scan_statistics import MEASURES, distance_of, ranges_of, statistics_of, statistics_seen, usual_ranges


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


def test_ranges_hold_every_scan_and_need_one():
    rows = [statistics_of(noisy_head(n)) for n in range(3)]
    ranges = ranges_of(rows)
    assert all(distance_of(name, row[name], ranges[name]) < 1e-2 for row in rows for name in MEASURES)
    with pytest.raises(InputError, match="no scans"):
        ranges_of([])


def test_usual_ranges_go_by_modality_and_hold_what_tasks_make_of_a_scan():
    scans = [noisy_head(0), noisy_head(1), noisy_head(2, "CT")]
    ranges = usual_ranges(scans)
    assert set(ranges) == {"MR", "CT"}
    for scan in scans:
        for row in statistics_seen(scan):
            assert all(distance_of(name, row[name], ranges[scan.modality][name]) < 1e-2 for name in MEASURES)
