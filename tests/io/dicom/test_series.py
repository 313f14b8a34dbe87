"""Which files form one series, and what is said about the rest."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine
from pydicom.uid import SecondaryCaptureImageStorage

from medsr.errors import GeometryError, InputError, MedsrError
from medsr.io.dicom import headers
from medsr.io.dicom.series import find_series

DATA = np.arange(4 * 5 * 3, dtype=np.int16).reshape(4, 5, 3)
MATRIX = affine((1, 1, 3))


def names(found):
    return [file.path.name for file in found.files]


def test_a_folder_and_any_of_its_files_give_the_same_series(tmp_path):
    paths = write_classic(tmp_path, DATA, MATRIX)
    whole = find_series(tmp_path)
    assert names(whole) == [path.name for path in paths]
    assert all(names(find_series(path)) == names(whole) for path in paths)
    assert whole.warnings == ()


def test_a_file_chooses_its_series_among_several(tmp_path):
    first = write_classic(tmp_path, DATA, MATRIX, prefix="a")
    second = write_classic(tmp_path, DATA, MATRIX, prefix="b", modality="CT")
    assert names(find_series(first[1])) == [path.name for path in first]
    assert names(find_series(second[2])) == [path.name for path in second]


def test_several_series_are_counted_described_and_not_chosen_from(tmp_path):
    write_classic(tmp_path, DATA, MATRIX, prefix="a")
    write_classic(tmp_path, DATA[:, :4], MATRIX, prefix="1.2.840.1.2.3", modality="CT")
    with pytest.raises(GeometryError) as caught:
        find_series(tmp_path)
    message = str(caught.value)
    assert "2 image series" in message
    assert "MR 4 x 5 (3 files, such as a_000.dcm)" in message
    assert "CT 4 x 4 (3 files)" in message
    assert "point at one file" in message
    assert "1.2.840" not in message


def test_many_series_make_one_short_line(tmp_path):
    for i in range(12):
        write_classic(tmp_path, DATA, MATRIX, prefix=f"s{i:02d}")
    with pytest.raises(GeometryError, match=r"12 image series .* and 4 more"):
        find_series(tmp_path)


def test_foreign_files_are_counted_not_named(tmp_path):
    paths = write_classic(tmp_path, DATA, MATRIX)
    (tmp_path / "patient_notes.txt").write_text("hello")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "DICOMDIR").write_bytes(paths[0].read_bytes())
    (tmp_path / "folder").mkdir()

    def into_capture(dataset, _):
        dataset.SOPClassUID = SecondaryCaptureImageStorage

    write_classic(tmp_path, DATA[:, :, :1], MATRIX, prefix="capture", edit=into_capture)
    found = find_series(tmp_path)
    assert len(found.files) == 3
    assert found.warnings == (
        "files that are not DICOM skipped: 2",
        "DICOM files without MR or CT slices skipped: 1",
    )


def test_identical_copies_are_dropped_with_a_warning(tmp_path):
    paths = write_classic(tmp_path, DATA, MATRIX)
    shutil.copy(paths[1], tmp_path / "copy.dcm")
    found = find_series(tmp_path)
    assert len(found.files) == 3
    assert found.warnings == ("identical copies of files dropped: 1",)


def test_files_without_series_uid_are_one_series(tmp_path):
    def nameless(dataset, _):
        dataset.SeriesInstanceUID = ""

    write_classic(tmp_path, DATA, MATRIX, edit=nameless)
    assert len(find_series(tmp_path).files) == 3


def test_an_empty_sop_class_is_taken_from_the_file_meta(tmp_path):
    def classless(dataset, _):
        dataset.SOPClassUID = ""

    write_classic(tmp_path, DATA, MATRIX, edit=classless)
    assert len(find_series(tmp_path).files) == 3


@pytest.mark.parametrize("point_at_file", [False, True])
def test_a_slice_without_preamble_is_refused_by_name(tmp_path, point_at_file):
    paths = write_classic(tmp_path, DATA, MATRIX, syntax="1.2.840.10008.1.2")
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[whole.index(b"\x08\x00\x08\x00") :])
    with pytest.raises(InputError, match=r"slice_001.dcm looks like DICOM without .* Part 10"):
        find_series(paths[0] if point_at_file else tmp_path)


def test_folders_without_slices_say_what_they_hold(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"no DICOM file in this folder \(1 other files"):
        find_series(tmp_path)

    def into_capture(dataset, _):
        dataset.SOPClassUID = SecondaryCaptureImageStorage
        dataset.Modality = SECRET

    write_classic(tmp_path, DATA, MATRIX, edit=into_capture)
    with pytest.raises(InputError, match="3 x Secondary Capture Image Storage; expected") as caught:
        find_series(tmp_path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("modality", ["PT", "US", "SR"])
def test_only_mr_and_ct_are_slices(tmp_path, modality):
    def other(dataset, _):
        dataset.Modality = modality

    write_classic(tmp_path, DATA, MATRIX, edit=other)
    with pytest.raises(InputError, match=rf"3 x MR Image Storage \({modality}\)"):
        find_series(tmp_path)


def test_a_deflate_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "MAX_INFLATED_BYTES", 100_000)
    zeros = np.zeros((400, 400, 1), np.int16)
    (path,) = write_classic(tmp_path, zeros, MATRIX, syntax="1.2.840.10008.1.2.1.99")
    assert path.stat().st_size < 5000
    with pytest.raises(InputError, match="inflates to more than"):
        find_series(path)


@given(st.data())
def test_a_damaged_header_is_read_or_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged" / "slice_000.dcm"
    if not path.exists():
        write_classic(path.parent, DATA[:, :, :1], MATRIX)
        path.rename(path.with_suffix(".good"))
    content = bytearray(path.with_suffix(".good").read_bytes())
    for place in data.draw(st.lists(st.integers(132, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        find_series(path)
    except MedsrError as error:
        assert "\n" not in str(error)
    finally:
        path.unlink()
        path.touch()
