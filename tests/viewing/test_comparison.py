"""Before and after on one grid, whichever way the scan lies."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine, head

from medsr.enhancement.region import Box, crop
from medsr.errors import UsageError
from medsr.physics.acquisition import acquisition_of
from medsr.validation.pairs import tensor_of
from medsr.viewing.comparison import cubic_and_difference, factors_onto

COARSE = head((18, 20, 8), (1.0, 1.0, 3.0))
TURNS = [
    affine((1.0, 1.0, 3.0)),
    affine((1.0, 1.0, 3.0), turn_deg=(20, -10, 35), origin_mm=(-30.0, 12.5, 7.25)),
    affine((1.0, 1.0, 3.0), axes=(2, 0, 1), flips=(-1, 1, -1)),
]
each_turn = pytest.mark.parametrize("matrix", TURNS)


def finer(scan, factors):
    """A scan on the finer grid, with voxels of its own."""
    acquisition = acquisition_of(scan, factors=factors)
    data = acquisition.op.cubic(tensor_of(scan)).numpy() + 1.0
    return scan.with_data(data, acquisition.fine_affine), acquisition


@each_turn
@pytest.mark.parametrize("factors", [(1, 1, 3), (1.3, 1, 2.7), (2, 2, 6)])
def test_before_is_the_baseline_cubic_and_the_difference_what_was_added(matrix, factors):
    scan = COARSE.with_data(COARSE.data, matrix)
    after, acquisition = finer(scan, factors)
    before, difference = cubic_and_difference(scan, after)
    expected = scan.with_data(acquisition.op.cubic(tensor_of(scan)).numpy(), acquisition.fine_affine).to_ras()
    np.testing.assert_allclose(before.data, expected.data, atol=1e-4 * np.ptp(scan.data))
    np.testing.assert_allclose(before.affine, expected.affine)
    np.testing.assert_allclose(difference.data, 1.0, atol=1e-3 * np.ptp(scan.data))


@each_turn
def test_a_region_is_compared_like_the_whole(matrix):
    scan = COARSE.with_data(COARSE.data, matrix)
    after, _ = finer(scan, (1, 1, 3))
    whole, _ = cubic_and_difference(scan, after)
    part, _ = cubic_and_difference(scan, crop(after, Box((3, 4, 5), (9, 11, 17))))
    offset = np.linalg.inv(whole.affine) @ part.affine[:, 3]
    start = np.rint(offset[:3]).astype(int)
    window = tuple(slice(a, a + n) for a, n in zip(start, part.shape, strict=True))
    np.testing.assert_allclose(part.data, whole.data[window], atol=1e-4 * np.ptp(scan.data))


@each_turn
def test_factors_bring_a_scan_onto_the_grid_of_another_layer(matrix):
    scan = COARSE.with_data(COARSE.data, matrix)
    reference, _ = finer(scan, (1, 1, 3))
    assert factors_onto(scan, reference.to_ras()) == pytest.approx((1, 1, 3))
    assert acquisition_of(scan, factors=factors_onto(scan, reference)).fine_shape == reference.shape


def test_scans_of_different_places_are_refused():
    elsewhere = COARSE.with_data(COARSE.data, affine((1.0, 1.0, 3.0), origin_mm=(100, 0, 0)))
    turned = COARSE.with_data(COARSE.data, TURNS[1])
    for other in (elsewhere, turned):
        for compare in (cubic_and_difference, factors_onto):
            with pytest.raises(UsageError, match="field of view"):
                compare(COARSE, other)


def test_a_coarser_layer_is_refused():
    with pytest.raises(UsageError, match="coarser"):
        factors_onto(finer(COARSE, (1, 1, 3))[0], COARSE)
