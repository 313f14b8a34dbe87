"""What one axis's matrices hold to, for every profile and any factor from 1 to 8."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samplings import samplings
from scipy import ndimage

from medsr.physics.ops.matrices import (
    SLICE_PROFILES,
    AxisSampling,
    cubic_matrix,
    kspace_matrix,
    profile_matrix,
    sample_centres,
)
from medsr.physics.profiles import box

COMPACT = tuple(name for name, entry in SLICE_PROFILES.items() if entry.has_width)


@given(samplings())
def test_rows_sum_to_1(axis):
    for kind in ("forward", "cubic", "linear", "nearest", "ibp"):
        np.testing.assert_allclose(axis.matrix(kind).sum(axis=1), 1.0, atol=1e-9)


@given(samplings(), st.floats(0.0, 10.0))
def test_the_ibp_estimate_keeps_constants_at_any_roughness(axis, roughness):
    np.testing.assert_allclose(axis.matrix("ibp", roughness).sum(axis=1), 1.0, atol=1e-9)


@given(samplings(), st.floats(1e-4, 10.0))
def test_roughness_lowers_the_noise_of_the_ibp_estimate(axis, roughness):
    smooth, plain = axis.matrix("ibp", roughness), axis.matrix("ibp")
    assert np.linalg.norm(smooth) <= np.linalg.norm(plain) * (1 + 1e-9)


@given(samplings())
def test_mirrored_scans_give_mirrored_results(axis):
    for kind in ("forward", "cubic", "linear", "ibp"):
        matrix = axis.matrix(kind)
        np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=1e-9)


@given(samplings())
def test_the_ibp_estimate_reproduces_what_was_measured(axis):
    np.testing.assert_allclose(axis.matrix("forward") @ axis.matrix("ibp"), np.eye(axis.n_coarse), atol=1e-8)


@given(samplings())
def test_eigenvectors_are_those_of_a_times_its_adjoint(axis):
    forward, vectors = axis.matrix("forward"), axis.matrix("from_eigen")
    np.testing.assert_allclose(vectors @ np.diag(axis.eigenvalues) @ vectors.T, forward @ forward.T, atol=1e-12)
    np.testing.assert_array_equal(axis.matrix("to_eigen"), vectors.T)
    np.testing.assert_array_equal(axis.matrix("adjoint"), forward.T)


@given(st.integers(1, 200), st.integers(1, 200))
def test_the_faces_of_the_field_of_view_stay_in_place(n_coarse, more):
    n_fine = n_coarse + more
    centres, spacing = sample_centres(n_fine, n_coarse), n_fine / n_coarse
    assert centres[0] - spacing / 2 == pytest.approx(-0.5, abs=1e-9)
    assert centres[-1] + spacing / 2 == pytest.approx(n_fine - 0.5, abs=1e-9)


@given(samplings(profiles=COMPACT))
def test_a_ramp_is_seen_at_the_coarse_centres(axis):
    centres = sample_centres(axis.n_fine, axis.n_coarse)
    seen = axis.matrix("forward") @ np.arange(axis.n_fine)
    reach = 1.5 * axis.fwhm  # 3.5 standard deviations of a Gaussian
    whole = (centres - reach > -0.5) & (centres + reach < axis.n_fine - 0.5)
    # the fine grid holds the ramp in steps of a voxel, which a box that cuts voxels sees up to 1/8 of a voxel askew
    np.testing.assert_allclose(seen[whole], centres[whole], atol=1 / (8 * axis.fwhm) + 1e-3)


@pytest.mark.parametrize("profile", COMPACT)
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8])
def test_a_ramp_is_seen_exactly_where_profiles_lie_symmetric_to_the_voxels(profile, factor):
    n_coarse = 12
    seen = SLICE_PROFILES[profile].matrix(factor * n_coarse, n_coarse, float(factor)) @ np.arange(factor * n_coarse)
    centres = sample_centres(factor * n_coarse, n_coarse)
    np.testing.assert_allclose(seen[3:-3], centres[3:-3], atol=1e-9)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_box_as_wide_as_its_spacing_takes_plain_means(factor):
    expected = np.kron(np.eye(7), np.full((1, factor), 1 / factor))
    np.testing.assert_allclose(profile_matrix(7 * factor, 7, box, float(factor)), expected, atol=1e-12)


@given(st.integers(2, 60))
def test_factor_1_in_k_space_changes_nothing(n):
    np.testing.assert_allclose(kspace_matrix(n, n), np.eye(n), atol=1e-12)


@given(st.integers(0, 20), st.integers(0, 60))
def test_odd_k_space_rows_are_orthogonal(half, more):
    n_coarse, n_fine = 2 * half + 1, 2 * half + 1 + more
    matrix = kspace_matrix(n_fine, n_coarse)
    assert matrix.dtype == np.float64
    np.testing.assert_allclose(matrix @ matrix.T, n_coarse / n_fine * np.eye(n_coarse), atol=1e-12)


@given(st.integers(3, 20), st.integers(0, 40), st.data())
def test_k_space_samples_waves_below_the_coarse_nyquist_exactly(n_coarse, more, data):
    n_fine = n_coarse + more
    cycles, phase = data.draw(st.integers(0, (n_coarse - 1) // 2)), data.draw(st.floats(0, 6.28))

    def wave(position):
        return np.cos(2 * np.pi * cycles * position / n_fine + phase)

    seen = kspace_matrix(n_fine, n_coarse) @ wave(np.arange(n_fine))
    np.testing.assert_allclose(seen, wave(sample_centres(n_fine, n_coarse)), atol=1e-9)


@given(st.integers(2, 40), st.integers(1, 5))
def test_nearest_repeats_samples(n_coarse, factor):
    axis = AxisSampling(n_coarse * factor, n_coarse, "box", float(factor))
    np.testing.assert_array_equal(axis.matrix("nearest"), np.kron(np.eye(n_coarse), np.ones((factor, 1))))


@pytest.mark.parametrize(("n_fine", "n_coarse"), [(80, 40), (100, 40), (90, 18)])
def test_cubic_interpolation_is_that_of_scipy_on_long_axes(n_fine, n_coarse):
    signal = np.random.default_rng(0).standard_normal(n_coarse)
    positions = (np.arange(n_fine) + 0.5) * n_coarse / n_fine - 0.5
    expected = ndimage.map_coordinates(signal, positions[None], order=3, mode="reflect")
    np.testing.assert_allclose(cubic_matrix(n_fine, n_coarse) @ signal, expected, atol=1e-12)


@pytest.mark.parametrize(("n_fine", "n_coarse", "fwhm"), [(4, 5, 1.0), (4, 0, 1.0), (4, 2, 0.0), (4, 2, float("nan"))])
def test_an_impossible_sampling_is_refused(n_fine, n_coarse, fwhm):
    with pytest.raises(ValueError, match="expected"):
        AxisSampling(n_fine, n_coarse, "gaussian", fwhm)
