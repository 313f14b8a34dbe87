"""Whose a scan is, and scores by task and method."""

from __future__ import annotations

import pytest
from made_scores import made_score

from medsr.validation.subjects import groups_of, subject_of


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        ("sub-01_T1w", "01"),
        ("sub-01_ses-2_acq-x_FLAIR", "01"),
        ("01_T1w", "01"),
        ("scan_1", "scan_1"),
        ("x", "x"),
        ("a_b_CT", "a_b_CT"),
    ],
)
def test_whose_scan_it_is(scan, expected):
    assert subject_of(scan) == expected


def test_scores_are_grouped_by_task_and_then_method_in_the_order_of_their_first_appearance():
    rows = [made_score("a", "mean", 20.0), made_score("a", "ibp", 20.0), made_score("b", "mean", 21.0)]
    found = groups_of(rows)
    assert [method for _, method in found] == ["mean", "ibp"]
    assert [len(chosen) for chosen in found.values()] == [2, 1]
