"""Laws of the model range."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head

from medsr.errors import InputError
from medsr.model.intensity import Scale, scale_of

VALUES = st.floats(-1e4, 1e4, width=32)


@given(st.lists(VALUES, min_size=8, max_size=40), VALUES, st.floats(1e-3, 1e5))
def test_there_and_back_is_the_identity(values, low, width):
    scale = Scale(low, low + width)
    x = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(scale.from_model(scale.to_model(x)), x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(scale.to_model(scale.from_model(x)), x, rtol=1e-9, atol=1e-6)
    assert scale.width == pytest.approx(width, rel=1e-6, abs=1e-9)


def test_single_precision_loses_less_than_a_millionth_of_the_range():
    x = torch.from_numpy(np.array(head().data))
    scale = scale_of(head().data, "MR")
    assert (scale.from_model(scale.to_model(x)) - x).abs().max() < 1e-6 * scale.width


@given(st.lists(VALUES, min_size=8, max_size=200, unique=True), st.floats(0.01, 100), VALUES)
def test_a_rescaled_mr_scan_is_the_same_scan_in_the_model_range(values, gain, offset):
    data = np.array(values, np.float64)
    ours, theirs = scale_of(data, "MR"), scale_of(gain * data + offset, "MR")
    x = torch.from_numpy(data)
    torch.testing.assert_close(ours.to_model(x), theirs.to_model(gain * x + offset), rtol=1e-4, atol=1e-4)


def test_most_of_a_scan_lies_between_zero_and_one():
    volume = head()
    x = scale_of(volume.data, "MR").to_model(torch.from_numpy(np.array(volume.data)))
    assert ((x >= 0) & (x <= 1)).double().mean() > 0.98


@pytest.mark.parametrize("low", [-1024.0, 0.0, -3000.0])
def test_ct_has_one_scale_for_all_scans(low):
    data = np.linspace(low, 1500, 300, dtype=np.float32).reshape(5, 6, 10)
    scale = scale_of(data, "CT")
    assert scale.to_model(torch.tensor([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("modality", ["MR", "CT"])
@pytest.mark.parametrize("value", [0.0, -1000.0, 37.5])
def test_a_constant_image_is_refused(modality, value):
    with pytest.raises(InputError, match=f"every voxel is {value:g}"):
        scale_of(np.full((4, 5, 6), value, np.float32), modality)


def test_a_few_bright_voxels_in_the_dark_are_not_a_constant_image():
    data = np.zeros((20, 20, 20), np.float32)
    data[3, 4, 5:7] = 500
    scale = scale_of(data, "MR")
    assert (scale.low, scale.high) == (0, 500)


def test_the_range_of_mr_is_that_of_the_weights():
    """The specification of the weights names percentiles 0.5 and 99.5: others would change what the network sees."""
    scale = scale_of(np.arange(1001, dtype=np.float32).reshape(7, 11, 13), "MR")
    assert (scale.low, scale.high) == (pytest.approx(5.0), pytest.approx(995.0))
