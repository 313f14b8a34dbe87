"""What stands between damaged frames of the JPEG family and codecs that end the process or take many seconds."""

from __future__ import annotations

import re

import pytest
from fuzz.pixel_damage import items_of, packed_series
from pydicom.pixels.utils import iter_pixels

from medsr.errors import InputError
from medsr.io import load
from medsr.io.dicom import reading
from medsr.io.dicom.jpeg import is_sound

LOSSLESS = [series for series in packed_series() if series.name.startswith("JPEG Lossless")]
FRAME = items_of(LOSSLESS[0].files[0])[1]
AT = {marker: FRAME.index(bytes((0xFF, marker))) for marker in (0xC3, 0xC4, 0xDA)}


def written(series, folder, change=lambda content: content, which=1):
    folder.mkdir()
    for i, content in enumerate(series.files):
        (folder / f"{i}.dcm").write_bytes(change(content) if i == which % len(series.files) else content)
    return folder


@pytest.mark.parametrize("series", LOSSLESS, ids=lambda series: series.name)
def test_whole_frames_are_sound(series):
    for content in series.files:
        assert is_sound(items_of(content)[1], 40, 36, 16)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        FRAME[2:],
        FRAME[: AT[0xDA]],
        FRAME[:-4],
        FRAME.replace(b"\xff\xd9", b"\xff\xd8"),
        FRAME.replace(b"\xff\xc3", b"\xff\xc0"),
        FRAME[: AT[0xC4]] + FRAME[AT[0xDA] :],  # without a table
        FRAME[: AT[0xC3] + 4] + b"\x11" + FRAME[AT[0xC3] + 5 :],  # 17 bits
        FRAME[: AT[0xC3] + 5] + b"\x00\x29" + FRAME[AT[0xC3] + 7 :],  # 41 rows
        FRAME[: AT[0xC3] + 9] + b"\x03" + FRAME[AT[0xC3] + 10 :],  # three components
        FRAME[: AT[0xC4] + 5] + b"\xff" + FRAME[AT[0xC4] + 6 :],  # 255 codes of one bit
        FRAME[: AT[0xC4] + 21] + b"\x20" + FRAME[AT[0xC4] + 22 :],  # differences of 32 bits
        FRAME[: AT[0xDA] + 6] + b"\x30" + FRAME[AT[0xDA] + 7 :],  # another table than there is
        FRAME[: AT[0xDA] + 7] + b"\x09" + FRAME[AT[0xDA] + 8 :],  # no such predictor
        FRAME[: AT[0xDA] + 30] + b"\xff\xc4" + FRAME[AT[0xDA] + 32 :],  # a marker among the values
        FRAME[: AT[0xC4] + 2] + b"\xff\xff" + FRAME[AT[0xC4] + 4 :],  # a segment longer than the frame
    ],
)
def test_a_damaged_frame_is_not(frame):
    assert not is_sound(frame, 40, 36, 16)


@pytest.mark.parametrize(("rows", "columns", "bits"), [(36, 40, 16), (40, 36, 8), (40, 36, 32)])
def test_a_frame_that_the_header_does_not_fit_is_not(rows, columns, bits):
    assert not is_sound(FRAME, rows, columns, bits)


def test_comments_and_fill_bytes_are_passed_over():
    comment = b"\xff\xff\xff\xfe\x00\x06abcd"
    assert is_sound(FRAME[:2] + comment + FRAME[2:] + b"\0", 40, 36, 16)


@pytest.mark.parametrize("series", LOSSLESS, ids=lambda series: series.name)
def test_a_damaged_series_is_refused_in_one_line(tmp_path, series):
    folder = written(series, tmp_path / "scan", lambda content: content.replace(b"\xff\xc4", b"\xff\xcc"))
    with pytest.raises(InputError, match=r"1\.dcm: a frame of lossless JPEG is damaged"):
        load(folder)


@pytest.mark.parametrize("name", ["JPEG-LS Lossless Image Compression", "enhanced JPEG-LS Lossless Image Compression"])
def test_jpeg_ls_without_its_end_is_refused_before_it_is_decoded(tmp_path, name):
    series = next(one for one in packed_series() if one.name == name)
    folder = tmp_path / "scan"
    folder.mkdir()
    (folder / "0.dcm").write_bytes(series.files[0].replace(b"\xff\xd9", b"\0\0"))
    for i, content in enumerate(series.files[1:], 1):
        (folder / f"{i}.dcm").write_bytes(content)
    with pytest.raises(InputError, match="end within a frame of JPEG-LS: truncated"):
        load(folder)


def test_pixels_that_can_not_be_decoded_are_not_decoded_again(tmp_path, monkeypatch):
    begun = []

    def counted(stack, decode=reading.voxels):
        begun.append(stack)
        return decode(stack)

    monkeypatch.setattr(reading, "voxels", counted)
    folder = written(LOSSLESS[0], tmp_path / "scan", lambda content: content.replace(b"\xff\xc4", b"\xff\xcc"))
    with pytest.raises(InputError, match="lossless JPEG is damaged"):
        load(folder)
    assert len(begun) == 1


SIZES = re.compile(rb"\xff\x4f\xff\x51.{4}(.{16})", re.DOTALL)
JPEG_2000 = [series for series in packed_series() if "JPEG 2000" in series.name]


@pytest.mark.parametrize("series", JPEG_2000, ids=lambda series: series.name)
@pytest.mark.parametrize("at", [8, 12, 16, 20])  # of the sizes and offsets behind the start of a codestream
def test_a_codestream_of_another_size_is_not_decoded(series, at, tmp_path, monkeypatch):
    def enlarged(content):
        place = content.index(b"\xff\x4f\xff\x51") + at
        size = int.from_bytes(content[place : place + 4]) + 1
        return content[:place] + size.to_bytes(4) + content[place + 4 :]

    def watched(dataset, **options):
        decoded.append(SIZES.search(dataset.PixelData)[1])
        return iter_pixels(dataset, **options)

    decoded = []
    monkeypatch.setattr("medsr.io.dicom.pixels.iter_pixels", watched)
    assert load(written(series, tmp_path / "whole")).shape[:2] == (36, 40)
    with pytest.raises(InputError, match="pixel data don't match the header"):
        load(written(series, tmp_path / "larger", enlarged, -1))
    assert len(set(decoded)) == 1  # that of the whole series


@pytest.mark.parametrize("series", JPEG_2000, ids=lambda series: series.name)
def test_a_codestream_without_its_start_is_damaged(series, tmp_path):
    with pytest.raises(InputError, match="JPEG 2000 is damaged or truncated"):
        load(written(series, tmp_path / "lost", lambda content: content.replace(b"\xff\x4f\xff\x51", bytes(4)), -1))
