"""Where stacks overlap: counted voxel by voxel, whatever their orientation."""

from __future__ import annotations

import numpy as np
import pytest
from fusion_stacks import motion, stack, truth

from medsr.affine import fov_corners
from medsr.fusion.grid import Grid
from medsr.fusion.overlap import coverage, picture_grid
from medsr.io.outline import Outline

SCAN = truth(24)
AXIAL, CORONAL = (stack(SCAN, axis) for axis in (2, 1))
WHOLE = Grid(SCAN.shape, SCAN.affine)


def test_stacks_of_one_field_of_view_cover_it_all():
    np.testing.assert_array_equal(coverage([AXIAL, CORONAL], WHOLE), np.full(SCAN.shape, 2))
    assert coverage([], WHOLE).max() == 0


def test_faces_lie_half_a_voxel_beyond_the_outermost_centres():
    slab = Outline(
        (24, 24, 3), SCAN.affine @ np.diag([1, 1, 4, 1.0]) @ [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]
    )
    found = coverage([slab], WHOLE)  # from 4 - 2 to 12 + 2 mm
    np.testing.assert_array_equal(np.flatnonzero(found[5, 5]), np.arange(2, 14))
    np.testing.assert_array_equal(found, np.broadcast_to(found[0, 0], found.shape))


@pytest.mark.parametrize("turn_deg", [(0, 0, 0), (20, -35, 50)])
def test_each_voxel_is_counted_as_its_middle_lies(turn_deg):
    rng = np.random.default_rng(0)
    moved = motion(SCAN, turn_deg, (5, -4, 3))
    stacks = [Outline(AXIAL.shape, moved @ AXIAL.affine), CORONAL, Outline((9, 8, 7), moved @ SCAN.affine)]
    grid = Grid((20, 21, 22), motion(SCAN, (10, 5, -8), (2, 2, 2)) @ SCAN.affine)
    found = coverage(stacks, grid)
    for ijk in rng.integers(0, 20, (200, 3)):
        ras = grid.affine @ [*ijk, 1]
        places = [(np.linalg.inv(one.affine) @ ras)[:3] for one in stacks]
        expected = sum(
            bool(np.all(place >= -0.5) and np.all(place < np.array(one.shape) - 0.5))
            for one, place in zip(stacks, places, strict=True)
        )
        assert found[tuple(ijk)] == expected
    assert set(np.unique(found)) >= {0, 1, 2}


@pytest.mark.parametrize(
    ("shape", "spacing"), [((24, 24, 6), (1, 1, 4)), ((512, 400, 20), (0.4, 0.4, 6)), ((5, 6, 7), (2, 3, 4))]
)
def test_a_picture_has_nearly_cubes_over_the_same_field_of_view(shape, spacing):
    scan = Outline(shape, motion(SCAN, (9, 8, 7), (6, 5, 4)) @ np.diag([*spacing, 1.0]))
    grid = picture_grid(scan, 48)
    assert max(grid.shape) == 48
    assert grid.spacing_mm.max() < 1.25 * grid.spacing_mm.min()
    np.testing.assert_allclose(fov_corners(grid.affine, grid.shape), fov_corners(scan.affine, scan.shape), atol=1e-9)
    np.testing.assert_array_equal(coverage([scan], grid), np.ones(grid.shape))
