"""Volumes of tissue, by hand and against scikit-image's thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import head
from skimage.filters import threshold_multiotsu

from medsr.errors import InputError
from medsr.metrics.error import foreground_mask
from medsr.metrics.tissue import CT_CLASSES, MR_CLASSES, tissue_bias, tissue_levels, tissue_limits


def test_limits_lie_between_the_tissues():
    reference = head().data
    mask = foreground_mask(reference, "MR")
    limits = tissue_limits(reference, mask, "MR")
    assert limits == tuple(threshold_multiotsu(reference[mask], classes=3))
    assert 150 < limits[0] < 450 < limits[1] < 700
    assert tissue_limits(reference, mask, "CT") == (-300, -30, 150)


def test_levels_are_the_means_of_the_two_brighter_tissues():
    reference = head().data
    mask = foreground_mask(reference, "MR")
    dark, bright = tissue_limits(reference, mask, "MR")
    inside = reference[mask]
    means = inside[(inside >= dark) & (inside < bright)].mean(), inside[inside >= bright].mean()
    assert tissue_levels(reference, mask, "MR") == pytest.approx(means)
    assert tissue_levels(reference, mask, "CT") == (-90, 40)


@pytest.mark.parametrize("values", [[1.0], [0.0, 1.0], [0.0, 1.005, 1.6]])
def test_fewer_than_three_tissues_are_refused(values):
    reference = np.resize(np.array(values, np.float32), (6, 6, 6))
    with pytest.raises(InputError, match="three tissues"):
        tissue_levels(reference, np.ones(reference.shape, dtype=bool), "MR")


def test_the_reference_has_no_bias():
    reference = head(modality="CT").data
    mask = foreground_mask(reference, "CT")
    found = tissue_bias(reference, reference, mask, "CT", 2.0)
    assert [one.tissue for one in found] == list(CT_CLASSES)
    assert sum(one.reference_ml for one in found) == pytest.approx(mask.sum() * 2 / 1000)
    assert all(one.bias_percent == 0 and one.dice == 1 for one in found if one.reference_ml)


def test_bias_and_overlap_by_hand():
    """Ten voxels each of 0, 500 and 1000; in the result five of the bright ones have become middle."""
    reference = np.repeat([0.0, 500.0, 1000.0], 10).reshape(30, 1, 1)
    x = reference.copy()
    x[20:25] = 500
    found = {one.tissue: one for one in tissue_bias(x, reference, np.ones(x.shape, bool), "MR", 1000.0)}
    assert list(found) == list(MR_CLASSES)
    assert [found[name].reference_ml for name in MR_CLASSES] == [10, 10, 10]
    assert [found[name].bias_percent for name in MR_CLASSES] == pytest.approx([0, 50, -50])
    assert [found[name].dice for name in MR_CLASSES] == pytest.approx([1, 2 * 10 / 25, 2 * 5 / 15])


def test_a_tissue_that_is_not_there_has_no_bias():
    reference = np.full((4, 4, 4), 40.0)
    found = {one.tissue: one for one in tissue_bias(reference, reference, reference > 0, "CT", 1.0)}
    assert np.isnan(found["bone"].bias_percent)
    assert np.isnan(found["bone"].dice)
