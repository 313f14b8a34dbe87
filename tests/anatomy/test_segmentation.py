"""Structures of a scan: what a network names lies where it is in the body; air and body of a CT by their densities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import affine, head
from torch import nn

from medsr.anatomy.conform import SIDE, part_of_grid
from medsr.anatomy.meshnet import MeshNet
from medsr.anatomy.segmentation import (
    Segmentation,
    brain_of,
    doubt,
    lung_of,
    segment_body,
    segment_head,
    segment_part,
)
from medsr.enhancement.region import Box, crop
from medsr.errors import InputError
from medsr.volume import Volume

BRIGHT = 0.5
LARGE = (slice(5, 85), slice(8, 82), slice(6, 84))


def threshold() -> MeshNet:
    """A network that calls bright voxels "bright": two outputs of one voxel, half a unit and its intensity."""
    layer = nn.Conv3d(1, 2, 1)
    layer.weight.data = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1, 1)
    layer.bias = nn.Parameter(torch.tensor([BRIGHT, 0.0]))
    return MeshNet(nn.Sequential(layer), ("background", "bright"))


def two_boxes(matrix) -> Volume:
    """One box as large as a small head, so that it reaches the 98th percentile, and a small one."""
    data = np.zeros((100, 90, 90), np.float32)
    data[LARGE] = 100
    data[91:95, 10:13, 10:13] = 100
    return Volume(data, matrix)


@pytest.mark.parametrize("matrix", [affine(), affine(axes=(1, 2, 0), flips=(-1, -1, 1), origin_mm=(40.0, -3.0, 70.0))])
def test_a_structure_lies_where_it_is_in_the_body(matrix):
    scan = two_boxes(matrix)
    found = segment_head(scan, threshold())
    assert found.labels.shape == (SIDE,) * 3
    into = np.linalg.inv(found.affine) @ scan.affine
    places = np.indices(scan.shape).reshape(3, -1)
    i, j, k = np.rint(into[:3, :3] @ places + into[:3, 3:]).astype(int)
    back = found.labels[i, j, k].reshape(scan.shape)
    expected = np.zeros(scan.shape, np.uint8)
    expected[LARGE] = 1
    np.testing.assert_array_equal(back, expected)  # the smaller box is not part of the largest


@pytest.fixture
def around() -> MeshNet:
    """A network of two layers that calls a voxel "bright" by the mean of those within 3 voxels along each axis."""
    wide, last = nn.Conv3d(1, 1, 3, padding=3, dilation=3), nn.Conv3d(1, 2, 1)
    wide.weight.data.fill_(1 / 27)
    wide.bias.data.zero_()
    last.weight.data = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1, 1)
    last.bias.data = torch.tensor([BRIGHT, 0.0])
    return MeshNet(nn.Sequential(wide, last).requires_grad_(requires_grad=False), ("background", "bright"))


def test_a_part_is_segmented_as_in_the_whole_head(around):
    """The reference both ways, and another head that differs from it in a crop, where a box lies apart."""
    scan = two_boxes(affine(axes=(1, 2, 0), flips=(-1, -1, 1), origin_mm=(40.0, -3.0, 70.0)))
    whole = segment_head(scan, around)
    block = Box((70, 0, 0), (100, 40, 90))
    part, inside = part_of_grid(whole.affine, crop(scan, block))
    np.testing.assert_array_equal(segment_part(scan, part, whole, around).labels, whole.labels)
    data = scan.data.copy()
    data[72:80, 15:30, 20:40], data[92:99, 10:30, 50:80] = 0, 100
    other = scan.with_data(data)
    found, expected = segment_part(other, part, whole, around), segment_head(other, around)
    np.testing.assert_array_equal(found.labels[part], expected.labels[part])
    assert (found.labels[part][inside] != whole.labels[part][inside]).mean() > 0.01
    changed = found.labels != whole.labels
    changed[part] = False
    assert not changed.any()


@pytest.mark.parametrize(
    "matrix", [affine((1.0, 1.0, 2.0)), affine((0.8, 1.0, 1.0), axes=(1, 2, 0), flips=(-1, -1, 1))]
)
def test_the_brain_is_all_structures_on_the_grid_of_the_head_with_its_holes_filled(matrix):
    """A box of two structures around a cavity without a name, and an open cleft of one voxel between them."""
    found = Segmentation(np.zeros((60, 60, 60), np.uint8), np.diag([1.0, 1.0, 1.0, 1.0]), ("background", "a", "b"))
    found.labels[10:30, 10:50, 10:50], found.labels[30:50, 10:50, 10:50] = 1, 2
    found.labels[15:20, 20:30, 20:30], found.labels[30, 10:48, 12:48] = 0, 0
    head = Volume(np.zeros((60, 60, 60), np.float32), matrix)
    centre = matrix @ np.array([30, 30, 30, 1.0])
    found.affine[:3, 3] = centre[:3] - 30
    brain = brain_of(found, head)
    places = np.moveaxis(np.indices(head.shape), 0, -1) @ matrix[:3, :3].T + matrix[:3, 3] - found.affine[:3, 3]
    mouth = (abs(places[..., 0] - 30) < 1.5) & (places[..., 1] < 12)  # of the cleft, which stays open
    np.testing.assert_array_equal(brain[~mouth], ((places > 9.5) & (places < 49.5)).all(-1)[~mouth])


def test_volumes_are_in_millilitres():
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[:5], labels[5:, :, 0] = 1, 3
    found = Segmentation(labels, np.diag([2.0, 1.0, 3.0, 1.0]), ("background", "a", "b", "c"))
    assert found.volumes_ml() == pytest.approx({"a": 3.0, "b": 0.0, "c": 0.3})


def brain(ml: float, with_hippocampus: bool = True) -> Segmentation:
    labels = np.zeros((2000, 2), np.uint8)
    labels[: int(ml) - 3, 0] = 1
    labels[:3, 1] = 2 if with_hippocampus else 1
    return Segmentation(labels[..., None], np.diag([10.0, 10.0, 10.0, 1.0]), ("background", "cortex", "hippocampus"))


def test_a_brain_of_a_plausible_size_raises_no_doubt():
    assert doubt(brain(1300)) == ""
    assert "its brain has 300 ml" in doubt(brain(300))
    assert "it has no hippocampus" in doubt(brain(1300, with_hippocampus=False))
    assert doubt(replace(brain(1300), affine=np.diag([20.0, 10.0, 10.0, 1.0])))


def chest() -> Volume:
    """A block of soft tissue with two lungs that leave at the top, one of them at a side too, and gas in a bowel.

    Beneath lies a table, and behind the block the air of a fold that is open to the air around.
    """
    data = np.full((40, 30, 20), -1000.0, np.float32)
    data[5:40, 5:25, :] = 40
    data[8:16, 8:22, 4:] = -850
    data[24:40, 8:22, 4:] = -850
    data[18:22, 9:21, 1:10] = -1000
    data[18:21, 23:25, :] = -1000
    data[2:38, 27:29, :] = 100
    return Volume(data, np.diag([2.0, 2.0, 2.0, 1.0]), "CT")


def test_air_inside_a_ct_is_told_from_air_around_it():
    found = segment_body(chest())
    expected = np.zeros((40, 30, 20), np.uint8)
    expected[5:40, 5:25] = 1
    expected[8:16, 8:22, 4:] = expected[24:40, 8:22, 4:] = expected[18:22, 9:21, 1:10] = 2
    expected[18:21, 23:25, :] = 0
    np.testing.assert_array_equal(found.labels, expected)
    assert found.names == ("outside", "body", "lung and air inside")


def test_a_bubble_of_less_than_a_millilitre_is_no_structure():
    scan = chest()
    data = scan.data.copy()
    data[10:14, 11:14, 1:3] = -1000  # 24 voxels of 8 microlitres, cut off from the lung above
    data[10:14, 11:14, 3] = 40
    assert (segment_body(scan.with_data(data)).labels[10:14, 11:14, 1:3] == 0).all()


def test_the_slices_are_those_across_the_body_however_they_are_stored():
    scan = chest()
    turned = Volume(
        np.moveaxis(scan.data, 2, 0)[::-1].copy(), affine((2.0, 2.0, 2.0), axes=(2, 0, 1), flips=(-1, 1, 1)), "CT"
    )
    expected = np.moveaxis(segment_body(scan).labels, 2, 0)[::-1]
    np.testing.assert_array_equal(segment_body(turned).labels, expected)


def test_lung_is_told_from_gas_and_from_small_pockets():
    data = np.full((70, 44, 30), -1000, np.float32)
    data[2:68, 2:42] = 40
    data[5:25, 6:32, 2:28] = -850  # 108 ml
    data[28:48, 6:32, 2:28] = -925  # as much, of gas
    data[51:65, 6:32, 2:28] = -850  # 76 ml
    expected = np.zeros(data.shape, dtype=bool)
    expected[5:25, 6:32, 2:28] = True
    np.testing.assert_array_equal(lung_of(Volume(data, affine((2.0, 2.0, 2.0)), "CT")), expected)


def test_an_empty_ct_is_refused():
    with pytest.raises(InputError, match="-500 HU"):
        segment_body(Volume(np.full((4, 4, 4), -1000, np.float32), affine(), "CT"))


def test_a_head_without_contrast_is_refused():
    with pytest.raises(InputError, match="head in air"):
        segment_head(head((8, 8, 8)).with_data(np.zeros((8, 8, 8), np.float32)), threshold())
