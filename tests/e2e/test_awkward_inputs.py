"""Every small awkward input of the shared cases, read or judged as its README expects."""

from __future__ import annotations

import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest
from medsr_napari.readers import get_reader
from tiny_models import tiny_model

from medsr import io
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import plan_batch
from medsr.cli.app import run
from medsr.enhancement.assumed import told_by_voxels
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.envelope import judge
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import GeometryError, InputError
from medsr.io.dicom.triage import triage
from medsr.io.nifti_forms import MIRRORED
from medsr.model.weights import load_model

QUICK = EnhanceSettings(flips=0, force=True)


def planned(folder, target):
    return plan_batch(folder, target, BatchRecipe())


def verdict(path):
    volume = io.load(path)
    return judge(*told_by_voxels(volume, EnhanceSettings()), load_model().spec.envelope)


def test_a_linked_subject_is_a_case(shared_cases, tmp_path):
    folder = shutil.copytree(shared_cases / "batch_linked_subjects", tmp_path / "linked")
    subprocess.run(["sh", "make.sh"], cwd=folder, check=True)
    (case,) = planned(folder / "bids", tmp_path / "out").cases
    assert case.target == "sub-01/anat/sub-01_desc-medsr_T1w.nii.gz"


def test_a_folder_of_several_formats_is_planned_whole(shared_cases, tmp_path):
    plan = planned(shared_cases / "batch_other_formats_silent", tmp_path)
    assert [(case.target, case.problem) for case in plan.cases] == [
        ("orig.mgz", ""),
        ("pair.nii.gz", ""),
        ("scan_without_suffix.nii.gz", ""),
    ]
    ((reason, n_files),) = plan.left_out.items()
    assert (reason.startswith("not a scan that medsr can read"), n_files) == (True, 1)  # its README


def test_an_inherited_sidecar_tells_the_thickness(shared_cases):
    scan = io.load(shared_cases / "bids_inherited_sidecar/bids/sub-01/anat/sub-01_T1w.nii.gz")
    assert scan.thickness_mm == 3.0


def test_the_phase_part_is_left_out_with_a_reason(shared_cases, tmp_path):
    plan = planned(shared_cases / "bids_phase_part/bids", tmp_path)
    assert [case.target for case in plan.cases] == ["sub-01/anat/sub-01_part-mag_desc-medsr_T2w.nii.gz"]
    assert "the phase part of a complex scan, which can't be interpolated like a magnitude" in plan.left_out


@pytest.mark.parametrize("hu", [3071, 8000, 30710])
def test_metal_is_admitted(shared_cases, hu):
    assert verdict(shared_cases / f"ct_metal_extended_hu/ct_metal{hu}.nii.gz").objections == ()


@pytest.mark.parametrize("hu", [1024, 2000, 2048, 3024])
def test_padding_of_any_value_is_no_measurement(shared_cases, hu):
    assert verdict(shared_cases / f"ct_padding_nifti/ct_pad{hu}.nii.gz").objections == ()


@pytest.mark.parametrize("name", ["half_step", "overlap"])
def test_two_passes_of_a_ct_are_never_mixed(shared_cases, name):
    folder = shared_cases / "ct_two_passes_one_series" / name
    found = triage(folder).volumes
    assert [volume.stacks[0].shape for volume in found] == [(32, 32, 4), (32, 32, 4)]
    with pytest.raises(GeometryError, match="2 acquisitions") as caught:
        io.load(folder)
    assert "--gaps" not in str(caught.value)


@pytest.mark.parametrize("name", ["cd_dicomdir", "nested"])
def test_a_disc_and_nested_folders_open_in_napari(shared_cases, name):
    path = str(shared_cases / "dicom_cd_nested_napari" / name)
    assert [layer[0].shape for layer in get_reader(path)(path)] == [(8, 32, 32)]
    assert io.load(path).shape == (32, 32, 8)


@pytest.mark.parametrize("name", ["native", "rle", "j2k", "jpegls"])
def test_overlay_bits_are_no_voxel_values(shared_cases, name):
    folder = shared_cases / "dicom_overlay_bits_compressed"
    np.testing.assert_array_equal(io.load(folder / name).data, np.load(folder / "truth.npy"))


@pytest.mark.parametrize(("name", "mm"), [("r0625", 0.625), ("r1250", 1.25)])
def test_rounded_positions_are_even(shared_cases, name, mm):
    assert io.load(shared_cases / "dicom_positions_rounded" / name).spacing_mm[2] == pytest.approx(mm, rel=0.01)


@pytest.mark.parametrize(("name", "n_slices"), [("scan", 8), ("adc", 8), ("ct", 8), ("locin", 7)])
def test_a_scan_among_localizers_and_maps_is_the_one_that_opens(shared_cases, capsys, name, n_slices):
    path = str(shared_cases / "dicom_scan_with_localizer_one_folder" / name)
    assert run(["inspect", path]) == 0
    shown = capsys.readouterr().out
    assert f"32 x 32 x {n_slices} voxels" in shown
    assert "left aside" in shown
    assert [layer[0].shape for layer in get_reader(path)(path)] == [(n_slices, 32, 32)]
    volume = io.load(path)
    assert volume.shape[2] == n_slices
    assert any(text.startswith("files left out") for text in volume.source.warnings)


def test_the_suffix_of_a_result_may_be_in_capitals(shared_cases, tmp_path):
    target = tmp_path / "OUT.NII.GZ"
    assert run(["enhance", str(shared_cases / "enhance_upper_case_output/scan.nii.gz"), str(target), "--force"]) == 0
    assert io.load(target).shape[2] > 8


def test_a_scan_finer_than_usual_needs_no_option(shared_cases):
    assert verdict(shared_cases / "iso_finer_than_0p7/iso065.nii.gz").objections == ()


def test_a_blank_slice_is_noticed(shared_cases):
    assert "is blank" in " ".join(verdict(shared_cases / "mr_blank_slice_inside/blank.nii.gz").notices)


def test_the_modality_is_that_of_the_voxels_whatever_the_name(shared_cases):
    folder = shared_cases / "mr_negative_taken_for_ct"
    guessed, named = (io.load(folder / name) for name in ("T1_resampled.nii.gz", "sub-01_T1w.nii.gz"))
    assert guessed.modality == named.modality == "MR"
    assert (guessed.source.modality_guessed, named.source.modality_guessed) == (True, False)
    window = io.load(folder / "ct_window.nii.gz")
    assert window.modality == "CT"
    assert "window" in window.source.modality_doubt


def test_what_is_not_finite_is_refused_with_a_way_out(shared_cases):
    path = shared_cases / "nan_outside_brain_unclear/nan.nii.gz"
    with pytest.raises(InputError, match=r"1024 of 8192 voxels are NaN; .*--nan lowest"):
        io.load(path)
    assert io.load(path, io.Policies(nan="lowest")).shape == (32, 32, 8)


@pytest.mark.parametrize("name", ["aligned", "mni", "none"])
def test_spaces_and_their_codes_are_those_of_the_scan(shared_cases, tmp_path, name):
    path = shared_cases / "nifti_form_codes_lost" / f"{name}.nii.gz"
    io.save(enhance(io.load(path), tiny_model(silent=True), QUICK).volume, tmp_path / "out.nii.gz")
    before, after = nib.load(path).header, nib.load(tmp_path / "out.nii.gz").header
    assert [int(after[key]) for key in ("sform_code", "qform_code")] == [
        int(before[key]) for key in ("sform_code", "qform_code")
    ]
    fine = np.linalg.inv(before.get_best_affine()) @ after.get_best_affine()
    if name == "mni":
        np.testing.assert_allclose(before.get_qform() @ fine, after.get_qform(), atol=1e-3)


def test_forms_that_disagree_on_left_and_right_are_said(shared_cases):
    assert MIRRORED in io.load(shared_cases / "nifti_left_right_disagree/lr.nii.gz").source.warnings


@pytest.mark.parametrize(
    ("name", "spacing"),
    [
        ("nifti_dim4_zero/t0.nii", (1, 1, 4)),
        ("nifti_gzip_members_and_tail/tail.nii.gz", (1, 1, 4)),
        ("nifti_gzip_members_and_tail/empty_first.nii.gz", (1, 1, 4)),
        ("nifti_gzip_members_and_tail/small_first.nii.gz", (1, 1, 4)),
        ("nifti_quaternion_rounding/q.nii", (1, 1, 4)),
        ("nifti_sform_zero_qform_good/s0.nii", (1, 1, 4)),
    ],
)
def test_headers_that_other_readers_read_are_read(shared_cases, name, spacing):
    volume = io.load(shared_cases / name)
    assert volume.shape == (32, 32, 8)
    np.testing.assert_allclose(volume.spacing_mm, spacing, rtol=1e-5)
