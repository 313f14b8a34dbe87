"""What file names say: the contrast, and a label that names nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.io.bids import CONTRASTS, bids_name, contrast_of_name, scan_name


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
