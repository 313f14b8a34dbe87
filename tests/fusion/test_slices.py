"""Dark slices are those darker than both sides, and are filled from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fusion_stacks import stack, truth

from medsr.fusion.slices import dark_slices, filled

AXIAL = stack(truth(), 2)


def with_slices(shares: dict[int, float]):
    data = np.array(AXIAL.data)
    for k, share in shares.items():
        data[:, :, k] *= share
    return AXIAL.with_data(data)


@pytest.mark.parametrize("shares", [{}, {4: 0.5}, {1: 0.2, 6: 0.6}, {5: 0.4, 6: 0.3}])
def test_slices_darker_than_both_sides_are_dark(shares):
    assert np.flatnonzero(dark_slices(with_slices(shares))).tolist() == list(shares)


def test_a_body_that_ends_is_not_dark():
    fading = {k: 1 - k / AXIAL.shape[2] for k in range(AXIAL.shape[2])}
    assert not dark_slices(with_slices(fading)).any()


def test_a_ct_has_no_dark_slices():
    assert not dark_slices(replace(with_slices({4: 0.1}), modality="CT")).any()


def test_dark_slices_are_filled_from_both_sides():
    scan = with_slices({5: 0.1, 6: 0.1})
    found = filled(scan, dark_slices(scan)).data
    third = (AXIAL.data[:, :, 7] - AXIAL.data[:, :, 4]) / 3
    np.testing.assert_allclose(found[:, :, 5], AXIAL.data[:, :, 4] + third, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(found[:, :, 6], AXIAL.data[:, :, 4] + 2 * third, rtol=1e-4, atol=1e-2)
    others = [k for k in range(AXIAL.shape[2]) if k not in (5, 6)]
    np.testing.assert_array_equal(found[:, :, others], AXIAL.data[:, :, others])


def test_a_stack_without_dark_slices_stays_as_it_is():
    assert filled(AXIAL, dark_slices(AXIAL)) is AXIAL
