"""A slice that is stored twice, in two transfer syntaxes, is one slice; what differs in pixels or place is two."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import affine
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medsr.errors import GeometryError
from medsr.io import load
from medsr.io.dicom.copies import RECODED, hold_the_same
from medsr.io.dicom.series import find_series
from medsr.io.dicom.triage import triage

DATA = np.random.default_rng(0).integers(-500, 2000, (40, 36, 5)).astype(np.int16)
MATRIX = affine((1, 1, 4))


def write_twice(folder, below, syntax, edit=None):
    """A CT series as it is, and again in another transfer syntax, perhaps changed before."""
    plain = write_classic(folder, DATA, MATRIX, modality="CT")
    below.mkdir(exist_ok=True)
    for path in plain:
        dataset = dcmread(path)
        if edit is not None:
            edit(dataset)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(below / f"again_{path.name}")
    return plain


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_series_and_its_lossless_copy_are_one_scan(tmp_path, syntax):
    alone = write_twice(tmp_path / "alone", tmp_path / "alone", syntax)
    (tmp_path / "plain").mkdir()
    for path in alone:
        path.rename(tmp_path / "plain" / path.name)
    expected, compressed = load(tmp_path / "plain"), load(tmp_path / "alone")
    np.testing.assert_array_equal(compressed.data, expected.data)
    for path in (tmp_path / "plain").iterdir():
        path.rename(tmp_path / "alone" / path.name)
    both = load(tmp_path / "alone")
    np.testing.assert_array_equal(both.data, expected.data)
    assert "copies with the same pixels at the same place dropped: 5" in both.source.warnings
    assert len(find_series(tmp_path / "alone").files) == 5


def test_a_copy_in_a_folder_below_is_left_out_and_said(tmp_path):
    write_twice(tmp_path / "scan", tmp_path / "scan" / "compressed", JPEG2000Lossless)
    found = triage(tmp_path)
    assert [len(volume.stacks) for volume in found.volumes] == [1]
    assert [left.reason for left in found.left_out] == [RECODED] * 5
    volume = load(tmp_path / "scan")
    assert volume.shape == DATA.shape
    assert f"files left out: 5 x {RECODED}" in volume.source.warnings


def other_pixel(dataset):
    pixels = dataset.pixel_array.copy()
    pixels[3, 4] += 1
    dataset.PixelData = pixels.tobytes()


def other_place(dataset):
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x + 1, y, z]


def other_scale(dataset):
    dataset.RescaleIntercept = float(dataset.get("RescaleIntercept", 0)) - 1024


def other_spacing(dataset):
    dataset.PixelSpacing = [1, 1.5]


def other_directions(dataset):
    dataset.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]


def other_time(dataset):
    dataset.AcquisitionTime = "101500"


@pytest.mark.parametrize("edit", [other_pixel, other_place, other_scale, other_spacing, other_directions, other_time])
def test_what_differs_is_no_copy(tmp_path, edit):
    (first, *_) = write_twice(tmp_path, tmp_path / "below", RLELossless, edit)
    assert not hold_the_same(first, tmp_path / "below" / f"again_{first.name}")
    assert not any(left.reason == RECODED for left in triage(tmp_path).left_out)


def test_contradictory_slices_are_refused_as_before(tmp_path):
    write_twice(tmp_path, tmp_path, RLELossless, other_pixel)
    with pytest.raises(GeometryError, match="2 volumes of 5 slices in one series, differing in nothing but pixels"):
        load(tmp_path)


def test_a_damaged_file_is_no_copy(tmp_path):
    (first, *_) = write_twice(tmp_path, tmp_path / "below", JPEGLSLossless)
    again = tmp_path / "below" / f"again_{first.name}"
    again.write_bytes(again.read_bytes()[:-200])
    assert not hold_the_same(first, again)
