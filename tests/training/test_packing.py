"""A folder of scans to packs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from phantoms import head

from medsr import io
from medsr.errors import InputError
from medsr.training import packs
from medsr.training.packing import pack_folder, subjects_below
from medsr.training.packs import read_packs

SCAN = head((12, 14, 10))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        io.save(SCAN, folder / name, dtype="int16")


def packed_names(folder):
    return [scan.name for scan in read_packs(folder)]


def test_flat_and_nested_folders_are_packed_by_subject(folder, tmp_path):
    put(folder, "sub-2_T1w.nii", "sub-1/anat/sub-1_T2w.nii.gz", "sub-1/anat/sub-1_T1w.nii.gz", "sub-1_CT.nii.gz")
    paths = pack_folder(folder, tmp_path / "packs")
    assert [path.name for path in paths] == ["pack-00.zip"]
    assert packed_names(tmp_path / "packs") == ["sub-1_CT", "sub-1_T1w", "sub-1_T2w", "sub-2_T1w"]
    scans = read_packs(tmp_path / "packs")
    assert [scan.subject for scan in scans] == ["sub-1", "sub-1", "sub-1", "sub-2"]
    assert [scan.modality for scan in scans] == ["CT", "MR", "MR", "MR"]


def test_other_files_are_passed_over(folder, tmp_path):
    put(folder, "sub-1_T1w.nii.gz")
    (folder / "README.nii.txt").write_text("no scan")
    (folder / "sub-1_T1w.json").write_text("{}")
    pack_folder(folder, tmp_path / "packs")
    assert packed_names(tmp_path / "packs") == ["sub-1_T1w"]


def test_a_subject_stays_whole_even_where_names_alternate(folder, tmp_path, monkeypatch):
    """By name, sub-1.nii stands before sub-10_T1w.nii and sub-1_T1w.nii behind it."""
    put(folder, "sub-1.nii", "sub-10_T1w.nii", "sub-1_T1w.nii")
    pack_folder(folder, tmp_path / "one")
    monkeypatch.setattr(packs, "MAX_PACK_BYTES", (tmp_path / "one" / "pack-00.zip").stat().st_size - 1)
    pack_folder(folder, tmp_path / "packs")
    index = json.loads((tmp_path / "packs" / "packs.json").read_text())["packs"]
    assert [entry["scans"] for entry in index] == [["sub-1", "sub-1_T1w"], ["sub-10_T1w"]]


def test_packing_twice_gives_the_same_packs(folder, tmp_path):
    put(folder, "sub-1_T1w.nii", "sub-2_T1w.nii")
    for name in ("a", "b"):
        pack_folder(folder, tmp_path / name)
    assert packs.packs_sha256(tmp_path / "a") == packs.packs_sha256(tmp_path / "b")


def test_a_folder_without_scans_is_refused(folder, tmp_path):
    (folder / "notes.txt").write_text("no scan")
    with pytest.raises(InputError, match=r"no \.mgh, .*\.nii\.gz or \.nrrd below it"):
        pack_folder(folder, tmp_path / "packs")
    assert not (tmp_path / "packs").exists()


@pytest.mark.parametrize("name", ["scan.nii", "T1w_sub-1.nii", "sub-_T1w.nii"])
def test_a_name_without_subject_is_refused(folder, tmp_path, name):
    put(folder, name)
    with pytest.raises(InputError, match="names no subject"):
        pack_folder(folder, tmp_path / "packs")


def test_two_sessions_of_one_name_are_refused(folder, tmp_path):
    put(folder, "ses-1/sub-1_T1w.nii", "ses-2/sub-1_T1w.nii")
    with pytest.raises(InputError, match="two scans are called sub-1_T1w"):
        pack_folder(folder, tmp_path / "packs")


def test_a_damaged_scan_is_named(folder, tmp_path):
    put(folder, "sub-1_T1w.nii")
    content = (folder / "sub-1_T1w.nii").read_bytes()
    (folder / "sub-1_T1w.nii").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"sub-1_T1w\.nii"):
        pack_folder(folder, tmp_path / "packs")


def test_packs_can_be_kept_within_a_size(folder, tmp_path):
    noise = SCAN.with_data(np.random.default_rng(0).integers(200, 900, (40, 40, 40)).astype(np.float32))
    for name in ("sub-1_T1w.nii", "sub-2_T1w.nii"):
        io.save(noise, folder / name, dtype="int16")
    whole = sum(path.stat().st_size for path in pack_folder(folder, tmp_path / "whole"))
    small = pack_folder(folder, tmp_path / "small", whole // 2)
    assert sum(path.stat().st_size for path in small) <= whole // 2
    assert packed_names(tmp_path / "small") == packed_names(tmp_path / "whole")


def test_subjects_are_known_before_anything_is_packed(folder):
    put(folder, "sub-2_T1w.nii", "sub-1_T2w.nii.gz", "sub-1_T1w.nii.gz")
    assert subjects_below(folder) == {"sub-1", "sub-2"}
