"""Interior, surface and edges: laws on phantoms, and boxes whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import head

from medsr.errors import InputError
from medsr.metrics.error import body_mask, foreground_mask
from medsr.metrics.parts import EDGE_SHARE, depth_mm, edge_mask, parts_of

SPACINGS = st.tuples(*[st.floats(0.5, 5.0)] * 3)


def box(shape: tuple[int, int, int], margin: int) -> np.ndarray:
    data = np.zeros(shape, np.float32)
    data[(slice(margin, -margin),) * 3] = 100
    return data


@settings(max_examples=20)
@given(SPACINGS, st.sampled_from(["MR", "CT"]))
def test_interior_and_surface_are_disjoint_and_cover_the_mask(spacing, modality):
    scan = head((26, 30, 24), spacing, modality=modality)
    mask = foreground_mask(scan.data, modality)
    parts = parts_of(scan.data, mask, modality, spacing)
    np.testing.assert_array_equal(parts["interior"] ^ parts["surface"], mask)
    assert not np.any(parts["edges"] & ~mask)
    assert parts["edges"].sum() <= np.ceil(EDGE_SHARE * mask.sum())


def test_the_interior_of_a_box_lies_three_mm_below_its_faces():
    data = box((30, 30, 30), 5)  # 20 voxels a side
    mask = foreground_mask(data, "MR")
    spacing = (1.0, 3.0, 0.5)
    expected = np.zeros(data.shape, dtype=bool)
    expected[5 + 3 : 25 - 3, 5 + 1 : 25 - 1, 5 + 6 : 25 - 6] = True  # layers that reach to 3 mm below the faces
    np.testing.assert_array_equal(parts_of(data, mask, "MR", spacing)["interior"], expected)


def test_the_margin_of_the_mask_is_no_interior_however_coarse_the_voxels():
    data = box((30, 30, 30), 5)
    parts = parts_of(data, foreground_mask(data, "MR"), "MR", (6.0, 6.0, 6.0))
    assert not np.any(parts["interior"] & ~body_mask(data, "MR"))
    assert parts["interior"].sum() == 20**3  # each voxel's centre is 6 mm from the nearest outside


def test_depth_is_the_distance_to_the_nearest_voxel_outside():
    body = box((9, 9, 9), 1) > 0
    body[4, 4, 0] = True
    spacing = np.array([1.0, 2.0, 0.7])
    outside = np.argwhere(~body) * spacing
    for voxel in np.argwhere(body)[::17]:
        expected = np.linalg.norm(outside - voxel * spacing, axis=1).min()
        assert depth_mm(body, spacing)[tuple(voxel)] == pytest.approx(expected)


def test_a_face_of_the_field_of_view_is_no_surface():
    data = np.full((12, 12, 12), 100.0, np.float32)
    mask = np.ones(data.shape, dtype=bool)
    assert parts_of(data, mask, "MR", (1, 1, 1))["interior"].all()
    data[:, :, 0] = 0
    interior = parts_of(data, mask, "MR", (1, 1, 1))["interior"]
    assert not interior[:, :, :4].any()
    assert interior[:, :, 4:].all()


def test_a_thin_body_has_no_interior():
    data = np.zeros((20, 20, 20), np.float32)
    data[2:18, 2:18, 8:13] = 100  # 5 mm
    parts = parts_of(data, foreground_mask(data, "MR"), "MR", (1, 1, 1))
    assert not parts["interior"].any()
    assert parts["surface"].any()


def test_edges_are_the_tenth_with_the_steepest_slope_per_mm():
    ramp = np.linspace(0, 1, 100)[:, None, None] ** 2 * np.ones((1, 5, 4))
    mask = np.ones(ramp.shape, dtype=bool)
    edges = edge_mask(ramp, mask, (1, 1, 1))
    assert edges[90:].all()
    assert not edges[:90].any()
    mask[90:] = False
    assert edge_mask(ramp, mask, (1, 1, 1))[81:90].all()  # of the mask, not of the scan


def test_a_step_between_thick_slices_is_less_steep_than_a_smaller_one_in_plane():
    data = np.zeros((24, 24, 24), np.float32)
    data[12:] += 1  # by 1 over 1 mm
    data[:, :, 12:] += 3  # by 3 over 5 mm
    edges = edge_mask(data, np.ones(data.shape, dtype=bool), (1.0, 1.0, 5.0))
    expected = np.zeros(data.shape, dtype=bool)
    expected[11:13] = True
    np.testing.assert_array_equal(edges, expected)


def test_a_flat_scan_has_no_edges_and_an_empty_mask_no_parts():
    data = np.ones((8, 8, 8), np.float32)
    nothing = np.zeros(data.shape, dtype=bool)
    assert not edge_mask(data, ~nothing, (1, 1, 1)).any()
    assert not any(part.any() for part in parts_of(data, nothing, "MR", (1, 1, 1)).values())


def test_the_brain_is_a_part_only_where_it_is_known_and_only_within_the_mask():
    data = box((20, 20, 20), 4)
    mask = foreground_mask(data, "MR")
    assert "brain" not in parts_of(data, mask, "MR", (1, 1, 1))
    brain = np.zeros(data.shape, dtype=bool)
    brain[:10, 6:14, 6:14] = True
    np.testing.assert_array_equal(parts_of(data, mask, "MR", (1, 1, 1), brain)["brain"], brain & mask)


def test_a_scan_of_nothing_is_refused():
    with pytest.raises(InputError, match="scan of a body is needed"):
        parts_of(np.zeros((5, 5, 5)), np.ones((5, 5, 5), dtype=bool), "MR", (1, 1, 1))
