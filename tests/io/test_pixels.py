"""Padding: marks where nothing was measured, never an edge in the scan."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import affine

from medsr.io.dicom import read_dicom

MATRIX = affine((1, 1.5, 3))
DATA = np.random.default_rng(0).integers(-1000, 2000, (6, 5, 4)).astype(np.int16)
CORNER = np.indices((6, 5, 4))[:2].sum(axis=0) < 3


def written(folder, data, signed=True, **tags):
    def edit(dataset, _):
        dataset.PixelRepresentation = int(signed)
        for name, value in tags.items():
            dataset[name] = type(dataset["Rows"])(name, "SS" if value < 0 else "US", value)

    write_classic(folder, data, MATRIX, modality="CT", edit=edit)
    return read_dicom(folder)[0]


@pytest.mark.parametrize("tag", [-2000, 63536])
def test_padding_far_below_gets_the_lowest_measured_value(tmp_path, tag):
    volume = written(tmp_path, np.where(CORNER, np.int16(-2000), DATA), PixelPaddingValue=tag)
    lowest = DATA[~CORNER].min()
    np.testing.assert_array_equal(volume.data, np.where(CORNER, lowest, DATA))
    assert volume.source.warnings == (f"padding voxels set to the lowest measured value: {CORNER.sum()}",)


def test_a_range_of_padding_is_taken_out_from_end_to_end(tmp_path):
    padded = np.where(CORNER, np.int16(-2000) - 5 * np.indices((6, 5, 4), dtype=np.int16)[0], DATA)
    volume = written(tmp_path, padded, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-2010)
    assert volume.data.min() == DATA[~CORNER].min()


def test_padding_above_everything_becomes_background_too(tmp_path):
    padded = np.where(CORNER, np.int16(30000), DATA)
    assert written(tmp_path, padded, PixelPaddingValue=30000).data.max() == DATA[~CORNER].max()


@pytest.mark.parametrize("value", [0, -1001])
def test_padding_that_looks_like_background_stays(tmp_path, value):
    padded = np.where(CORNER, np.int16(value), np.abs(DATA) if value == 0 else DATA)
    volume = written(tmp_path, padded, PixelPaddingValue=value)
    np.testing.assert_array_equal(volume.data, padded)
    assert volume.source.warnings == ()


def test_values_like_padding_stay_where_no_tag_says_so(tmp_path):
    padded = np.where(CORNER, np.int16(-2000), DATA)
    np.testing.assert_array_equal(written(tmp_path, padded).data, padded)


def test_a_scan_of_padding_alone_stays(tmp_path):
    data = np.full((6, 5, 4), -2000, np.int16)
    np.testing.assert_array_equal(written(tmp_path, data, PixelPaddingValue=-2000).data, data)
