"""The grid of an image from its header: every format and orientation, and what is no grid."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_phantoms import SECRET
from fusion_stacks import motion, stack, truth, write_series

from medsr.errors import GeometryError, InputError
from medsr.fusion.files import grid_of
from medsr.fusion.grid_file import read_grid
from medsr.io import Policies, save
from medsr.io.dicom.reading import read_dicom_scans
from medsr.volume import Volume

SCAN = truth(24)
TURNED = motion(SCAN, (10, -20, 15), (3, 2, 1)) @ [[0, -1, 0, 30], [0, 0, -1.5, 30], [-2, 0, 0, 30], [0, 0, 0, 1.0]]


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mgz", "a.nrrd", "a.mha"])
def test_every_format_tells_shape_and_affine(tmp_path, name):
    save(Volume(np.zeros((7, 8, 9), np.float32), TURNED), tmp_path / name)
    grid, slices = read_grid(tmp_path / name, Policies())
    assert (grid.shape, slices) == ((7, 8, 9), None)
    np.testing.assert_allclose(grid.affine, TURNED, atol=1e-4)


def test_only_the_header_counts(tmp_path):
    """A mask of whole numbers, or an image of which voxels are no numbers, has a grid as well."""
    voxels = np.full((7, 8, 9), np.nan, np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, TURNED), tmp_path / "nan.nii.gz")
    assert read_grid(tmp_path / "nan.nii.gz", Policies())[0].shape == (7, 8, 9)


def test_a_series_has_a_grid_by_its_folder_and_by_any_of_its_files(tmp_path):
    write_series(tmp_path / "axial", stack(SCAN, 2))
    expected = read_dicom_scans(tmp_path / "axial")[0].volume
    for path in (tmp_path / "axial", next((tmp_path / "axial").iterdir())):
        grid, slices = read_grid(path, Policies())
        assert grid.shape == expected.shape
        assert slices is not None
        np.testing.assert_array_equal(grid.affine, expected.affine)


def test_a_series_of_another_patient_is_refused_without_a_word_of_who_that_is(tmp_path):
    def of_another(dataset, k):
        dataset.PatientID = f"{SECRET}2"

    write_series(tmp_path / "axial", stack(SCAN, 2))
    write_series(tmp_path / "other", stack(SCAN, 1), of_another)
    places = [None, read_dicom_scans(tmp_path / "axial")[0].stack]
    with pytest.raises(InputError, match=r"other: is of another patient than stack 2, as its PatientID says") as caught:
        grid_of(tmp_path / "other", Policies(), places)
    assert SECRET not in str(caught.value)
    assert grid_of(tmp_path / "axial", Policies(), places).shape == (24, 24, 6)
    assert grid_of(tmp_path / "other", Policies(), [None]).shape == (24, 24, 6)


def made(path: Path, kind: str) -> Path:
    image = nibabel.Nifti1Image(np.zeros((7, 8, 9), np.int16), TURNED)
    if kind == "4D":
        image = nibabel.Nifti1Image(np.zeros((7, 8, 9, 5), np.int16), TURNED)
    if kind == "sheared":
        sheared = TURNED @ [[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        image = nibabel.Nifti1Image(np.zeros((7, 8, 9), np.int16), sheared)
    if kind == "flat":
        image = nibabel.Nifti1Image(np.zeros((7, 8, 1), np.int16), TURNED)
    nibabel.save(image, path)
    if kind == "text":
        path.write_text("no image")
    if kind == "missing":
        path.unlink()
    return path


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("4D", InputError, "holds 5 volumes; expected an image with one as the grid"),
        ("sheared", GeometryError, "sheared by"),
        ("flat", InputError, "at least 2 along every axis"),
        ("text", InputError, "not a scan that medsr can read"),
        ("missing", InputError, "opened \\(No such file or directory\\)"),
    ],
)
def test_what_is_no_grid_is_refused_in_one_line_with_its_path(tmp_path, kind, error, said):
    path = made(tmp_path / "image.nii", kind)
    with pytest.raises(error, match=said) as caught:
        read_grid(path, Policies())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
