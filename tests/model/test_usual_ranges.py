"""Usual ranges hold what they were taken from."""

from __future__ import annotations

import pytest
from phantoms import noisy_head

from medsr.errors import InputError
from medsr.model.scan_statistics import MEASURES, distance_of, statistics_of
from medsr.model.usual_ranges import ranges_of, statistics_seen, usual_ranges


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
