"""Intervals of volumes: their level is what the subjects can carry, and where it can be, it is kept."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medsr.anatomy.claims import Claim, SampledVolume, claim, left_out, level_of, subjects_needed


def subject(rng: np.random.Generator, error: float = 0.3, shift: float = 0.0) -> SampledVolume:
    """A volume about 5 ml whose samples say only roughly how far it is off."""
    truth = rng.uniform(3, 7)
    spread = rng.uniform(0.05, 0.4)
    found = truth + error * spread * rng.standard_t(3) + shift
    return SampledVolume(truth, found, tuple(found + spread * rng.normal(size=4)))


def share_inside(n_others: int, n_draws: int, shift: float = 0.0) -> float:
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(n_draws):
        others = [subject(rng).score for _ in range(n_others)]
        new = subject(rng, shift=shift)
        inside += claim(new, others).holds(new.reference_ml)
    return inside / n_draws


@pytest.mark.parametrize("n_others", [1, 2, 5, 8, 9, 10, 19, 25])
def test_new_subjects_of_the_same_kind_are_covered_as_often_as_is_said(n_others):
    n_draws = 4000
    exact = math.ceil((n_others + 1) * level_of(n_others) - 1e-9) / (n_others + 1)  # scores without ties
    deviation = math.sqrt(exact * (1 - exact) / n_draws)
    assert abs(share_inside(n_others, n_draws) - exact) < 4 * deviation
    assert exact >= level_of(n_others) - 1e-12


def test_subjects_of_another_kind_are_not_covered():
    assert share_inside(9, 500, shift=2.0) < 0.2


@pytest.mark.parametrize(("n_others", "level"), [(0, 0), (1, 1 / 2), (2, 2 / 3), (8, 8 / 9), (9, 0.9), (40, 0.9)])
def test_the_level_is_the_highest_that_the_others_can_carry(n_others, level):
    assert level_of(n_others) == pytest.approx(level)
    assert claim(SampledVolume(5, 5, (5,)), [1.0] * n_others).level == pytest.approx(level)


def test_nine_others_carry_ninety_per_cent_and_nineteen_ninety_five():
    assert [subjects_needed(level) for level in (0.5, 2 / 3, 0.8, 0.9, 0.95, 0.99)] == [1, 2, 4, 9, 19, 99]


def test_too_few_others_give_the_widest_interval_that_they_know():
    found = claim(SampledVolume(0, 10, (9, 11)), [3.0, 2.0])
    assert (found.low_ml, found.high_ml, found.n_others) == (7, 13, 2)


def test_enough_others_leave_the_widest_out():
    found = claim(SampledVolume(0, 10, (9, 11)), [*(0.1 * n for n in range(1, 19)), 50.0])
    assert found.high_ml == pytest.approx(10 + 1.8)  # the 18th of 19


def test_one_subject_alone_has_no_interval():
    ((found,),) = left_out({"a": [SampledVolume(5, 5.1, (5, 5.2))]}).values()
    assert found is not None
    assert (found.level, found.n_others) == (0, 0)
    assert math.isnan(found.low_ml)
    assert not found.holds(5)


def test_samples_that_all_agree_give_an_interval_all_the_same():
    sure = SampledVolume(5.5, 5, (5, 5, 5, 5))
    assert sure.spread_ml == pytest.approx(0.05)
    assert sure.score == pytest.approx(10)
    found = claim(sure, [2.0])
    assert (found.low_ml, found.high_ml) == (pytest.approx(4.9), pytest.approx(5.1))


def test_samples_that_all_lie_to_one_side_make_the_interval_wider():
    assert SampledVolume(5, 5, (6, 6)).spread_ml == 1


def test_scores_do_not_depend_on_the_unit():
    small, large = SampledVolume(0.5, 0.6, (0.55, 0.7)), SampledVolume(500, 600, (550, 700))
    assert small.score == pytest.approx(large.score)


def test_no_volume_is_claimed_to_be_below_nothing():
    assert claim(SampledVolume(0, 1, (0.5, 1.5)), [10.0]) == Claim(0, 6, 0.5, 1)


def test_a_structure_that_the_result_does_not_show_has_no_claim_and_calibrates_none():
    volumes = {
        "a": [SampledVolume(5, 5.2, (5, 5.4))],
        "b": [SampledVolume(5, 0, (0, 0))],
        "c": [SampledVolume(5, 4.6, (4.4, 4.8))],
    }
    found = left_out(volumes)
    assert found["b"] == (None,)
    assert [one.n_others for one in (*found["a"], *found["c"]) if one] == [1, 1]


def test_what_the_result_shows_and_the_reference_does_not_calibrates_like_any_error():
    found = left_out({"a": [SampledVolume(0, 1, (0.5, 1.5))], "b": [SampledVolume(5, 5, (4, 6))]})
    assert found["b"][0] == Claim(3, 7, 0.5, 1)  # the score of a is 2


def test_a_subject_with_several_scans_counts_once_and_with_its_worst():
    volumes = {
        "a": [SampledVolume(5, 5, (4, 6)), SampledVolume(8, 5, (4, 6))],
        "b": [SampledVolume(5, 5, (4, 6))],
    }
    found = left_out(volumes)
    assert found["b"] == (Claim(2, 8, 0.5, 1),)
    assert found["a"] == (Claim(5, 5, 0.5, 1),) * 2


def test_of_subjects_that_calibrate_each_other_exactly_the_worst_lies_outside():
    """So leaving one out shows how wide the intervals are, and nothing of whether they hold elsewhere."""
    rng = np.random.default_rng(3)
    volumes = {str(number): [subject(rng)] for number in range(7)}
    found = left_out(volumes)
    outside = [name for name, (one,) in found.items() if one and not one.holds(volumes[name][0].reference_ml)]
    assert outside == [max(volumes, key=lambda name: volumes[name][0].score)]
