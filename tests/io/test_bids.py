"""What file names say: the contrast, and a label that names nobody."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.io.bids import (
    CONTRASTS,
    Sidecar,
    bids_name,
    contrast_of_name,
    fused_name,
    part_of_name,
    scan_name,
    sidecar_of,
)


@pytest.mark.parametrize("name", ["sub-01_T1w", "sub-x12_ses-2_acq-thick_T2w", "sub-cmbcrc01_CT"])
def test_a_bids_name_is_kept(name):
    assert scan_name(f"{name}.nii.gz") == scan_name(f"{name}.NII") == scan_name(name) == name


@pytest.mark.parametrize("name", ["Mueller_T1w.nii", "sub-01_Mueller, Anna_T1w.nii", "scan.nii.gz", "sub-", ""])
def test_any_other_name_becomes_a_hash(name):
    assert scan_name(name).startswith("scan-")
    assert len(scan_name(name)) == len("scan-") + 8


def test_a_file_of_a_series_is_hashed_with_its_suffix():
    assert len({scan_name(name) for name in ("IM1", "IM1.dcm", "IM1.ima")}) == 3


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters=".")))
def test_a_label_depends_on_the_name_alone_and_is_safe(stem):
    label = scan_name(f"{stem}.nii.gz")
    assert label == scan_name(f"{stem}.nii")
    assert label.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_contrast_is_the_last_part(contrast):
    assert contrast_of_name(f"sub-01_{contrast}.NII") == contrast
    assert contrast_of_name(f"{contrast}.nii") == ""
    assert contrast_of_name("sub-01_T1w.nii.gz") == "T1w"
    assert contrast_of_name("sub-01_T1w_mask.nii.gz") == ""


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("sub-01/anat/sub-01_T1w", "sub-01/anat/sub-01_desc-medsr_T1w"),
        ("sub-01_ses-2_acq-x_FLAIR", "sub-01_ses-2_acq-x_desc-medsr_FLAIR"),
        ("sub-01_desc-preproc_T1w", "sub-01_desc-preprocmedsr_T1w"),
    ],
)
def test_bids_names_tell_what_was_done(name, made):
    assert bids_name(name) == made


def sidecar(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_the_nearest_sidecar_counts_and_others_fill_what_it_leaves_out(tmp_path):
    scan = tmp_path / "sub-1" / "anat" / "sub-1_acq-x_T1w.nii.gz"
    sidecar(tmp_path / "dataset_description.json")
    sidecar(tmp_path / "T1w.json", SliceThickness=3.0, MRAcquisitionType="2D")
    sidecar(tmp_path / "T2w.json", SliceThickness=9.0)
    sidecar(tmp_path / "acq-y_T1w.json", SliceThickness=8.0)
    sidecar(scan.parent / "sub-1_acq-x_T2w.json", SliceThickness=7.0)
    assert sidecar_of(scan) == Sidecar(3.0, "2D")
    sidecar(tmp_path / "acq-x_T1w.json", SliceThickness=4.0)
    assert sidecar_of(scan) == Sidecar(4.0, "2D")
    sidecar(tmp_path / "sub-1" / "sub-1_T1w.json", SliceThickness=5.0)
    assert sidecar_of(scan) == Sidecar(5.0, "2D")
    sidecar(scan.parent / "sub-1_acq-x_T1w.json", SliceThickness=6.0)
    assert sidecar_of(scan) == Sidecar(6.0, "2D")


def test_nothing_is_inherited_outside_a_data_set(tmp_path):
    sidecar(tmp_path / "T1w.json", SliceThickness=3.0)
    sidecar(tmp_path / "below" / "dataset_description.json")
    assert sidecar_of(tmp_path / "sub-1_T1w.nii.gz") == Sidecar()
    assert sidecar_of(tmp_path / "below" / "sub-1_T1w.nii.gz") == Sidecar()


@pytest.mark.parametrize(
    ("name", "part"),
    [("sub-1_part-phase_T2w.nii.gz", "phase"), ("sub-1_part-mag_T2w.nii", "mag"), ("sub-1_T2w.nii", ""), ("a.nii", "")],
)
def test_the_part_of_a_complex_scan_is_told_by_its_name(name, part):
    assert part_of_name(name) == part


@pytest.mark.parametrize("content", ['[["SliceThickness", 7]]', "[]", "7", '"SliceThickness"'])
def test_a_sidecar_that_is_no_object_is_warned_of(tmp_path, content):
    (tmp_path / "sub-1_T1w.json").write_text(content)
    assert sidecar_of(tmp_path / "sub-1_T1w.nii.gz").warnings


@pytest.mark.parametrize(
    ("name", "fused"),
    [
        ("sub-1_acq-ax_run-2_T2w", "sub-1_acq-fused_T2w"),
        ("a/sub-1_ses-2_dir-AP_T2w", "a/sub-1_ses-2_acq-fused_T2w"),
        ("sub-1_T2w", "sub-1_acq-fused_T2w"),
        ("sub-1_task-x_acq-a_ce-gd_rec-b_run-1_echo-2_T1w", "sub-1_task-x_acq-fused_ce-gd_rec-b_echo-2_T1w"),
        ("sub-1_ce-gd_run-1_T1w", "sub-1_acq-fused_ce-gd_T1w"),
        ("scan", ""),
        ("sub-1", ""),
        ("ses-1_T1w", ""),
        ("", ""),
    ],
)
def test_stacks_of_one_body_share_one_name(name, fused):
    assert fused_name(name) == fused
