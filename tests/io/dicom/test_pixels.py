"""Padding: marks where nothing was measured, never an edge in the scan."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import write_classic
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import affine
from pydicom import dcmread
from pydicom.pixels import get_encoder
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medsr.errors import InputError
from medsr.io.dicom.pixels import _unpacked
from medsr.io.dicom.reading import read_dicom

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


def spotted(rows, columns, seed=0):
    """Noise between stripes of zeros: long runs and short ones."""
    data = np.random.default_rng(seed).integers(0, 300, (rows, columns)).astype(np.int16)
    return data * (np.arange(columns) % 7 > 2).astype(np.int16)


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_segments_of_rle_are_as_long_as_their_picture(rows, columns, seed):
    shape = {"rows": rows, "columns": columns, "number_of_frames": 1, "samples_per_pixel": 1}
    bits = {"bits_allocated": 16, "bits_stored": 16, "pixel_representation": 1}
    options = {**shape, **bits, "photometric_interpretation": "MONOCHROME2", "encoding_plugin": "pydicom"}
    frame = get_encoder(RLELossless).encode(spotted(rows, columns, seed), **options)
    n_segments, first, second = np.frombuffer(frame[:12], "<u4")
    assert n_segments == 2
    for segment in (frame[first:second], frame[second:]):
        assert _unpacked(segment) - rows * columns in (0, 1)  # a segment is padded to an even length


@pytest.mark.parametrize(("columns", "is_read"), [(24, True), (23, False), (12, False)])
def test_rle_frames_of_another_matrix_are_refused(tmp_path, columns, is_read):
    data = np.stack([spotted(20, 24, k).T for k in range(4)], axis=-1)
    for path in write_classic(tmp_path, data, affine((1, 1, 3)), syntax=RLELossless):
        dataset = dcmread(path)
        dataset.Columns = columns
        dataset.save_as(path)
    if is_read:
        np.testing.assert_array_equal(read_dicom(tmp_path)[0].data, data)
    else:
        with pytest.raises(InputError, match="480 values in a frame; the matrix in the header, which is wrong"):
            read_dicom(tmp_path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_stored_ones_are_ignored_in_every_syntax(tmp_path, syntax, signed):
    """PS3.5, 8.1.1: an overlay or rubbish may lie there, and a codestream of 16 bits carries it along."""
    i, j, k = np.indices((40, 32, 4))
    data = (25 * i + 30 * j + 7 * k - (900 if signed else 0)).astype(np.int16)
    above = ((i // 8 + j // 8) % 16).astype(np.uint16) << 12
    spoilt = (data.view(np.uint16) & 0x0FFF) | above
    for k, path in enumerate(write_classic(tmp_path, data, MATRIX)):
        dataset = dcmread(path)
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = int(signed), 16, 15
        dataset.PixelData = spoilt[:, :, k].T.tobytes()
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.save_as(path)
    (volume,) = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.data, data)
    n_cut = int(np.count_nonzero(spoilt.view(np.int16) != data))
    said = any(f"ignored in {n_cut} compressed pixels" in text for text in volume.source.warnings)
    assert said == (syntax != RLELossless)  # RLE has no precision of its own that could contradict the header
