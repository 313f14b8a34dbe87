"""Layers lie where the scan lies, and give the scan back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from medsr_napari.layers import contrast_limits_of, layer_of, shown_mm, stored_box, true_mm, volume_of, voxel_at
from scipy.spatial.transform import Rotation

from medsr import affine as grids
from medsr.enhancement.region import Box, crop
from medsr.errors import InputError
from medsr.volume import Forms, Source, Volume

laws = settings(deadline=None, max_examples=50)

odd_sizes = st.sampled_from([3, 5, 7])
spacings = st.floats(0.3, 6.0)
offsets = st.floats(-200.0, 200.0)
angles = st.floats(-180.0, 180.0)


def scan(shape, affine, **facts):
    """A scan whose voxels all differ, so that each can be found again."""
    return Volume(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), affine, **facts)


@st.composite
def axis_aligned(draw):
    """A scan along the body axes, in any order and direction."""
    order = draw(st.permutations(range(3)))
    signs = [draw(st.sampled_from([-1, 1])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * signs * [draw(spacings) for _ in range(3)]
    affine[:3, 3] = [draw(offsets) for _ in range(3)]
    return scan([draw(st.integers(2, 7)) for _ in range(3)], affine)


@st.composite
def oblique(draw):
    """A scan turned by any angles, with a voxel in its middle."""
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", [draw(angles) for _ in range(3)], degrees=True).as_matrix()
    affine[:3, :3] = turn * [draw(spacings) for _ in range(3)]
    affine[:3, 3] = [draw(offsets) for _ in range(3)]
    return scan([draw(odd_sizes) for _ in range(3)], affine)


def true_ras_mm(volume, ijk):
    return volume.affine[:3, :3] @ ijk + volume.affine[:3, 3]


def shown_ras_mm(volume, ijk):
    """Where the layer of `volume` shows the voxel `ijk`, found by its value."""
    data, keywords, _ = layer_of(volume, "scan")
    (zyx,) = np.argwhere(data == volume.data[tuple(ijk)])
    return (np.array(keywords["translate"]) + np.array(keywords["scale"]) * zyx)[::-1]


def shown_faces_mm(volume):
    """Outer faces of the layer of `volume`: two corners (2, 3) in RAS mm."""
    data, keywords, _ = layer_of(volume, "scan")
    index = np.array([[-0.5] * 3, np.array(data.shape) - 0.5])
    return (np.array(keywords["translate"]) + np.array(keywords["scale"]) * index)[:, ::-1]


@laws
@given(axis_aligned())
def test_three_landmarks_of_a_flipped_or_permuted_scan_lie_where_the_affine_puts_them(volume):
    last = np.array(volume.shape) - 1
    for ijk in (np.zeros(3, int), last, last // 2):
        np.testing.assert_allclose(shown_ras_mm(volume, ijk), true_ras_mm(volume, ijk), atol=1e-9)


@laws
@given(oblique())
def test_the_centre_voxel_of_an_oblique_scan_stays_within_half_a_voxel(volume):
    centre = np.array(volume.shape) // 2
    shift = np.linalg.norm(shown_ras_mm(volume, centre) - true_ras_mm(volume, centre))
    assert shift <= volume.spacing_mm.min() / 2


@laws
@given(oblique(), st.tuples(*[st.integers(2, 9)] * 3))
def test_a_coarser_or_finer_grid_of_one_field_of_view_covers_the_same_box(volume, shape):
    other = scan(shape, grids.resized(volume.affine, volume.shape, shape))
    np.testing.assert_allclose(shown_faces_mm(volume), shown_faces_mm(other), atol=1e-9)


@laws
@given(st.one_of(axis_aligned(), oblique()))
def test_a_layer_gives_its_scan_back(volume):
    back = volume_of(layer_of(volume, "scan"))
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_array_equal(back.affine, volume.affine)


@laws
@given(st.one_of(axis_aligned(), oblique()), st.data())
def test_a_part_of_a_scan_is_shown_on_its_place_in_the_scan(volume, data):
    start = np.array([data.draw(st.integers(0, n - 2)) for n in volume.shape])
    stop = np.array([data.draw(st.integers(a + 2, n)) for a, n in zip(start, volume.shape, strict=True)])
    part = crop(volume, Box(tuple(map(int, start)), tuple(map(int, stop))))
    whole_data, whole, _ = layer_of(volume, "scan")
    part_data, shown, _ = layer_of(part, "part", frame=whole["metadata"]["medsr"]["frame"])
    value = part_data[0, 0, 0]
    (zyx,) = np.argwhere(whole_data == value)
    np.testing.assert_allclose(shown["translate"], np.array(whole["translate"]) + zyx * whole["scale"], atol=1e-6)
    np.testing.assert_allclose(shown["scale"], whole["scale"])


@laws
@given(st.one_of(axis_aligned(), oblique()), st.data())
def test_a_box_around_shown_voxels_is_those_voxels_as_stored(volume, data):
    zyx = np.array([data.draw(st.integers(0, n - 1)) for n in layer_of(volume, "scan")[0].shape])
    shown, keywords, _ = layer_of(volume, "scan")
    scale, translate = np.array(keywords["scale"]), np.array(keywords["translate"])
    low, high = translate + scale * (zyx - 0.4), translate + scale * (zyx + 0.4)
    first, past = stored_box(keywords["metadata"]["medsr"], scale, translate, low, high)
    assert np.subtract(past, first).tolist() == [1, 1, 1]
    assert volume.data[first] == shown[tuple(zyx)]


def test_a_box_beside_the_scan_is_refused():
    _, keywords, _ = layer_of(scan((2, 3, 4), np.eye(4)), "scan")
    with pytest.raises(InputError, match="outside the scan"):
        stored_box(keywords["metadata"]["medsr"], (1, 1, 1), (0, 0, 0), (50, 50, 50), (60, 60, 60))


@laws
@given(oblique(), st.tuples(*[st.floats(-100, 100)] * 3))
def test_shown_and_true_places_lead_to_each_other(volume, place):
    facts = layer_of(volume, "scan")[1]["metadata"]["medsr"]
    np.testing.assert_allclose(true_mm(facts, shown_mm(facts, place)), place, atol=1e-9)


def test_a_voxel_is_found_where_the_mouse_is_and_nothing_outside():
    data = layer_of(scan((2, 3, 4), np.eye(4)), "scan")[0]
    assert voxel_at(data, (1.4, 0.6, 0.2)) == data[1, 1, 0]
    assert voxel_at(data, (-0.6, 0, 0)) is None
    assert voxel_at(data, (0, 0, 1.6)) is None


def test_a_window_shows_something():
    assert contrast_limits_of(scan((2, 3, 4), np.eye(4), modality="CT")) == (-200.0, 300.0)
    low, high = contrast_limits_of(scan((2, 3, 4), np.eye(4)))
    assert 0 <= low < high <= 23
    flat = Volume(np.ones((2, 2, 2), np.float32), np.eye(4))
    assert contrast_limits_of(flat) == (1.0, 2.0)


def test_a_layer_keeps_what_the_headers_said():
    forms = Forms(4, 1, ((1.0, 0.0), (0.0, 1.0)))
    source = Source("nifti", content_sha256="ab", dtype="int16", contrast="T1w", warnings=("no unit",), forms=forms)
    facts = {"modality": "CT", "thickness_mm": 4.0, "slice_axis": 2, "source": source}
    back = volume_of(layer_of(scan((2, 3, 4), np.eye(4), **facts), "scan"))
    assert {name: getattr(back, name) for name in facts} == facts


def test_a_layer_has_units_and_axis_labels():
    data, keywords, kind = layer_of(scan((2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0])), "head")
    assert (data.shape, kind, keywords["name"]) == ((4, 3, 2), "image", "head")
    assert keywords["units"] == ("mm", "mm", "mm")
    assert keywords["axis_labels"] == ("z", "y", "x")
    assert keywords["scale"] == (3.0, 2.0, 1.0)


def test_a_layer_whose_voxels_were_changed_gives_the_changed_scan():
    volume = scan((2, 3, 4), np.diag([-1.0, 2.0, 3.0, 1.0]))
    data, keywords, kind = layer_of(volume, "scan")
    np.testing.assert_array_equal(volume_of((2 * data, keywords, kind)).data, 2 * volume.data)


def test_a_layer_of_another_plugin_is_refused():
    with pytest.raises(InputError, match="open the scan with the medsr reader"):
        volume_of((np.zeros((2, 2, 2), np.float32), {"name": "cells"}, "image"))


@pytest.mark.parametrize("shape", [(4, 3, 1), (2, 3, 4), (4, 3), (4, 3, 2, 3)])
def test_a_layer_that_was_cropped_or_reshaped_is_refused(shape):
    _, keywords, kind = layer_of(scan((2, 3, 4), np.eye(4)), "scan")
    with pytest.raises(InputError, match="open the scan again"):
        volume_of((np.zeros(shape, np.float32), keywords, kind))
