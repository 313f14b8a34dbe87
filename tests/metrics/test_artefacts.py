"""Shifts that are known, and combs that were put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import head
from scipy import ndimage

from medsr.metrics.artefacts import LEAST_COMB, comb_ratio, shift_mm, slice_comb

SPACING = (1.0, 0.8, 1.5)
PHANTOM = head((40, 44, 30), SPACING).data.astype(np.float64)


def texture(shape=(48, 40, 60)) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), 1.0)


@settings(max_examples=8)
@given(st.tuples(*[st.floats(-1.5, 1.5)] * 3))
def test_a_shift_is_found_to_a_tenth_of_a_voxel(voxels):
    waves = ndimage.fourier_shift(np.fft.fftn(PHANTOM), voxels)
    found = shift_mm(np.fft.ifftn(waves).real, PHANTOM, SPACING)
    np.testing.assert_allclose(found, np.multiply(voxels, SPACING), atol=0.1 * max(SPACING))


def test_a_whole_voxel_is_found_and_equal_scans_are_not_shifted():
    x = texture()
    np.testing.assert_allclose(shift_mm(np.roll(x, 2, axis=1), x, SPACING), (0, 1.6, 0), atol=0.05)
    np.testing.assert_allclose(shift_mm(x, x, SPACING), 0, atol=1e-9)


@pytest.mark.parametrize(("axis", "n_coarse"), [(0, 24), (0, 12), (1, 8), (2, 12), (2, 13)])
def test_a_comb_in_step_with_the_slices_shows_along_its_axis_alone(axis, n_coarse):
    x = texture()
    n = x.shape[axis]
    comb = np.cos(2 * np.pi * np.arange(n) * n_coarse / n).reshape([-1 if k == axis else 1 for k in range(3)])
    combed = x + 0.3 * comb
    others = [k for k in range(3) if k != axis]
    assert slice_comb(combed, axis, n_coarse) > 20 * slice_comb(x, axis, n_coarse)
    for other in others:
        assert slice_comb(combed, other, n_coarse) == pytest.approx(slice_comb(x, other, n_coarse), rel=0.5)


def test_texture_without_a_comb_is_about_1():
    values = [slice_comb(texture(), axis, n) for axis in range(3) for n in (10, 12, 15)]
    assert 0.5 < np.median(values) < 2


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_unit_and_offset_go_out(factor, offset):
    x = texture((24, 20, 30))
    assert slice_comb(factor * x + offset, 2, 10) == pytest.approx(slice_comb(x, 2, 10), rel=1e-3)


def test_a_scan_without_any_contrast_has_no_comb():
    assert slice_comb(np.full((12, 12, 12), 3.0), 0, 4) == pytest.approx(1)


def test_a_reference_without_power_at_the_frequency_of_the_slices_makes_no_comb_of_a_trifle():
    """A scan that mirrors itself has nothing at the highest frequency: 5.7e12 was measured over it."""
    mirrored = texture((24, 20, 30))
    mirrored = mirrored + mirrored[:, :, ::-1]
    assert slice_comb(mirrored, 2, 15) < 1e-10
    noisy = mirrored + 0.01 * np.random.default_rng(1).standard_normal(mirrored.shape)
    assert comb_ratio(mirrored, mirrored, 2, 15) == 1
    assert comb_ratio(noisy, mirrored, 2, 15) == pytest.approx(1 + slice_comb(noisy, 2, 15) / LEAST_COMB, rel=1e-6)
    assert comb_ratio(noisy, mirrored, 2, 15) < 100


def test_over_an_ordinary_reference_the_comb_of_a_result_is_divided_by_its_own():
    reference, x = texture((24, 20, 30)), texture((24, 20, 30)) ** 2
    expected = slice_comb(x, 1, 10) / slice_comb(reference, 1, 10)
    assert comb_ratio(x, reference, 1, 10) == pytest.approx(expected, rel=1e-12)
    assert comb_ratio(np.zeros_like(x), np.zeros_like(x), 1, 10) == 1


@pytest.mark.filterwarnings("error")
def test_a_scan_too_thin_for_neighbours_has_no_comb():
    x = np.random.default_rng(0).normal(size=(24, 24, 4)).astype(np.float32)
    assert np.isnan(comb_ratio(x, x, 2, 2))
    assert comb_ratio(x, x, 0, 12) == 1
