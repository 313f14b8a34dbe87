"""What a slice profile's integral holds to."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.physics.ops.matrices import SLICE_PROFILES
from medsr.physics.profiles import PROFILES, TRAPEZOID_RAMP, Profile

COMPACT = [name for name, entry in SLICE_PROFILES.items() if entry.has_width]
profiles = st.sampled_from(COMPACT)
widths = st.floats(0.1, 20.0)


def test_the_table_lists_every_profile():
    assert get_args(Profile) == PROFILES == tuple(SLICE_PROFILES)


def cumulative(name, u, fwhm):
    return SLICE_PROFILES[name].integral(u, fwhm)


@given(profiles, widths)
def test_it_climbs_from_0_to_1(profile, fwhm):
    u = np.linspace(-4, 4, 401) * fwhm
    values = cumulative(profile, u, fwhm)
    assert np.all(np.diff(values) >= -1e-12)
    np.testing.assert_allclose(values[[0, -1]], [0, 1], atol=1e-12)


@given(profiles, widths, st.floats(-3, 3))
def test_it_is_symmetric_about_the_centre(profile, fwhm, u):
    left, right = cumulative(profile, np.array([-u, u]) * fwhm, fwhm)
    assert left + right == pytest.approx(1, abs=1e-12)


@given(profiles, widths, st.floats(-3, 3))
def test_only_distance_over_width_counts(profile, fwhm, u):
    stretched, unit = cumulative(profile, np.array([u * fwhm]), fwhm), cumulative(profile, np.array([u]), 1.0)
    np.testing.assert_allclose(stretched, unit, atol=1e-12)


@given(st.sampled_from(["gaussian", "trapezoid"]), widths)
def test_at_half_the_width_it_is_half_as_high(profile, fwhm):
    step = 1e-5 * fwhm
    height = [
        np.diff(cumulative(profile, np.array([u - step, u + step]), fwhm))[0] / (2 * step) for u in (0.0, fwhm / 2)
    ]
    assert height[1] == pytest.approx(height[0] / 2, rel=1e-4)


@pytest.mark.parametrize(("profile", "half_base"), [("box", 0.5), ("trapezoid", 0.5 + TRAPEZOID_RAMP / 2)])
def test_compact_profiles_end_where_they_should(profile, half_base):
    inside, end = np.array([half_base - 1e-3]), np.array([half_base])
    assert cumulative(profile, inside, 1.0)[0] < 1
    assert cumulative(profile, end, 1.0)[0] == pytest.approx(1, abs=1e-12)


def test_the_ramps_of_a_trapezoid_are_a_fifth_of_its_width():
    """Flat to 0.4 of the width from the centre, half as high at 0.5, nothing from 0.6 on."""
    edges = np.array([0.0, 0.1, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7])
    areas = np.diff(cumulative("trapezoid", edges, 1.0))
    np.testing.assert_allclose(areas, [0.1, 0.2, 0.1, 0.04375, 0.03125, 0.01875, 0.00625, 0.0], atol=1e-12)
