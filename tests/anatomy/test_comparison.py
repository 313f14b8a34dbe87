"""Overlap, volume and surfaces: against MONAI, and against shapes whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance

from medsr.anatomy.comparison import compare, dice, surface_distances
from medsr.anatomy.segmentation import Segmentation

SPACING = np.array([1.0, 1.2, 2.5])


def ball(centre, radius, shape=(30, 28, 24)):
    index = np.indices(shape)
    return sum((i - c) ** 2 for i, c in zip(index, centre, strict=True)) < radius**2


def box(start, stop, shape=(20, 20, 20)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def one_hot(mask):
    return torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32))


@pytest.mark.filterwarnings("ignore:monai.metrics.utils:FutureWarning")  # MONAI calls itself the old way
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (ball((14, 13, 11), 8), ball((15, 13, 12), 7)),
        (ball((14, 13, 11), 8), ball((10, 16, 9), 5)),
        (ball((14, 13, 11), 4), ball((14, 13, 11), 9) & ~ball((14, 13, 11), 6)),
    ],
)
def test_the_metrics_are_those_of_monai(a, b):
    ours, truth = one_hot(a), one_hot(b)
    mean, far = surface_distances(a, b, SPACING)
    spacing = SPACING.tolist()
    assert dice(a, b) == pytest.approx(float(compute_dice(ours, truth, include_background=False)), abs=1e-6)
    expected = compute_average_surface_distance(ours, truth, symmetric=True, spacing=spacing)
    assert mean == pytest.approx(float(expected), abs=1e-5)
    expected = compute_hausdorff_distance(ours, truth, percentile=95, spacing=spacing)
    assert far == pytest.approx(float(expected), abs=1e-4)


def test_a_moved_box_has_the_numbers_that_one_can_count():
    a, b = box((4, 4, 4), (12, 12, 12)), box((7, 4, 4), (15, 12, 12))
    assert dice(a, b) == pytest.approx(5 / 8)
    _, far = surface_distances(a, b, np.array([2.0, 1.0, 1.0]))
    assert far == pytest.approx(6.0)  # the faces lie three voxels of 2 mm apart


def test_what_is_the_same_has_no_distance():
    a = ball((14, 13, 11), 8)
    assert dice(a, a) == 1
    assert surface_distances(a, a, SPACING) == (0.0, 0.0)


def test_distances_do_not_depend_on_which_is_which():
    a, b = ball((14, 13, 11), 8), ball((12, 13, 11), 5)
    assert surface_distances(a, b, SPACING) == pytest.approx(surface_distances(b, a, SPACING))


def test_what_is_missing_has_no_surface():
    nothing, a = np.zeros((6, 6, 6), bool), box((2, 2, 2), (4, 4, 4), (6, 6, 6))
    assert np.isnan(surface_distances(nothing, a, SPACING)).all()
    assert np.isnan(dice(nothing, nothing))
    assert dice(nothing, a) == 0


def test_every_structure_is_compared_by_itself():
    names = ("background", "liver", "spleen", "none of it")
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[2:12, 2:12, 2:12], truth[14:18, 14:18, 14:18] = 1, 2
    ours = truth.copy()
    ours[2:12, 2:12, 12:13] = 1
    ours[14:18, 14:18, 17:18] = 0
    affine = np.diag([2.0, 1.0, 1.0, 1.0])
    liver, spleen, none = compare(Segmentation(ours, affine, names), Segmentation(truth, affine, names))
    assert (liver.structure, liver.reference_ml, liver.volume_ml) == ("liver", 2.0, pytest.approx(2.2))
    assert liver.volume_error_percent == pytest.approx(10.0)
    assert liver.dice == pytest.approx(2 * 1000 / 2100)
    assert spleen.volume_error_percent == pytest.approx(-25.0)
    assert spleen.surface95_mm == pytest.approx(1.0)
    assert (none.reference_ml, none.volume_ml) == (0, 0)
    assert np.isnan([none.dice, none.volume_error_percent, none.surface_mm]).all()


def test_cutting_out_a_structure_changes_no_distance():
    a, b = ball((14, 13, 11), 8), ball((15, 14, 11), 7)
    names = ("background", "one")
    affine = np.diag([*SPACING, 1.0])
    (row,) = compare(Segmentation(a.astype(np.uint8), affine, names), Segmentation(b.astype(np.uint8), affine, names))
    assert (row.surface_mm, row.surface95_mm) == pytest.approx(surface_distances(a, b, SPACING))
