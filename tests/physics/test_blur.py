"""The blur of a scan of steps is found again, with noise and without, along every axis."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsr.physics.blur import ANATOMY_FWHM, WIDTHS, own_fwhm, slice_fwhm, step_fwhm, upper_band
from medsr.physics.ops.matrices import kspace_matrix, profile_matrix
from medsr.physics.profiles import box, gaussian

FINER = 8


def steps(n: int, lines: int, seed: int = 0) -> np.ndarray:
    """Lines (lines, lines, n * FINER) of random steps."""
    rng = np.random.default_rng(seed)
    jumps = np.where(rng.random((lines, lines, n * FINER)) < 0.5 / FINER, rng.normal(size=(lines, lines, n * FINER)), 0)
    return np.cumsum(jumps, axis=-1)


def seen(width: float, axis: int, integral=gaussian) -> np.ndarray:
    """Steps along one axis, sampled by a profile `width` samples wide."""
    matrix = profile_matrix(64 * FINER, 64, integral, width * FINER)
    return np.moveaxis(steps(64, 24) @ matrix.T, -1, axis).astype(np.float32)


def blobs(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Blobs of a few values with sharp borders, alike along every axis."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return np.digitize(ndimage.gaussian_filter(noise, 4.0, mode="wrap") * 30, [-1.0, 0.0, 1.0]).astype(float)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("width", [0.8, 1.0, 1.4, 1.8])
def test_the_width_that_steps_were_seen_through_is_found(width, axis):
    assert step_fwhm(seen(width, axis), axis, 0.0) == pytest.approx(width, abs=0.08)


@pytest.mark.parametrize("width", [1.0, 1.4])
def test_noise_that_is_known_changes_nothing(width):
    data = seen(width, 2)
    noise = 0.1 * float(np.std(np.diff(data, n=3)))
    noisy = data + np.random.default_rng(1).normal(0, noise, data.shape).astype(np.float32)
    assert step_fwhm(noisy, 2, noise) == pytest.approx(step_fwhm(data, 2, 0.0), abs=0.05)
    assert step_fwhm(noisy, 2, 0.0) < step_fwhm(data, 2, 0.0) - 0.05


def test_nothing_is_said_where_noise_hides_it_or_the_axis_is_short():
    data = seen(1.0, 2)
    noisy = data + np.random.default_rng(1).normal(0, 1.0, data.shape).astype(np.float32)
    assert step_fwhm(noisy, 2, 1.0) is None
    assert step_fwhm(data[..., :6], 2, 0.0) is None


def test_the_scanner_and_anatomy_add_up_as_variances():
    assert own_fwhm(ANATOMY_FWHM) == 0.0
    assert own_fwhm(0.1) == 0.0
    assert own_fwhm(np.hypot(ANATOMY_FWHM, 1.2)) == pytest.approx(1.2)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("width", [0.7, 1.0, 1.4, 1.8])
def test_the_width_of_slices_is_the_one_at_which_their_plane_looks_alike(width, axis):
    fine = blobs((120, 120, 120))
    matrix = profile_matrix(120, 24, gaussian, 5 * width)
    thick = np.moveaxis(np.tensordot(matrix, fine, (1, axis)), 0, axis).astype(np.float32)
    spacing = [5.0 if other == axis else 1.0 for other in range(3)]
    others = [other for other in range(3) if other != axis]
    assert slice_fwhm(thick, axis, spacing, others, 0.0) == pytest.approx((width, width), abs=0.2)


def test_slices_that_are_blurred_beyond_every_width_give_the_widest():
    fine = blobs((120, 120, 120))
    thick = np.tensordot(fine, profile_matrix(120, 24, gaussian, 20.0), (2, 1)).astype(np.float32)
    assert slice_fwhm(thick, 2, [1.0, 1.0, 5.0], (0, 1), 0.0) == pytest.approx((WIDTHS[-1], WIDTHS[-1]))


def test_a_box_is_found_as_the_gaussian_of_its_variance():
    fine = blobs((120, 120, 120), seed=1)
    thick = np.tensordot(fine, profile_matrix(120, 24, box, 5.0), (2, 1)).astype(np.float32)
    assert slice_fwhm(thick, 2, [1.0, 1.0, 5.0], (0, 1), 0.0) == pytest.approx((0.68, 0.68), abs=0.2)
    narrow = np.tensordot(fine, kspace_matrix(120, 24), (2, 1)).astype(np.float32)
    assert max(slice_fwhm(narrow, 2, [1.0, 1.0, 5.0], (0, 1), 0.0)) < 0.68


def test_anatomy_softer_along_one_axis_of_the_plane_gives_two_answers():
    fine = ndimage.gaussian_filter(blobs((120, 120, 120)).astype(float), (0, 2.0, 0))
    thick = np.tensordot(fine, profile_matrix(120, 24, gaussian, 5.0), (2, 1)).astype(np.float32)
    of_sharp, of_soft = (slice_fwhm(thick, 2, [1.0, 1.0, 5.0], (axis,), 0.0) for axis in (0, 1))
    assert of_soft[0] < of_sharp[0] - 0.1
    assert slice_fwhm(thick, 2, [1.0, 1.0, 5.0], (0, 1), 0.0) == (of_soft[0], of_sharp[0])


def test_a_few_slices_tell_nothing():
    assert slice_fwhm(blobs((40, 40, 6)).astype(np.float32), 2, [1.0, 1.0, 5.0], (0, 1), 0.0) is None


@pytest.mark.parametrize(("share", "is_known"), [(0.45, True), (0.55, False)])
def test_noise_may_make_up_half_of_the_finest_differences(share, is_known):
    data = seen(1.0, 2)
    noise = np.sqrt(share * np.mean(np.diff(data.astype(float), n=3) ** 2) / 20)
    assert (step_fwhm(data, 2, float(noise)) is not None) == is_known


def test_half_of_the_spectrum_of_an_interpolated_scan_is_empty():
    rng = np.random.default_rng(0)
    sharp = rng.normal(0, 1, (40, 42, 44)).astype(np.float32)
    for axis in range(3):
        assert upper_band(sharp, axis) > 0.5
        zoom = [2 if one == axis else 1 for one in range(3)]
        finer = ndimage.zoom(sharp, zoom, order=3, mode="grid-constant", grid_mode=True)
        assert upper_band(finer, axis) < 0.05
        assert upper_band(finer, (axis + 1) % 3) > 0.5
    assert upper_band(np.zeros((20, 20, 20), np.float32), 0) == 1.0


@pytest.mark.parametrize("n", [32, 42, 54])
def test_the_bands_are_those_of_a_fourier_transform(n):
    data = np.random.default_rng(n).normal(0, 1, (9, n, 8)).astype(np.float32)
    lines = np.diff(data.astype(np.float64), axis=1) * np.hanning(n - 1)[:, None]
    power = np.mean(np.abs(np.fft.rfft(lines, axis=1)) ** 2, axis=(0, 2))
    near, half, quarter = (round(share * (power.size - 1)) for share in (0.6, 0.5, 0.25))
    expected = power[near:].mean() / power[quarter : half + 1].mean()
    assert upper_band(data, 1) == pytest.approx(expected, rel=1e-6)  # real values are hardly rounded


def test_rounding_fills_no_empty_half_of_a_spectrum():
    rng = np.random.default_rng(0)
    soft = ndimage.gaussian_filter(rng.normal(0, 1, (40, 40, 40)), 1.0)
    finer = 12 * ndimage.zoom(soft, 2, order=3, mode="grid-constant", grid_mode=True)
    rounded = np.rint(finer)
    for axis in range(3):
        assert upper_band(finer.astype(np.float32), axis) < 0.005
        assert upper_band(rounded.astype(np.float32), axis) < 0.01
        noisy = finer + rng.normal(0, np.sqrt(1 / 12), finer.shape)
        assert upper_band(noisy.astype(np.float32), axis) > 0.02
