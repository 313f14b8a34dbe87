"""A batch and whoever asks about the same folder hear the same of every file."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import affine, head

from medsr.errors import MedsrError
from medsr.io import save
from medsr.io.dicom.triage import triage
from medsr.io.discover import HIDDEN_FILE, beside_volumes, discover
from medsr.io.folders import HIDDEN

DATA = np.arange(8 * 8 * 4, dtype=np.int16).reshape(8, 8, 4)
SCAN = head((6, 7, 8))


@pytest.fixture
def mixed(tmp_path):
    """A DICOM series, scans of other formats with and without a suffix, and what is no scan."""
    write_classic(tmp_path / "series", DATA, affine((1, 1, 3)))
    for name in ("a.nii.gz", "b.mgz", ".hidden.nii", "sub-1_part-phase_T1w.nii.gz"):
        save(SCAN, tmp_path / name)
    shutil.copy(tmp_path / "a.nii.gz", tmp_path / "unnamed")
    shutil.copy(tmp_path / "a.nii.gz", tmp_path / "notes.txt")
    (tmp_path / "broken.nii").write_text("no scan")
    (tmp_path / ".DS_Store").write_text("of a file manager")
    (tmp_path / "program").write_text("no scan")
    (tmp_path / ".git").mkdir()
    shutil.copy(tmp_path / "a.nii.gz", tmp_path / ".git" / "a.nii.gz")
    return tmp_path


def test_what_lies_beside_volumes_is_what_a_batch_makes_of_it(mixed):
    planned = discover(mixed)
    alone, others = beside_volumes(mixed, triage(mixed).left_out)
    assert {(one.place, one.problem) for one in alone} == {
        (one.place, one.problem) for one in planned.found if not one.number
    }
    assert {(left.path, left.reason) for left in others} == {(left.path, left.reason) for left in planned.left_out}
    assert {one.place for one in alone} == {"a.nii.gz", "b.mgz", "unnamed", "broken.nii"}
    assert {left.path.name: left.reason for left in others if left.path.name.startswith(".")} == {
        ".hidden.nii": HIDDEN_FILE,
        ".DS_Store": HIDDEN_FILE,
        ".git": HIDDEN,
    }


def test_a_data_set_is_judged_as_one(mixed):
    (mixed / "dataset_description.json").write_text("{}")
    (mixed / "sub-1" / "anat").mkdir(parents=True)
    save(SCAN, mixed / "sub-1" / "anat" / "sub-1_T1w.nii.gz")
    alone, others = beside_volumes(mixed, triage(mixed).left_out)
    assert [one.place for one in alone] == ["sub-1/anat/sub-1_T1w.nii.gz"]
    assert "not in a subject's folder of the BIDS data set" in {left.reason for left in others}


def test_the_voxels_of_a_header_are_part_of_its_scan(tmp_path):
    nib.Nifti1Pair(np.asarray(SCAN.data), SCAN.affine).to_filename(tmp_path / "scan.hdr")
    (one,), others = beside_volumes(tmp_path, triage(tmp_path).left_out)
    assert {path.name for path in one.files} == {"scan.hdr", "scan.img"}
    assert others == []


def test_slices_may_have_hidden_names(tmp_path):
    for path in write_classic(tmp_path, DATA, affine((1, 1, 3))):
        path.rename(path.with_name(f".{path.name}"))
    (one,) = discover(tmp_path).found
    assert (len(one.files), one.problem) == (4, "")


@pytest.mark.parametrize("name", ["scan.txt", ".scan.nii.gz"])
def test_a_file_that_the_user_names_may_be_called_as_it_likes(tmp_path, name):
    save(SCAN, tmp_path / "scan.nii.gz")
    (tmp_path / "scan.nii.gz").rename(tmp_path / name)
    (one,) = discover(tmp_path / name).found
    assert one.outline.shape == SCAN.shape
    assert not discover(tmp_path).found


def test_a_folder_of_nothing_has_nothing_to_say(tmp_path):
    with pytest.raises(MedsrError, match="holds no file"):
        discover(tmp_path)


def test_slices_of_dicom_are_found_by_their_content_whatever_they_are_called(tmp_path):
    series = tmp_path / "series"
    for number, path in enumerate(sorted(write_classic(series, DATA, affine((1, 1, 3))))):
        path.rename(path.with_suffix((".txt", ".nii.gz", ".json", ".IMA")[number]))
    (series / "notes.txt").write_text("no scan")
    planned = discover(tmp_path)
    (found,) = planned.found
    assert (len(found.files), found.problem) == (4, "")
    (left,) = planned.left_out
    assert (left.path.name, left.reason) == ("notes.txt", "not a scan by its name")
    assert len(triage(tmp_path).volumes[0].paths) == 4


def test_a_data_set_goes_by_its_names(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    anat = tmp_path / "sub-1" / "anat"
    anat.mkdir(parents=True)
    save(SCAN, anat / "sub-1_T1w.nii.gz")
    write_classic(tmp_path / "source", DATA, affine((1, 1, 3)))[0].rename(anat / "sub-1_T1w.json")
    planned = discover(tmp_path)
    assert [one.place for one in planned.found] == ["sub-1/anat/sub-1_T1w.nii.gz"]
    assert anat / "sub-1_T1w.json" in {left.path for left in planned.left_out}
