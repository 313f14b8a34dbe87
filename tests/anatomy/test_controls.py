"""Real heads: a coarser one, a blurred one, another person and one upside down fail; a part is as in the whole."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest
import torch
from scipy import ndimage

from medsr.anatomy.comparison import dice
from medsr.anatomy.conform import conformed, part_of_grid, scaled
from medsr.anatomy.meshnet import load_meshnet
from medsr.anatomy.segmentation import segment_head, segment_part
from medsr.enhancement.region import central_block, crop
from medsr.io import load
from medsr.physics.tasks import TASKS, degrade
from medsr.volume import Volume

pytestmark = pytest.mark.slow

DEEP = (slice(85, 173), slice(93, 181), slice(79, 167))  # of the conformed grid: thalamus, caudate, ventricles around
NUMBERS = (1, 3, 7, 8, 9, 10, 13)  # structures of which much lies inside
THALAMUS = 7
BLUR_MM = 4.0


def deep_brain(scan: Volume) -> np.ndarray:
    data, _ = conformed(scan)
    return load_meshnet().classify(torch.from_numpy(scaled(data)[DEEP].copy())).numpy()


@pytest.fixture(scope="module")
def reference(shared_data) -> Volume:
    return load(shared_data / "validation" / "sub-bchadult01_T1w.nii.gz").to_ras()


@pytest.fixture(scope="module")
def overlap(reference):
    """Mean Dice coefficient of a scan's deep structures with the reference's."""
    truth = deep_brain(reference)
    assert all((truth == number).sum() > 1000 for number in NUMBERS)

    def mean_dice(scan: Volume) -> float:
        found = deep_brain(scan)
        return fmean(dice(found == number, truth == number) for number in NUMBERS)

    return mean_dice


def test_a_coarser_scan_loses_overlap_and_a_blurred_one_and_another_person_lose_far_more(
    reference, overlap, shared_data
):
    coarse, acquisition = degrade(reference, TASKS["thick5"])
    cubic = acquisition.op.cubic(torch.from_numpy(np.array(coarse.data))).numpy()
    of_cubic = overlap(reference.with_data(cubic))
    blurred = ndimage.gaussian_filter(reference.data, BLUR_MM / reference.spacing_mm)
    assert 0.75 < of_cubic < 0.97
    assert overlap(reference.with_data(blurred)) < of_cubic - 0.3
    assert overlap(load(shared_data / "train" / "sub-dcmqaasl01_T1w.nii.gz")) < of_cubic - 0.3


def test_an_upside_down_head_shows_no_thalamus(reference):
    """Its size alone would pass: the network calls as much of it brain."""
    upside_down = reference.with_data(np.ascontiguousarray(reference.data[:, :, ::-1]))
    assert (deep_brain(reference) == THALAMUS).sum() > 1000
    assert not (deep_brain(upside_down) == THALAMUS).any()


def test_a_crop_put_into_its_head_is_segmented_as_in_the_whole_head(reference):
    network = load_meshnet()
    whole = segment_head(reference, network)
    part, inside = part_of_grid(whole.affine, crop(reference, central_block(reference, 48)))
    found = segment_part(reference, part, whole, network)
    assert (np.bincount(found.labels[part][inside], minlength=18) > 300).sum() > 10
    assert (found.labels == whole.labels).mean() > 0.99999  # a tie may fall either way
