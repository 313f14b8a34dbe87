"""Laws of the random degradation parameters of a training patch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.model.spec import Envelope
from medsr.physics.ops import PROFILES
from medsr.training.degradations import (
    FULL_SEVERAL,
    FULL_THICKEST_MM,
    LARGEST_FACTOR,
    LESION_MM,
    LESION_SHARE,
    MAX_MARGIN,
    MOST_LESIONS,
    PROFILE_SHARES,
    AxisParameters,
    ScannerParameters,
    sample_contrast,
    sample_lesions,
    sample_scanner,
    sample_symmetry,
)

SEEDS = st.integers(0, 2**32)
SPACINGS = st.tuples(*[st.floats(0.3, 6.0)] * 3)
FLAGS = st.tuples(*[st.booleans()] * 3).filter(any)
MM, ALL = (1.0, 1.0, 1.0), (True, True, True)


def many(sample, count=3000):
    return [sample(np.random.default_rng(seed)) for seed in range(count)]


@given(SEEDS, SPACINGS, FLAGS, st.floats(0, 1))
def test_a_random_scanner_is_one_that_can_be_built(seed, spacing, degradable, variety):
    scanner = sample_scanner(np.random.default_rng(seed), spacing, degradable, variety)
    chosen = [axis for axis in scanner.axes if axis is not None]
    assert 1 <= len(chosen) <= sum(degradable)
    assert all(allowed or axis is None for axis, allowed in zip(scanner.axes, degradable, strict=True))
    assert 0 <= scanner.noise_sigma <= 0.05
    for axis in chosen:
        assert 1.3 <= axis.factor <= LARGEST_FACTOR
        assert 0.6 <= axis.width <= 1.5
        assert axis.profile in PROFILES
        assert 0 < axis.margin <= MAX_MARGIN
        assert axis.profile != "kspace" or axis.width == 1
    op = scanner.operator((40, 41, 42))
    for axis, parameters, n in zip(op.axes, scanner.axes, (40, 41, 42), strict=True):
        assert (axis is None) == (parameters is None)
        if axis is not None:
            assert (axis.n_fine, axis.n_coarse, axis.profile) == (n, round(n / parameters.factor), parameters.profile)
            assert axis.fwhm == pytest.approx(parameters.width * n / axis.n_coarse)


def test_the_full_range_is_what_the_model_card_claims():
    limits = Envelope()
    assert (limits.max_coarse_mm, limits.max_factor_several) == (FULL_THICKEST_MM, FULL_SEVERAL)
    assert limits.max_factor == LARGEST_FACTOR
    sampled = many(lambda rng: sample_scanner(rng, (0.5, 0.5, 0.5), ALL, 1.0, full_range=True))
    single, several = (
        [
            axis.factor
            for one in sampled
            if (sum(a is not None for a in one.axes) == 1) == alone
            for axis in one.axes
            if axis
        ]
        for alone in (True, False)
    )
    assert 5.8 < max(several) <= FULL_SEVERAL
    assert max(single) == LARGEST_FACTOR
    coarse = many(lambda rng: sample_scanner(rng, (1.5, 1.5, 1.5), ALL, 1.0, True, full_range=True))
    thickest = max(1.5 * axis.factor for one in coarse for axis in one.axes if axis)
    assert 7.2 < thickest <= FULL_THICKEST_MM


@given(SEEDS, SPACINGS, FLAGS)
def test_without_variety_there_is_the_simplest_task_alone(seed, spacing, degradable):
    scanner = sample_scanner(np.random.default_rng(seed), spacing, degradable, 0.0)
    simplest = AxisParameters(2.0, "gaussian", 1.0)
    assert scanner == ScannerParameters(tuple(simplest if allowed else None for allowed in degradable), 0.0)


@given(SEEDS)
def test_the_same_generator_gives_the_same_parameters(seed):
    ours, theirs = (np.random.default_rng(seed) for _ in range(2))
    assert sample_scanner(ours, MM, ALL, 0.7) == sample_scanner(theirs, MM, ALL, 0.7)
    assert sample_contrast(ours, "MR") == sample_contrast(theirs, "MR")
    assert sample_symmetry(ours) == sample_symmetry(theirs)


def test_with_variety_everything_that_is_promised_occurs():
    sampled = many(lambda rng: sample_scanner(rng, MM, ALL, 1.0))
    axes = [axis for scanner in sampled for axis in scanner.axes if axis is not None]
    assert {axis.profile for axis in axes} == set(PROFILES) == set(PROFILE_SHARES)
    assert {sum(axis is not None for axis in scanner.axes) for scanner in sampled} == {1, 2, 3}
    factors = [axis.factor for axis in axes]
    assert min(factors) < 1.5
    assert max(factors) > 6
    assert 0.2 < np.mean([scanner.noise_sigma > 0 for scanner in sampled]) < 0.8
    assert sum(PROFILE_SHARES.values()) == pytest.approx(1)
    for number in range(3):  # no axis is preferred where all are alike
        assert np.mean([scanner.axes[number] is not None for scanner in sampled]) == pytest.approx(0.67, abs=0.1)


def test_variety_is_the_share_of_other_tasks():
    simplest = [
        scanner == sample_scanner(np.random.default_rng(0), MM, ALL, 0.0)
        for scanner in many(lambda r: sample_scanner(r, MM, ALL, 0.3))
    ]
    assert 0.7 <= np.mean(simplest) < 0.85


@given(SEEDS, st.sampled_from(("MR", "CT")))
def test_contrast_changes_are_bounded_and_ct_keeps_its_order(seed, modality):
    change = sample_contrast(np.random.default_rng(seed), modality)
    assert 0.3 < change.power < 3
    assert 0.3 < abs(change.gain) < 3
    assert abs(change.offset) < 3
    if modality == "CT":
        assert change.power == 1
        assert change.gain > 0


def test_some_mr_scans_are_inverted_and_still_lie_in_the_model_range():
    sampled = many(lambda rng: sample_contrast(rng, "MR"))
    inverted = [change for change in sampled if change.gain < 0]
    assert 0.02 < len(inverted) / len(sampled) < 0.25
    dark = [change.gain * 1.0 + change.offset for change in inverted]
    assert np.mean(dark) == pytest.approx(0, abs=0.03)  # what was bright is dark


def test_lesions_are_planted_in_their_share_of_patches_brighter_and_darker_alike():
    sampled = many(lambda rng: sample_lesions(rng, 1.0))
    assert np.mean([bool(lesions) for lesions in sampled]) == pytest.approx(LESION_SHARE, abs=0.03)
    assert {len(lesions) for lesions in sampled} == set(range(MOST_LESIONS + 1))
    lesions = [lesion for some in sampled for lesion in some]
    assert np.mean([lesion.height > 0 for lesion in lesions]) == pytest.approx(0.5, abs=0.05)
    sizes = [size for lesion in lesions for size in lesion.axes_mm]
    assert LESION_MM[0] * 0.8 <= min(sizes) < 2
    assert 8 < max(sizes) <= LESION_MM[1] * 1.25


def test_without_variety_nothing_is_planted():
    assert not any(many(lambda rng: sample_lesions(rng, 0.0), 300))


def test_all_symmetries_of_the_cube_are_equally_likely():
    sampled = many(sample_symmetry, 4800)
    counts = {turn: sampled.count(turn) for turn in set(sampled)}
    assert len(counts) == 48
    assert min(counts.values()) > 50


@pytest.mark.parametrize(("factor", "margin"), [(1.3, 5), (2.0, 6), (4.0, 10), (12.0, MAX_MARGIN)])
def test_margins_hold_two_low_resolution_voxels(factor, margin):
    assert AxisParameters(factor, "gaussian", 1.0).margin == margin


def test_an_axis_too_short_for_its_factor_is_left_alone():
    assert ScannerParameters((AxisParameters(1.3, "box", 1.0), None, None), 0.0).operator((1, 5, 5)).axes == (
        None,
        None,
        None,
    )
