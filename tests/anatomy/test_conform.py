"""The conformed grid: a place in the body stays where it is, whatever the axes of the scan."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine, head

from medsr.affine import axis_codes, fov_corners
from medsr.anatomy.conform import SIDE, conformed, conformed_affine, part_of_grid, scaled
from medsr.enhancement.region import Box, crop
from medsr.errors import InputError
from medsr.volume import Volume

GRIDS = [
    affine((1.2, 0.9, 2.0), origin_mm=(-30.0, 20.0, 5.0)),
    affine((1.0, 1.5, 0.8), axes=(1, 2, 0), flips=(-1, -1, 1), origin_mm=(40.0, -3.0, 70.0)),
    affine((0.7, 1.1, 3.0), turn_deg=(20.0, -15.0, 30.0), origin_mm=(1.0, 2.0, 3.0)),
]


def places(matrix, index):
    """World coordinates (N, 3) of voxels (N, 3)."""
    return index @ matrix[:3, :3].T + matrix[:3, 3]


def voxels(shape):
    """Index (N, 3) of every voxel."""
    return np.stack([axis.ravel() for axis in np.indices(shape)], axis=-1)


@pytest.mark.parametrize("matrix", GRIDS)
def test_a_slope_through_the_body_is_the_same_slope_on_the_conformed_grid(matrix):
    slope = np.array([0.3, -0.7, 1.1])
    shape = (30, 26, 20)
    values = 500 + places(matrix, voxels(shape)) @ slope
    scan = Volume(values.reshape(shape).astype(np.float32), matrix)
    data, grid = conformed(scan)
    chosen = 80 + voxels((96, 96, 96))
    where = places(grid, chosen)
    index = places(np.linalg.inv(matrix), where)
    found = data[tuple(chosen.T)]
    inside = np.all((index >= 0) & (index <= np.array(shape) - 1), axis=-1)
    assert inside.sum() > 5000
    np.testing.assert_allclose(found[inside], (500 + where @ slope)[inside], atol=0.01)
    beyond = np.any((index < -1) | (index > shape), axis=-1)
    np.testing.assert_array_equal(found[beyond], scan.data.min())


@pytest.mark.parametrize("matrix", GRIDS)
def test_the_grid_is_that_of_freesurfer(matrix):
    scan = Volume(np.zeros((30, 26, 20), np.float32), matrix)
    grid = conformed_affine(scan)
    assert axis_codes(grid) == "LIA"
    np.testing.assert_allclose(np.linalg.norm(grid[:3, :3], axis=0), 1.0)
    np.testing.assert_allclose(grid @ [128, 128, 128, 1], matrix @ [15, 13, 10, 1], atol=1e-9)


def test_intensities_are_cut_at_two_percentiles_and_reach_from_0_to_1():
    data = np.arange(1001, dtype=np.float32).reshape(7, 11, 13)
    found = scaled(data)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.clip((data - 20) / 960, 0, 1), atol=1e-6)


def test_intensities_do_not_depend_on_the_scan_unit():
    data = head((20, 22, 24)).data
    np.testing.assert_allclose(scaled(3 * data + 100), scaled(data), atol=1e-5)


def test_a_scan_without_contrast_is_refused():
    with pytest.raises(InputError, match="head in air"):
        scaled(np.full((4, 4, 4), 7.0, np.float32))


@pytest.mark.parametrize("matrix", GRIDS)
def test_a_part_of_the_grid_is_all_voxels_in_the_field_of_view_of_a_crop(matrix):
    scan = head((40, 36, 30)).with_data(np.zeros((40, 36, 30), np.float32), matrix)
    part = crop(scan, Box((5, 11, 8), (25, 23, 29)))
    grid = conformed_affine(scan)
    place, inside = part_of_grid(grid, part)
    wider = tuple(slice(one.start - 9, one.stop + 9) for one in place)
    index = voxels([one.stop - one.start for one in wider]) + [one.start for one in wider]
    in_part = places(np.linalg.inv(part.affine), places(grid, index))
    expected = ((in_part >= -0.5) & (in_part < np.array(part.shape) - 0.5)).all(axis=1)
    found = np.pad(inside, 9)
    np.testing.assert_array_equal(found.ravel(), expected)
    assert inside.sum() == pytest.approx(part.data.size * np.prod(part.spacing_mm), rel=0.1)
    span = np.ptp(places(np.linalg.inv(grid), fov_corners(part.affine, part.shape)), axis=0)
    assert (inside.shape <= span + 1).all()


def test_a_part_ends_with_the_grid():
    scan = head((300, 20, 20)).with_data(np.zeros((300, 20, 20), np.float32))
    place, inside = part_of_grid(conformed_affine(scan), scan)
    assert [one.stop - one.start for one in place] == [SIDE, 20, 20]
    assert inside.all()
