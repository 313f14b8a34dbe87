"""Padding of a CT whose file does not name it: replaced where it is surely no measurement, else left alone."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import head

from medsr.io import load, save
from medsr.io.padding import padding_said, without_ct_padding


def padded(value, share=0.2):
    data = np.array(head(modality="CT").data)
    n = int(share * data.shape[0])
    data[:n] = value
    return data, n * data[0].size


@pytest.mark.parametrize("value", [-2000, -2048, -3024, -32768])
def test_one_value_far_below_air_is_padding(value):
    data, n_padding = padded(value)
    cleaned, n_found = without_ct_padding(data)
    measured = data > value
    assert n_found == n_padding
    assert cleaned.min() == data[measured].min()
    np.testing.assert_array_equal(cleaned[measured], data[measured])


def test_air_streaks_and_constant_scans_are_no_padding():
    air, _ = padded(-1024)
    streak = np.array(head(modality="CT").data)
    streak[5, 5, 5] = -2500
    near, _ = padded(-1031)
    near[-1] = -1030
    for data in (air, streak, near, np.full((4, 4, 4), -3024, np.float32)):
        cleaned, n_found = without_ct_padding(data)
        assert n_found == 0
        np.testing.assert_array_equal(cleaned, data)


def test_a_nifti_file_is_read_without_its_padding_and_says_so(tmp_path):
    scan = head(modality="CT")
    data, n_padding = padded(-3024)
    save(scan.with_data(data), tmp_path / "sub-01_CT.nii.gz")
    found = load(tmp_path / "sub-01_CT.nii.gz")
    assert found.data.min() > -1024.5
    assert padding_said(n_padding) in found.source.warnings
