"""Contrasts by name: words of protocols and file names."""

from __future__ import annotations

import pytest
from phantoms import head

from medsr.io import load, save
from medsr.io.contrast import contrast_of_words


@pytest.mark.parametrize(
    "text, contrast",
    [
        ("3D TOF neck", "angio"),
        ("MRA_CoW", "angio"),
        ("ep2d_DWI_b1000", "dwi"),
        ("ADC", "dwi"),
        ("PERFUSION_FFE", "asl"),
        ("rCBV map", "asl"),
        ("FSE PD AXIAL OBL", "PDw"),
        ("Axial EPI-FMRI", "bold"),
        ("t1_mprage_sag", ""),
        ("tofu", ""),
        ("", ""),
    ],
)
def test_a_word_of_a_protocol_tells_the_contrast(text, contrast):
    assert contrast_of_words(["ORIGINAL", text]) == contrast


@pytest.mark.parametrize("name, contrast", [("neck tof.nii", "angio"), ("dwi_sub-01_T1w.nii", "T1w"), ("a.nii", "")])
def test_the_name_of_a_file_tells_it_and_a_bids_suffix_goes_first(tmp_path, name, contrast):
    save(head(), tmp_path / name)
    assert load(tmp_path / name).source.contrast == contrast
