"""load, load_all, save."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import affine, head

import medsr
from medsr.errors import GeometryError, InputError, UsageError
from medsr.io import Policies, load, load_all, save
from medsr.io.formats import endings

DATA = np.arange(4 * 5 * 3, dtype=np.int16).reshape(4, 5, 3)


def test_a_volume_goes_out_and_comes_in(tmp_path):
    volume = head((6, 7, 8), turn_deg=(3, 4, 5))
    save(volume, tmp_path / "a.nii.gz")
    again = load(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(again.data, volume.data)
    assert again.source.format == "nifti"


def test_several_volumes_are_loaded_in_turn_only_when_asked(tmp_path):
    save([head((4, 4, 4))] * 2, tmp_path / "a.nii")
    assert len(load_all(tmp_path / "a.nii")) == 2
    with pytest.raises(InputError, match=r"2 volumes; .* load_all"):
        load(tmp_path / "a.nii")


def test_dicom_is_loaded_by_folder_and_by_file_and_saved_as_nifti(tmp_path):
    paths = write_classic(tmp_path / "series", DATA, affine((1, 1, 3), flips=(-1, -1, 1)))
    for path in (tmp_path / "series", paths[1]):
        volume = load(path)
        assert volume.source.format == "dicom"
        np.testing.assert_array_equal(volume.data, DATA)
    save(volume, tmp_path / "a.nii.gz")
    again = load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-5)
    assert again.source.dtype == "int16"


@pytest.mark.parametrize("name", ["a.dcm", "a.IMA", "a.png", "a.img", "a.nii.zip", "a", "folder"])
def test_other_formats_are_not_written(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=re.escape(endings())):
        save(head(), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_dicom_asks_for_a_series_to_stand_in(tmp_path):
    for name in ("a.dcm", "A.IMA", "."):
        with pytest.raises(UsageError, match="like=SERIES"):
            save(head(), tmp_path / name)


def test_the_voxel_type_that_was_asked_for_is_written(tmp_path):
    save(head((4, 4, 4)), tmp_path / "a.nii", dtype="uint16")
    assert load(tmp_path / "a.nii").source.dtype == "uint16"


def test_policies_reach_the_reader_of_a_series(tmp_path):
    paths = write_classic(tmp_path, np.repeat(DATA, 3, axis=2), affine((1, 1, 3)))
    paths[4].unlink()
    with pytest.raises(GeometryError, match="1 slice is missing"):
        load_all(tmp_path)
    assert load(tmp_path, Policies(gaps="fill")).shape == (4, 5, 9)
    assert len(load_all(tmp_path, Policies(gaps="split"))) == 2


def test_the_package_offers_the_same_functions():
    assert medsr.load is load
    assert medsr.save is save


@pytest.mark.parametrize(
    ("chore", "absent"),
    [
        ("pass", ("numpy", "nibabel", "pydicom", "scipy", "torch")),
        ("medsr.io.load(sys.argv[1])", ("medsr.io.dicom.reading", "highdicom", "scipy.ndimage", "torch")),
    ],
)
def test_no_more_is_imported_than_a_chore_needs(tmp_path, chore, absent):
    save(head((4, 4, 4)), tmp_path / "a.nii")
    code = f"import sys, medsr.io; {chore}; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.nii"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
