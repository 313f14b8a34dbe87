"""What is assumed of a scan that says little: nothing that could harm it, and where each part came from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from phantoms import affine, blank

from medsr.physics.acquisition import acquisition_of
from medsr.physics.assumption import Assumed, assumed_of, told_of

ISOTROPIC = blank((20, 20, 20), affine((1.0, 1.0, 1.1)))
SLICES = blank((20, 20, 6), affine((1.0, 1.0, 4.0)))
IN_K_SPACE = Assumed("kspace", None, "default", None)


def test_an_isotropic_scan_was_sampled_in_k_space():
    assert assumed_of(ISOTROPIC) == (IN_K_SPACE,) * 3


def test_slices_have_a_profile_as_wide_as_they_are_far_apart():
    assert assumed_of(SLICES) == (IN_K_SPACE, IN_K_SPACE, Assumed("trapezoid", 4.0, "default", "default"))


@pytest.mark.parametrize(
    ("told_mm", "header_mm", "expected"), [(None, 3.0, (3.0, "header")), (5.0, 3.0, (5.0, "told"))]
)
def test_a_thickness_counts_before_the_distance_and_that_of_the_user_before_the_header(told_mm, header_mm, expected):
    across = assumed_of(replace(SLICES, thickness_mm=header_mm), told_mm)[2]
    assert (across.fwhm_mm, across.fwhm_from) == expected
    assert told_of(replace(SLICES, thickness_mm=header_mm), "box", told_mm)[2] == Assumed(
        "box", expected[0], "told", expected[1]
    )


def test_the_header_tells_slices_from_a_slab():
    assert assumed_of(replace(SLICES, acquisition_type="3D")) == (Assumed("kspace", None, "header", None),) * 3
    across = assumed_of(replace(ISOTROPIC, acquisition_type="2D", slice_axis=1))
    assert [one.profile for one in across] == ["kspace", "trapezoid", "kspace"]


def test_a_thickness_that_a_user_tells_is_never_ignored():
    assert assumed_of(ISOTROPIC, 2.0)[2] == Assumed("trapezoid", 2.0, "default", "told")


def test_a_profile_that_a_user_tells_holds_for_every_axis():
    assert told_of(SLICES, "kspace") == (Assumed("kspace", None, "told", None),) * 3
    assert [one.fwhm_mm for one in told_of(SLICES, "gaussian")] == [1.0, 1.0, 4.0]
    assert [one.text for one in told_of(SLICES, "box", 3.0)] == [
        "box (told) of 1 mm (default)",
        "box (told) of 1 mm (default)",
        "box (told) of 3 mm (told)",
    ]


def test_the_operator_takes_what_is_assumed_of_the_axes_that_it_degrades():
    acquisition = acquisition_of(replace(SLICES, thickness_mm=3.0), factors=(2, 1, 4))
    assert acquisition.assumed == (IN_K_SPACE, None, Assumed("trapezoid", 3.0, "default", "header"))
    in_plane, none, across = acquisition.op.axes
    assert (in_plane.profile, none, across.profile, across.fwhm) == ("kspace", None, "trapezoid", pytest.approx(3.0))
