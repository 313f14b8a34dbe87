"""Folders that are made whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import affine

from medsr.errors import OutputError
from medsr.io import load, save
from medsr.io.dicom.folders import atomic_folders, check_folder

DATA = np.random.default_rng(0).integers(0, 900, (6, 5, 4)).astype(np.int16)


@pytest.fixture
def result(tmp_path):
    """A folder that an earlier run wrote."""
    write_classic(tmp_path / "source", DATA, affine((1, 1, 3)))
    save(load(tmp_path / "source"), tmp_path / "out", like=tmp_path / "source")
    return tmp_path / "out"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_all_folders_take_their_names_at_the_end(tmp_path):
    with atomic_folders(tmp_path / "a", tmp_path / "b") as parts:
        for part in parts:
            (part / "file").write_text("content")
        assert not (tmp_path / "a").exists()
        assert not (tmp_path / "b").exists()
    assert names(tmp_path) == ["a", "b"]
    assert names(tmp_path / "a") == names(tmp_path / "b") == ["file"]


def test_an_error_inside_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folders(tmp_path / "a") as (part,):
        (part / "file").write_text("content")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_an_empty_folder_and_an_earlier_result_are_replaced(tmp_path, result):
    (tmp_path / "empty").mkdir()
    with atomic_folders(result, tmp_path / "empty") as parts:
        for part in parts:
            (part / "new").write_text("content")
    assert names(result) == names(tmp_path / "empty") == ["new"]
    assert names(tmp_path) == ["empty", "out", "source"]


def test_an_earlier_result_survives_an_error(result):
    before = {path.name: path.read_bytes() for path in result.iterdir()}
    with pytest.raises(ValueError, match="stop"), atomic_folders(result):
        raise ValueError("stop")
    assert {path.name: path.read_bytes() for path in result.iterdir()} == before


def test_a_move_that_fails_brings_everything_back(tmp_path, result):
    with pytest.raises(OutputError), atomic_folders(result, tmp_path / "b") as parts:
        parts[1].rename(tmp_path / "stolen")
    assert names(result) == ["0001.dcm", "0002.dcm", "0003.dcm", "0004.dcm"]
    assert names(tmp_path) == ["out", "source", "stolen"]


@pytest.mark.parametrize("name", ["notes.txt", "0005.dcm", "12", ".hidden"])
def test_foreign_files_are_never_in_danger(tmp_path, result, name):
    (result / name).write_text("of somebody else")
    for attempt in (lambda: check_folder(result), lambda: atomic_folders(result).__enter__()):
        with pytest.raises(OutputError, match="holds more than an earlier result"):
            attempt()
    assert (result / name).read_text() == "of somebody else"
    assert names(tmp_path) == ["out", "source"]


def test_the_series_of_another_program_is_foreign(tmp_path, result):
    for path in result.iterdir():
        path.unlink()
    for k, path in enumerate(sorted((tmp_path / "source").iterdir())):
        (result / f"{k + 1:04d}.dcm").write_bytes(path.read_bytes())
    with pytest.raises(OutputError, match="holds more"):
        check_folder(result)


def test_files_links_and_missing_parents_are_refused_in_one_line(tmp_path, result):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "link").symlink_to(result)
    for path in (tmp_path / "file", tmp_path / "link", tmp_path / "missing" / "a", tmp_path / "file" / "a"):
        with pytest.raises(OutputError) as caught:
            check_folder(path)
        assert "\n" not in str(caught.value)
    assert len(names(result)) == 4
