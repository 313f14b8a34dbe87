"""Claims of volumes over the cases of a validation: who calibrates whom, and what is said."""

from __future__ import annotations

import math

import pytest

from medsr.anatomy.claims import Claim
from medsr.validation.claims import SampledStructure, said, volume_claims


def row(scan: str, reference_ml: float = 5.0, volume_ml: float = 5.0, task: str = "iso2", structure: str = "liver"):
    """Samples 1 ml to either side of the mean, so that an error in ml is a score."""
    samples = (volume_ml - 1, volume_ml + 1) if volume_ml else (0.0, 0.0)
    return SampledStructure(scan, task, "body", structure, reference_ml, volume_ml, samples)


def claims(*rows: SampledStructure):
    return volume_claims(rows, lambda scan: scan[0])


def test_each_subject_is_claimed_by_all_others():
    a, b, c = claims(row("a", 5.5), row("b", 7.0), row("c", 4.0))
    assert (a.low_ml, a.high_ml, a.inside) == (3, 7, True)  # the worst of b and c is off by 2
    assert (b.low_ml, b.high_ml, b.inside) == (4, 6, False)
    assert (c.low_ml, c.high_ml, c.inside) == (3, 7, True)
    assert [(one.level, one.n_others) for one in (a, b, c)] == [(pytest.approx(2 / 3), 2)] * 3
    assert a.said == "5.00 ml, 67 % interval 3.00 to 7.00 ml (2 other subjects; 90 % needs 9)"


def test_scans_of_one_subject_do_not_calibrate_each_other():
    first, second, other = claims(row("a1", 9.0), row("a2"), row("b", 6.0))
    assert (first.n_others, second.n_others, other.n_others) == (1, 1, 1)
    assert (first.high_ml, other.high_ml) == (6, 9)
    assert "(1 other subject; 90 % needs 9)" in first.said


def test_neither_tasks_nor_structures_are_mixed():
    found = claims(row("a"), row("b", task="thick5"), row("b", structure="lung"))
    assert [one.n_others for one in found] == [0, 0, 0]
    assert [(one.task, one.structure) for one in found] == [("iso2", "liver"), ("thick5", "liver"), ("iso2", "lung")]


def test_one_subject_alone_has_no_interval_and_the_line_says_so():
    (alone,) = claims(row("a"))
    assert (alone.inside, alone.level) == (None, 0)
    assert math.isnan(alone.low_ml)
    assert alone.said == "5.00 ml, no interval (no other subject; 90 % needs 9)"


def test_a_structure_that_is_missing_from_the_result_is_not_claimed():
    missing, other = claims(row("a", 5.0, 0.0), row("b"))
    assert (missing.said, missing.inside) == ("not in the result, so nothing is claimed", None)
    assert other.n_others == 0


def test_what_is_said_where_the_subjects_suffice():
    assert said(3.414, Claim(3.3, 3.55, 0.9, 12)) == "3.41 ml, 90 % interval 3.30 to 3.55 ml (12 other subjects)"


def test_nothing_comes_of_nothing():
    assert claims() == ()
