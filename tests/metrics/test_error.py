"""The mask, the data range and the errors of the convention, on scans whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio

from medsr.errors import InputError
from medsr.metrics.error import data_range, foreground_mask, mae, mean_drift, nrmse, psnr

EVERYWHERE = np.ones((4, 5, 6), dtype=bool)


def box(shape=(30, 30, 30), start=10, stop=20, value=100.0) -> np.ndarray:
    data = np.zeros(shape, np.float32)
    data[start:stop, start:stop, start:stop] = value
    return data


def test_the_mask_is_the_body_dilated_by_two_steps_of_a_cross():
    expected = ndimage.binary_dilation(ndimage.binary_dilation(box() > 0))
    np.testing.assert_array_equal(foreground_mask(box(), "MR"), expected)


def test_the_mask_holds_the_largest_component_without_holes():
    data = box()
    data[14:16, 14:16, 14:16] = 0
    data[1:3, 1:3, 1:3] = 100
    np.testing.assert_array_equal(foreground_mask(data, "MR"), foreground_mask(box(), "MR"))


def test_components_that_touch_at_a_corner_are_two():
    data = box()
    data[20:24, 20:24, 20:24] = 100
    assert not foreground_mask(data, "MR")[22:, 22:, 22:].any()


def test_dim_voxels_are_air():
    data = np.full((30, 30, 30), 4.9, np.float32)
    data[5:25, 5:25, 5:25] = 100
    assert not foreground_mask(data, "MR")[0].any()
    assert foreground_mask(data + np.float32(0.2), "MR").all()


def test_in_ct_whatever_lies_above_minus_500_hu_is_body():
    data = np.full((20, 20, 20), -500.0, np.float32)
    data[8:12, 8:12, 8:12] = -499
    mask = foreground_mask(data, "CT")
    assert mask[8:12, 8:12, 8:12].all()
    assert mask.sum() < 20**3 / 4


@given(st.floats(0.01, 1000))
def test_the_unit_of_mr_does_not_matter(factor):
    data = head((20, 24, 18)).data
    np.testing.assert_array_equal(foreground_mask(data * np.float32(factor), "MR"), foreground_mask(data, "MR"))


@pytest.mark.parametrize(("value", "modality"), [(0.0, "MR"), (-1000.0, "CT")])
def test_a_scan_of_nothing_is_refused(value, modality):
    with pytest.raises(InputError, match="scan of a body is needed"):
        foreground_mask(np.full((5, 5, 5), value, np.float32), modality)


def test_the_range_is_that_of_percentiles_inside_the_mask():
    data = np.arange(1001, dtype=np.float32).reshape(7, 11, 13)
    outside = np.concatenate([data, np.full((1, 11, 13), 1e6, np.float32)])
    mask = outside < 1e5
    assert data_range(outside, mask, "MR") == pytest.approx(999 - 1)
    assert data_range(outside, mask, "CT") == 2000


def test_a_constant_reference_has_no_range():
    with pytest.raises(InputError, match="contrast is needed"):
        data_range(np.ones((4, 5, 6)), EVERYWHERE, "MR")


@given(st.floats(0.01, 100), st.floats(1, 5000), st.sampled_from([-1, 1]))
def test_a_shift_has_the_errors_it_should(shift, peak, sign):
    reference = np.random.default_rng(0).standard_normal((4, 5, 6))
    x = reference + sign * shift
    assert psnr(x, reference, EVERYWHERE, peak) == pytest.approx(20 * math.log10(peak / shift), abs=1e-6)
    assert nrmse(x, reference, EVERYWHERE, peak) == pytest.approx(shift / peak, rel=1e-6)
    assert mae(x, reference, EVERYWHERE) == pytest.approx(shift, rel=1e-6)
    assert mean_drift(x, reference, EVERYWHERE) == pytest.approx(sign * shift, rel=1e-6)


def test_psnr_is_that_of_scikit_image_where_the_mask_is_everything():
    x, reference = np.random.default_rng(0).random((2, 9, 10, 11))
    mask = np.ones(x.shape, dtype=bool)
    assert psnr(x, reference, mask, 1.7) == pytest.approx(peak_signal_noise_ratio(reference, x, data_range=1.7))
    assert psnr(x, reference, mask, 1.7) == pytest.approx(-20 * math.log10(nrmse(x, reference, mask, 1.7)))


def test_errors_outside_the_mask_do_not_count():
    reference = head((20, 24, 18)).data
    mask = foreground_mask(reference, "MR")
    x = np.where(mask, reference, -1e6)
    assert psnr(x, reference, mask, 1.0) == math.inf
    assert (mae(x, reference, mask), mean_drift(x, reference, mask), nrmse(x, reference, mask, 1.0)) == (0, 0, 0)


def test_float32_scans_of_large_values_are_averaged_exactly():
    reference = np.full((100, 100, 100), 30000.0, np.float32)
    mask = np.ones(reference.shape, dtype=bool)
    assert mean_drift(reference + np.float32(0.125), reference, mask) == pytest.approx(0.125, rel=1e-12)


def test_tensors_are_taken_like_arrays():
    reference = head((20, 24, 18)).data
    x = reference + np.float32(1)
    mask = foreground_mask(torch.from_numpy(reference.copy()), "MR")
    np.testing.assert_array_equal(mask, foreground_mask(reference, "MR"))
    as_tensors = psnr(torch.from_numpy(x), torch.from_numpy(reference.copy()), mask, 100.0)
    assert as_tensors == psnr(x, reference, mask, 100.0)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        mae(np.zeros((4, 5, 7)), np.zeros((4, 5, 6)), EVERYWHERE)
