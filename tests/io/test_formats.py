"""The table of formats: every row whole, every name and content decided by it alone."""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import replace
from importlib import import_module
from typing import get_args

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head

from medsr.errors import InputError, MedsrError, UsageError
from medsr.io import formats, load, load_all, save
from medsr.io.formats import FORMATS, FormatName, by_content, by_name, is_one_file, stem, suffix_for, table

ROWS = tuple(FORMATS.values())
WRITTEN = [row for row in ROWS if row.writer]
SUFFIXES = [(row, suffix) for row in ROWS for suffix in (*row.suffixes, *row.headers)]


def test_every_name_has_a_row_and_every_function_of_a_row_exists():
    assert set(FORMATS) == set(get_args(FormatName))
    for row in ROWS:
        for place in filter(None, (row.reader, row.writer, row.outliner)):
            module, _, function = place.partition(":")
            assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[1:],
        (*ROWS, ROWS[0]),
        (*ROWS[:1], replace(ROWS[1], suffixes=(*ROWS[1].suffixes, ROWS[0].suffixes[0])), *ROWS[2:]),
        (*ROWS[:1], replace(ROWS[1], headers=(ROWS[0].suffixes[0],)), *ROWS[2:]),
        (*ROWS[:1], replace(ROWS[1], suffixes=(".NII",)), *ROWS[2:]),
        (*ROWS[:1], replace(ROWS[1], suffixes=("nii",)), *ROWS[2:]),
        (*ROWS[:1], replace(ROWS[1], suffixes=()), *ROWS[2:]),
        (*ROWS[:1], replace(ROWS[1], outliner=None), *ROWS[2:]),
        (*ROWS[:1], replace(ROWS[1], is_series=True), *ROWS[2:]),
    ],
)
def test_a_table_with_a_gap_or_a_contradiction_is_refused(rows):
    table(ROWS)
    with pytest.raises(TypeError):
        table(rows)


@pytest.mark.parametrize(("row", "suffix"), SUFFIXES)
@given(st.text(st.characters(codec="ascii", exclude_characters="/\\"), min_size=1), st.booleans())
def test_a_name_tells_its_format_in_capitals_too_and_loses_its_suffix_once(row, suffix, text, capitals):
    name = text + (suffix.upper() if capitals else suffix)
    assert by_name(name) is row
    assert stem(name) == text
    assert is_one_file(name) != row.is_series


@pytest.mark.parametrize("name", ["scan", "scan.png", "nii", "scan.nii.zip", ""])
def test_other_names_are_of_no_format_and_stay_whole(name):
    assert by_name(name) is None
    assert stem(name) == name
    assert not is_one_file(name)


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
@pytest.mark.parametrize("capitals", [False, True])
def test_what_a_format_writes_it_recognises_outlines_and_reads(tmp_path, row, capitals):
    volume = head((6, 7, 8), (1, 1.5, 2), turn_deg=(3, 4, 5))
    for suffix in row.suffixes:
        path = tmp_path / f"scan{suffix.upper() if capitals else suffix}"
        save(volume, path)
        assert [other for other in ROWS if other.recognises(path.read_bytes()[:2000])] == [row]
        again, outline = load(path), by_content(path).outline(path)
        assert again.source.format == row.name
        np.testing.assert_array_equal(again.data, volume.data)
        np.testing.assert_allclose(again.affine, volume.affine, atol=1e-5)
        np.testing.assert_array_equal(outline.affine, again.affine)
        assert (outline.shape, outline.n_volumes) == (volume.shape, 1)


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
def test_the_outline_counts_the_volumes_of_a_file(tmp_path, row):
    path = tmp_path / f"scan{row.suffixes[0]}"
    save([head((6, 7, 8))] * 3, path)
    assert row.outline(path).n_volumes == len(load_all(path)) == 3


@pytest.mark.parametrize(("row", "suffix"), [(row, suffix) for row in ROWS for suffix in row.headers])
def test_a_header_apart_from_its_voxels_is_not_written(tmp_path, row, suffix):
    with pytest.raises(UsageError, match=re.escape(formats.endings())):
        save(head(), tmp_path / f"scan{suffix}")
    assert suffix_for(f"scan{suffix}") == row.suffixes[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("row", [row for row in ROWS if not row.writer], ids=lambda row: row.name)
def test_what_is_not_written_is_refused(tmp_path, row):
    with pytest.raises(UsageError, match=re.escape(formats.endings())):
        row.write([head()], tmp_path / f"scan{row.suffixes[0]}", None)
    assert list(tmp_path.iterdir()) == []


def test_a_series_has_no_outline(tmp_path):
    with pytest.raises(InputError, match="holds DICOM"):
        by_content(tmp_path).outline(tmp_path)


@pytest.mark.parametrize(
    ("source", "chosen", "suffix"),
    [
        ("a.nii", None, ".nii"),
        ("a.NII.GZ", None, ".nii.gz"),
        ("a.dcm", None, ".nii.gz"),
        ("IM1", None, ".nii.gz"),
        ("a.nii", "nifti", ".nii"),
        ("a.dcm", "nifti", ".nii.gz"),
        ("a.MGH", None, ".mgh"),
        ("a.mgz", "nifti", ".nii.gz"),
        ("a.mhd", None, ".mha"),
        ("a.nii", "dicom", ""),
    ],
)
def test_a_result_gets_the_suffix_of_its_input_where_the_format_has_it(source, chosen, suffix):
    assert suffix_for(source, chosen) == suffix


def test_messages_and_help_lines_name_every_format():
    for row in ROWS:
        assert row.title in formats.titles()
        assert row.help in formats.readable()
        assert all((suffix in formats.endings()) == (row.writer is not None) for suffix in row.suffixes)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.dcm", "scan"])
@pytest.mark.parametrize("zipped", [False, True])
def test_nifti_is_known_by_content_whatever_its_name(tmp_path, kind, name, zipped):
    content = kind(np.zeros((2, 2, 2), np.int16), np.eye(4)).to_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    assert by_content(tmp_path / name) is FORMATS["nifti"]


def test_dicom_and_folders_are_known(tmp_path):
    (tmp_path / "scan.nii").write_bytes(bytes(128) + b"DICM")
    assert by_content(tmp_path / "scan.nii") is by_content(tmp_path) is FORMATS["dicom"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"hello" * 100, "not a scan"),
        (gzip.compress(b"hello" * 100, mtime=0), "not a scan"),
        (b"\x1f\x8b" + bytes(50), "not a scan"),
        (b"\x08\x00\x05\x00" + bytes(400), "preamble"),
        ((348).to_bytes(4, "big") + bytes(400), "Analyze"),
    ],
)
def test_what_is_not_a_scan_is_named(tmp_path, content, message):
    (tmp_path / "scan").write_bytes(content)
    with pytest.raises(InputError, match=message):
        by_content(tmp_path / "scan")


def test_missing_files_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("none.nii", "pipe", "a\0b", "n" * 300):
        with pytest.raises(InputError):
            by_content(tmp_path / name)


@given(st.binary(max_size=700))
def test_random_bytes_are_recognised_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(content)
    try:
        by_content(path)
    except MedsrError as error:
        assert "\n" not in str(error)
