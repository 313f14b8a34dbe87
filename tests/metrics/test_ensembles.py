"""What samples say together: scores against definitions, scipy and samples that are right or wrong by design."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, stats

from medsr.metrics.ensembles import block_coverage, blocks, energy_score, histogram_distance, power_ratio_of_samples
from medsr.metrics.sharpness import high_frequency_power_ratio
from medsr.metrics.uncertainty import crps_of_samples

EVERYWHERE = np.ones((24, 20, 16), dtype=bool)
LARGE = np.ones((48, 48, 48), dtype=bool)


def smooth(n: int, shape: tuple[int, ...] = EVERYWHERE.shape, seed: int = 0) -> np.ndarray:
    """Fields of unit variance whose neighbours go together, (n, I, J, K)."""
    found = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal((n, *shape)), (0, 1.5, 1.5, 1.5), mode="wrap"
    )
    return found / found.std()


def test_blocks_are_the_whole_cubes_of_the_mask_and_nothing_else():
    x = np.arange(9 * 8 * 5).reshape(9, 8, 5)
    mask = np.ones(x.shape, dtype=bool)
    mask[0, 0, 0] = False
    found = blocks(x, mask)
    assert found.shape == (3, 64)
    np.testing.assert_array_equal(np.sort(found[0]), np.sort(x[0:4, 4:8, 0:4].ravel()))
    np.testing.assert_array_equal(blocks(np.stack([x, -x]), mask)[1], -found)


def test_without_a_block_there_is_no_number():
    x = smooth(3, (6, 6, 3))
    mask = np.ones((6, 6, 3), dtype=bool)
    assert math.isnan(energy_score(x[1:], x[0], mask))
    assert math.isnan(block_coverage(x[1:], 0 * x[0], x[0], mask, 0.9))


@given(st.integers(2, 6), st.integers(0, 100))
def test_the_energy_score_is_its_definition(m, seed):
    rng = np.random.default_rng(seed)
    samples, truth = rng.standard_normal((m, 4, 4, 4)), rng.standard_normal((4, 4, 4))
    near = np.mean([np.linalg.norm(one - truth) for one in samples])
    apart = sum(np.linalg.norm(a - b) for a in samples for b in samples) / (2 * m * (m - 1))
    everywhere = np.ones((4, 4, 4), dtype=bool)
    assert energy_score(samples, truth, everywhere) == pytest.approx((near - apart) / 8)


def test_where_all_voxels_of_a_block_are_alike_the_energy_score_is_the_crps():
    rng = np.random.default_rng(0)
    values, truth = rng.standard_normal((5, 6, 5, 4)), rng.standard_normal((6, 5, 4))
    wide, true = (np.kron(x, np.ones((4, 4, 4))) for x in (values, truth))
    assert energy_score(wide, true, EVERYWHERE) == pytest.approx(crps_of_samples(values.reshape(5, -1), truth.ravel()))


@pytest.mark.parametrize("m", [2, 16])
def test_few_samples_score_like_many(m):
    """The fair score does not depend on how many samples there are."""
    fields = smooth(17, LARGE.shape)
    found = energy_score(fields[1 : m + 1], fields[0], LARGE)
    assert found == pytest.approx(energy_score(fields[1:9], fields[0], LARGE), rel=0.05)


@pytest.mark.parametrize("wrong", [0.5, 2.0])
def test_samples_of_the_truth_s_own_distribution_score_best(wrong):
    fields = smooth(9, LARGE.shape)
    right = energy_score(fields[1:], fields[0], LARGE)
    assert right < 0.95 * energy_score(wrong * fields[1:], fields[0], LARGE)
    assert right < 0.95 * energy_score(fields[1:] + 0.5, fields[0], LARGE)
    shuffled = np.random.default_rng(1).permuted(fields[1:].reshape(8, -1), axis=1).reshape(fields[1:].shape)
    assert right < 0.99 * energy_score(shuffled, fields[0], LARGE)  # the same histogram, no neighbours


def test_balanced_samples_score_like_independent_ones():
    """Samples whose sum is zero lie farther apart than independent ones, which a fair score would take for merit."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((60, 60, 60))
    free = rng.standard_normal((8, 60, 60, 60))
    balanced = (free - free.mean(axis=0)) * math.sqrt(8 / 7)
    everywhere = np.ones(truth.shape, dtype=bool)
    spread = math.sqrt(8 / 7)
    scores = energy_score(balanced, truth, everywhere, spread), energy_score(free, truth, everywhere)
    assert scores[0] == pytest.approx(scores[1], rel=0.01)
    assert energy_score(balanced, truth, everywhere) < 0.95 * scores[1]
    flat = crps_of_samples(balanced.reshape(8, -1), truth.ravel(), spread)
    assert flat == pytest.approx(1 / math.sqrt(math.pi), rel=0.01)


@pytest.mark.parametrize("m", [2, 8])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_means_of_blocks_are_covered_as_stated_however_few_samples_there_are(m, level):
    truth, *fields = smooth(m + 1, (96, 96, 64))
    everywhere = np.ones((96, 96, 64), dtype=bool)
    balanced = (fields - np.mean(fields, axis=0)) * math.sqrt(m / (m - 1))
    found = block_coverage(balanced, np.zeros((96, 96, 64)), truth, everywhere, level)
    assert found == pytest.approx(level, abs=0.03)


def test_white_noise_of_the_right_size_misses_the_means_of_blocks():
    fields = smooth(9)
    white = np.random.default_rng(1).standard_normal(fields[1:].shape)
    assert block_coverage(white, 0 * fields[0], fields[0], EVERYWHERE, 0.9) < 0.4


@given(st.integers(0, 20))
def test_the_distance_of_histograms_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    samples, truth = rng.standard_normal((3, 5, 6, 7)), rng.gamma(2, 1, (5, 6, 7))
    mask = rng.random((5, 6, 7)) < 0.7
    expected = np.mean([stats.wasserstein_distance(one[mask], truth[mask]) for one in samples])
    assert histogram_distance(samples, truth, mask) == pytest.approx(expected)


def test_a_shift_moves_the_histogram_by_itself_and_a_shuffle_does_not():
    truth = smooth(1)[0]
    assert histogram_distance(truth[None] + 0.25, truth, EVERYWHERE) == pytest.approx(0.25)
    assert histogram_distance(truth[None, ::-1], truth, EVERYWHERE) == 0


def test_the_power_of_samples_is_that_of_each_on_average():
    truth, *samples = smooth(4)
    ratios = [high_frequency_power_ratio(one, truth, (0, 2), EVERYWHERE) for one in samples]
    assert power_ratio_of_samples(np.stack(samples), truth, (0, 2), EVERYWHERE) == pytest.approx(np.mean(ratios))
