"""What is assumed of a scan that says little: nothing that could harm it, and where each part came from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import affine, blank
from scipy import ndimage

from medsr.physics import assumption
from medsr.physics.acquisition import acquisition_of
from medsr.physics.assumption import (
    CAUTION,
    WIDEST,
    Assumed,
    assumed_from_voxels,
    assumed_of,
    header_said,
    narrowed,
    softness_said,
    told_of,
    white_noise,
)
from medsr.physics.blur import slice_fwhm
from medsr.physics.ops import AxisSampling, Separable
from medsr.record import assumption_text
from medsr.volume import Volume

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


def test_a_ct_section_is_wider_than_it_is_called_unless_the_user_tells_its_width():
    sections = replace(SLICES, modality="CT")
    assert assumed_of(sections)[2] == Assumed("trapezoid", pytest.approx(4.4), "default", "default")
    assert assumed_of(replace(sections, thickness_mm=3.0))[2].fwhm_mm == pytest.approx(3.3)
    assert assumed_of(sections, 3.0)[2].fwhm_mm == 3.0
    assert assumed_of(sections)[0] == IN_K_SPACE


@pytest.mark.parametrize("header_mm", [25.0, 0.0, -1.0])
def test_a_thickness_that_cant_be_is_not_believed_and_said(header_mm):
    scan = replace(SLICES, thickness_mm=header_mm)
    assert assumed_of(scan)[2] == Assumed("trapezoid", 4.0, "default", "default")
    (said,) = header_said(scan)
    assert f"{header_mm:g} mm thick every 4 mm" in said
    assert header_said(replace(SLICES, thickness_mm=16.0)) == header_said(SLICES) == ()


def test_the_header_tells_slices_from_a_slab():
    assert assumed_of(replace(SLICES, acquisition_type="3D")) == (Assumed("kspace", None, "header", None),) * 3
    across = assumed_of(replace(ISOTROPIC, acquisition_type="2D", slice_axis=1))
    assert [one.profile for one in across] == ["kspace", "trapezoid", "kspace"]


def test_a_thickness_that_a_user_tells_is_never_ignored():
    assert assumed_of(ISOTROPIC, 2.0)[2] == Assumed("trapezoid", 2.0, "default", "told")


def test_a_profile_that_a_user_tells_holds_for_every_axis():
    assert told_of(SLICES, "kspace") == (Assumed("kspace", None, "told", None),) * 3
    assert [one.fwhm_mm for one in told_of(SLICES, "gaussian")] == [1.0, 1.0, 4.0]
    assert assumption_text([None, told_of(SLICES, "kspace")[1].facts(), told_of(SLICES, "box", 3.0)[2].facts()]) == (
        "axis 1 kspace (told); axis 2 box (told) of 3 mm (told)"
    )


def test_the_operator_takes_what_is_assumed_of_the_axes_that_it_degrades():
    acquisition = acquisition_of(replace(SLICES, thickness_mm=3.0), factors=(2, 1, 4))
    assert acquisition.assumed == (IN_K_SPACE, None, Assumed("trapezoid", 3.0, "default", "header"))
    in_plane, none, across = acquisition.op.axes
    assert (in_plane.profile, none, across.profile, across.fwhm) == ("kspace", None, "trapezoid", pytest.approx(3.0))


def blobs(*shape):
    """Blobs of a few values with sharp borders, alike along every axis."""
    noise = np.random.default_rng(0).normal(size=shape)
    return np.digitize(ndimage.gaussian_filter(noise, 4.0, mode="wrap") * 30, [-1.0, 0.0, 1.0]).astype(np.float32)


def sampled(fine, factors, profile, width):
    """Blobs seen by a scanner; as a scan whose finest spacing is 1 mm."""
    axes = [
        None if f == 1 else AxisSampling(n, n // f, profile, width * f)
        for n, f in zip(fine.shape, factors, strict=True)
    ]
    data = Separable((axes[0], axes[1], axes[2]))(torch.from_numpy(fine)).numpy()
    return Volume(data, affine(np.array(factors) / min(factors)))


WIDE = sampled(blobs(120, 120, 120), (2, 2, 2), "gaussian", 1.4)
SHARP = sampled(blobs(120, 120, 120), (2, 2, 2), "kspace", 1.0)
WIDE_SLICES = sampled(blobs(120, 120, 120), (1, 1, 5), "gaussian", 1.4)
USUAL_SLICES = sampled(blobs(120, 120, 120), (1, 1, 5), "trapezoid", 1.0)


def test_a_scan_that_is_wider_than_usual_is_estimated():
    for axis in assumed_from_voxels(WIDE):
        assert (axis.profile, axis.profile_from, axis.fwhm_from) == ("gaussian", "estimated", "estimated")
        assert 1.0 < axis.fwhm_mm <= WIDEST  # samples are 1 mm apart


def test_a_sharp_scan_stays_as_its_headers_say():
    assert assumed_from_voxels(SHARP) == assumed_of(SHARP)
    assert assumed_from_voxels(USUAL_SLICES) == assumed_of(USUAL_SLICES)


def test_white_noise_that_is_known_is_not_estimated_again():
    assert assumed_from_voxels(WIDE, white=white_noise(WIDE)) == assumed_from_voxels(WIDE)
    assert assumed_from_voxels(WIDE, white=1e3) == assumed_of(WIDE)  # such noise would hide every width


def test_wide_slices_are_assumed_narrower_than_they_were_found():
    across = assumed_from_voxels(WIDE_SLICES)[2]
    found, _ = slice_fwhm(WIDE_SLICES.data, 2, [1.0, 1.0, 5.0], (0, 1), 0.0)
    assert (across.profile, across.profile_from) == ("gaussian", "estimated")
    assert across.fwhm_mm == pytest.approx((found - CAUTION) * 5, rel=1e-3)
    assert found - CAUTION < 1.4


def test_where_header_and_voxels_differ_the_narrower_counts():
    thin = assumed_from_voxels(replace(WIDE_SLICES, thickness_mm=4.0))[2]
    assert thin.fwhm_mm <= 4.0
    thick = replace(USUAL_SLICES, thickness_mm=9.0)
    assert assumed_of(thick)[2].fwhm_mm == 9.0
    assert assumed_from_voxels(thick)[2] == Assumed("trapezoid", 5.0, "default", "estimated")


def test_slices_hardly_coarser_than_their_plane_are_no_wider_than_their_header_says():
    stated = replace(WIDE, acquisition_type="2D", slice_axis=2, thickness_mm=0.8)
    in_plane, _, across = assumed_from_voxels(stated)
    assert across.fwhm_mm == 0.8
    assert in_plane.fwhm_mm > 1.0


def test_no_estimate_overrules_a_thickness_that_was_told():
    assert assumed_from_voxels(WIDE_SLICES, 5.0)[2] == Assumed("trapezoid", 5.0, "default", "told")


def test_a_scan_softer_than_its_voxels_is_told_as_such():
    axis_0, axis_1, axis_2 = softness_said(assumed_from_voxels(WIDE), WIDE.spacing_mm)
    assert axis_0.startswith("along axis 0 the scan is softer than its voxels")
    assert (axis_1[11:12], axis_2[11:12]) == ("1", "2")
    assert softness_said(assumed_from_voxels(SHARP), SHARP.spacing_mm) == ()
    assert softness_said(assumed_from_voxels(WIDE_SLICES), WIDE_SLICES.spacing_mm) == ()


def test_only_estimated_widths_are_narrowed():
    told, found = Assumed("box", 4.0, "told", "told"), Assumed("gaussian", 4.0, "estimated", "estimated")
    assert narrowed((None, told, found), 0.5) == (None, told, replace(found, fwhm_mm=2.0))


@pytest.mark.parametrize(
    ("steps", "width_mm"), [(1.07, None), (1.2, np.sqrt(1.2**2 - 0.72**2) - 0.1), (1.5, 1.216), (2.4, 1.5)]
)
def test_what_is_assumed_is_a_little_narrower_than_what_was_found_and_never_too_wide(monkeypatch, steps, width_mm):
    """The widths of borders are given here; that they are found is a law of `medsr.physics.blur`."""
    monkeypatch.setattr(assumption, "step_fwhm", lambda *_: steps)
    for axis in assumed_from_voxels(blank((20, 20, 20))):
        assert axis.fwhm_mm == (None if width_mm is None else pytest.approx(width_mm, abs=1e-3))
