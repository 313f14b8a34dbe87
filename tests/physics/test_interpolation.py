"""An axis that was interpolated is told from one that was not, and its samples are found again."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import noisy_head
from scipy import ndimage

from medsr.physics.interpolation import Interpolation, interpolation_of, moved

SCAN = np.asarray(noisy_head(0).data)
N = SCAN.shape[0]
DEGREES = (1, 3)


def interpolated(places, degree, data=SCAN):
    """The scan at places along its first axis, in samples, rounded as files hold it."""
    i, j, k = np.meshgrid(places, *(np.arange(n) for n in data.shape[1:]), indexing="ij")
    return np.round(ndimage.map_coordinates(data, [i, j, k], order=degree, mode="mirror")).astype(np.float32)


def corners_shared(factor):
    return (np.arange(N * factor) + 0.5) / factor - 0.5


def ends_shared(factor):
    return np.linspace(0, N - 1, N * factor)


def from_the_first(factor):
    return np.arange((N - 1) * factor + 1) / factor


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("factor", [2, 3, 5])
@pytest.mark.parametrize("grid", [corners_shared, ends_shared, from_the_first])
def test_it_is_recognised_wherever_its_samples_lie(grid, factor, degree):
    places = grid(factor)
    found = interpolation_of(interpolated(places, degree), 0)
    assert found is not None
    assert found.degree == degree
    assert found.step == pytest.approx(places[1] - places[0])
    assert found.first == pytest.approx(places[0] % 1)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_scan_that_was_cut_at_any_voxel_is_recognised(cut, degree):
    found = interpolation_of(interpolated(corners_shared(3), degree)[cut:-2], 0)
    assert found is not None
    assert found.first == pytest.approx((cut - 1) / 3 % 1)


@pytest.mark.parametrize("factor", [2.5, 3.6, 4.7, 9.3])
@pytest.mark.parametrize("first", [0.0, 0.37])
def test_linear_interpolation_by_any_factor_is_recognised(factor, first):
    data = np.concatenate([SCAN, SCAN[::-1]])
    places = np.arange(first, len(data) - 1, 1 / factor)
    stored = interpolated(places, 1, data)
    stored[-1] = 0.0  # as resampling fills what lies outside
    found = interpolation_of(stored, 0)
    assert found is not None
    assert found.degree == 1
    at = first + found.places(len(stored)) / factor
    np.testing.assert_allclose(at, np.round(at), atol=0.03)
    off = found.samples(stored) - data[np.round(at).astype(int)]
    assert np.sqrt(np.mean(off[2:-2] ** 2)) < 0.02 * np.ptp(data)


@pytest.mark.parametrize("factor", [8, 10, 12])
@pytest.mark.parametrize("grid", [corners_shared, ends_shared])
def test_the_fewest_samples_that_explain_an_axis_count(grid, factor):
    places = grid(factor)
    found = interpolation_of(interpolated(places, 1), 0)
    assert 1 / found.step == pytest.approx(1 / (places[1] - places[0]), rel=1e-3)
    assert len(found.places(len(places))) == N


@pytest.mark.parametrize(("factor", "degree", "offset"), [(3, 3, 100), (5, 1, 300)])
def test_what_a_program_fills_in_beyond_the_last_sample_does_not_count(factor, degree, offset):
    data = SCAN[10:40] + offset
    stored = interpolated(np.arange((len(data) - 1) * factor + 1) / factor, degree, data)
    filled = np.concatenate([stored, np.zeros((factor - 1, *stored.shape[1:]), np.float32)])
    assert interpolation_of(filled, 0) == interpolation_of(stored, 0) == Interpolation(degree, 0.0, 1 / factor)


@pytest.mark.parametrize("axis", range(3))
def test_only_the_axis_that_was_interpolated_is_named(axis):
    stored = np.moveaxis(interpolated(corners_shared(2), 1), 0, axis)
    assert [interpolation_of(stored, other) is not None for other in range(3)] == [other == axis for other in range(3)]


def spikes_near_an_end(data):
    """Nothing but a slice that lies among the ends that don't count."""
    changed = np.zeros_like(data)
    changed[10] = data[20]
    return changed


def bends_far_and_near(data):
    """Straight but for bends that follow each other after 3 and 10 voxels in turn."""
    bends = np.cumsum([0, *[10, 3] * 6, 10, 8])
    values = np.random.default_rng(0).normal(scale=100, size=(len(bends), 20))
    lines = [np.interp(np.arange(bends[-1] + 1), bends, one) for one in values.T]
    return np.transpose(lines)[:, :, None]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: ndimage.gaussian_filter(data, 0.6),
        lambda data: np.round(data / 8),
        lambda data: np.full_like(data, 100),
        lambda data: data[:15],
        lambda data: np.repeat(data, 2, axis=0),
        lambda data: data[:2],
        lambda data: 1e30 * data,
        spikes_near_an_end,
        bends_far_and_near,
    ],
)
def test_other_scans_are_not(change):
    assert interpolation_of(np.asarray(change(SCAN), np.float32), 0) is None


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("factor", [2, 5])
@pytest.mark.parametrize("grid", [corners_shared, ends_shared, from_the_first])
def test_samples_are_found_as_they_were_and_where_they_were(grid, factor, degree):
    places = grid(factor)
    found = interpolation_of(interpolated(places, degree), 0)
    at = places[0] + (places[1] - places[0]) * found.places(len(places))
    np.testing.assert_allclose(at, np.arange(N), atol=1e-9)
    samples = found.samples(interpolated(places, degree))
    assert np.abs(samples - SCAN)[2:-2].max() < 2  # what rounding leaves


@pytest.mark.parametrize(("first", "expected"), [(0.4, 0.0), (0.6, 1.0), (0.5, 1.0)])
def test_samples_whose_extent_holds_no_voxel_are_left_out(first, expected):
    found = Interpolation(1, first, 0.2)
    assert first + 0.2 * found.places(20)[0] == pytest.approx(expected)
    mirrored = Interpolation(1, 1 - (first + 0.2 * 19) % 1, 0.2)
    assert len(found.places(20)) == len(mirrored.places(20))


def test_samples_are_moved_as_waves_go_on():
    def wave(x):
        return np.cos(np.pi * 20 * (x + 0.5) / 64)

    places = np.linspace(-0.5, 63.5, 50)
    np.testing.assert_allclose(moved(wave(np.arange(64.0)), places), wave(places), atol=1e-12)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("degree", DEGREES)
def test_of_a_dozen_samples_none_is_lost(degree, factor):
    places = (np.arange(12 * factor) + 0.5) / factor - 0.5
    found = interpolation_of(interpolated(places, degree, SCAN[32:44]), 0)
    assert found is not None
    assert found.step == pytest.approx(1 / factor)
