"""Which form of a NIfTI header is believed, and that both come back with their codes."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from phantoms import affine

from medsr import affine as grids
from medsr.errors import GeometryError
from medsr.io.nifti import read_nifti, write_nifti
from medsr.io.nifti_forms import MIRRORED
from medsr.volume import Forms

SHAPE = (6, 5, 4)
SFORM = affine((1.0, 1.2, 4.0), turn_deg=(4, -8, 5), origin_mm=(-30, 12, 7))
SCANNER = affine((1.0, 1.2, 4.0), turn_deg=(9, 3, -6), origin_mm=(11, -70, 42))


def written(path, sform_code, qform_code, qform=SFORM, sform=SFORM, **fields):
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_data_dtype(np.int16)
    header.set_qform(qform, qform_code)
    header.set_sform(sform, sform_code)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + bytes(4) + np.arange(np.prod(SHAPE), dtype=np.int16).tobytes())
    return path


@pytest.mark.parametrize("codes", [(1, 1), (4, 1), (2, 2), (0, 1), (3, 0), (0, 0)])
def test_codes_come_back_and_nothing_is_claimed_that_was_not(tmp_path, codes):
    (volume,) = read_nifti(written(tmp_path / "a.nii", *codes))
    write_nifti([volume], tmp_path / "b.nii")
    header = nib.load(tmp_path / "b.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == codes
    np.testing.assert_allclose(header.get_best_affine(), volume.affine, atol=1e-4)


def test_a_finer_result_lies_in_both_spaces_where_the_scan_lay(tmp_path):
    (volume,) = read_nifti(written(tmp_path / "a.nii", 4, 1, SCANNER))
    shape = (6, 5, 8)
    fine = grids.resized(volume.affine, volume.shape, shape)
    write_nifti([volume.with_data(np.zeros(shape, np.float32), fine)], tmp_path / "b.nii")
    header = nib.load(tmp_path / "b.nii").header
    index = np.linalg.inv(SFORM) @ fine
    np.testing.assert_allclose(header.get_sform(), fine, atol=1e-4)
    np.testing.assert_allclose(header.get_qform(), SCANNER @ index, atol=1e-3)
    assert (int(header["sform_code"]), int(header["qform_code"])) == (4, 1)


def test_a_part_of_a_scan_without_forms_keeps_its_place(tmp_path):
    (volume,) = read_nifti(written(tmp_path / "a.nii", 0, 0))
    corner = volume.affine @ np.array([2, 1, 0, 1.0])
    part = volume.affine.copy()
    part[:, 3] = corner
    write_nifti([volume.with_data(volume.data[2:, 1:], part)], tmp_path / "b.nii")
    header = nib.load(tmp_path / "b.nii").header
    np.testing.assert_allclose(header.get_best_affine(), part, atol=1e-4)
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 0)


@pytest.mark.parametrize(
    ("flips", "said"), [((-1, 1, 1), True), ((-1, -1, 1), True), ((1, 1, -1), True), ((1, 1, 1), False)]
)
def test_forms_that_disagree_on_left_and_right_are_warned_of(tmp_path, flips, said):
    other = SFORM @ np.diag([*flips, 1.0])
    (volume,) = read_nifti(written(tmp_path / "a.nii", 2, 1, other))
    np.testing.assert_allclose(volume.affine, SFORM, atol=1e-4)
    assert (MIRRORED in volume.source.warnings) == said


def test_another_space_is_no_disagreement(tmp_path):
    (volume,) = read_nifti(written(tmp_path / "a.nii", 4, 1, SCANNER))
    assert volume.source.warnings == ()
    assert volume.source.forms == Forms(4, 1, volume.source.forms.to_qform)
    assert volume.source.forms.to_qform is not None


def test_a_form_whose_axis_is_far_from_left_and_right_is_no_mirror(tmp_path):
    sform, qform = (affine((1.0, 1.2, 4.0), turn_deg=(0, 0, angle)) for angle in (40, 96))
    (volume,) = read_nifti(written(tmp_path / "a.nii", 4, 1, qform, sform))
    assert sform[0, 0] * qform[0, 0] < 0
    assert volume.source.warnings == ()


def test_an_sform_of_zeros_gives_way_to_the_qform(tmp_path):
    path = written(tmp_path / "a.nii", 1, 1, SCANNER, srow_x=0, srow_y=0, srow_z=0)
    (volume,) = read_nifti(path)
    np.testing.assert_allclose(volume.affine, SCANNER, atol=1e-3)
    assert "sform (code 1) is all zeros" in " ".join(volume.source.warnings)


def test_a_quaternion_longer_than_one_by_rounding_is_read(tmp_path):
    third = np.float32(np.sqrt((1 + 3.8e-7) / 3))
    path = written(tmp_path / "a.nii", 0, 1, quatern_b=third, quatern_c=third, quatern_d=third)
    (volume,) = read_nifti(path)
    turned = volume.affine[:3, :3] / volume.spacing_mm
    np.testing.assert_allclose(turned, 2 / 3 * np.ones((3, 3)) - np.eye(3), atol=1e-6)


def test_a_broken_form_is_named_with_its_values(tmp_path):
    with pytest.raises(GeometryError, match=r"qform.*quaternion \[9\.0"):
        read_nifti(written(tmp_path / "a.nii", 0, 1, quatern_b=9))
    with pytest.raises(GeometryError, match="the sform is not valid"):
        read_nifti(written(tmp_path / "a.nii", 1, 0, srow_x=0))


@pytest.mark.parametrize("codes", [(6, 1), (4, 99), (6, 6)])
def test_codes_that_nobody_knows_count_as_aligned(tmp_path, codes):
    path = written(tmp_path / "a.nii", 1, 1)
    content = path.read_bytes()
    path.write_bytes(content[:252] + np.array(codes[::-1], "<i2").tobytes() + content[256:])
    (volume,) = read_nifti(path)
    assert f"codes {codes[0]} and {codes[1]}" in volume.source.warnings[0]
    write_nifti([volume], tmp_path / "b.nii")
    header = nib.load(tmp_path / "b.nii").header
    kept = tuple(2 if code > 5 else code for code in codes)
    assert (int(header["sform_code"]), int(header["qform_code"])) == kept
