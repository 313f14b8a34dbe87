"""MR or CT from the values alone: right for what is clear, and said where it is open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head, noisy_head

from medsr.io import load
from medsr.io.modality import Guess, guess_modality

CT = np.round(head(modality="CT").data)


def test_air_below_soft_tissue_is_a_ct():
    assert guess_modality(CT) == Guess("CT")
    assert guess_modality(np.full((4, 4, 4), -1000, np.float32)) == Guess("CT")


@given(st.integers(-400, 900))
def test_an_mr_stays_one_wherever_its_zero_lies(shift):
    assert guess_modality(head(modality="MR").data + np.float32(shift)).modality == "MR"


def test_a_few_voxels_that_splines_pushed_below_zero_are_no_air():
    undershoot = np.array(head(modality="MR").data)
    undershoot[3, 3, 3] = -600
    assert guess_modality(undershoot) == Guess("MR")


@pytest.mark.parametrize(("low", "high"), [(-160, 240), (-100, 300), (-1000, 45)])
def test_a_ct_that_was_cut_to_a_window_is_a_ct_in_doubt(low, high):
    guess = guess_modality(np.clip(CT, low, high))
    assert guess.modality == "CT"
    assert (f"between {low} and {high}" in guess.doubt) == (low > -500)


def test_a_ct_with_an_offset_is_an_mr_in_doubt(shared_data):
    guess = guess_modality(load(shared_data / "validation" / "sub-sts001_CT.nii.gz").data + 1024)
    assert guess.modality == "MR"
    assert "1024 added" in guess.doubt


def test_an_mr_with_noise_is_beyond_doubt():
    assert guess_modality(noisy_head().data) == Guess("MR")


def test_real_scans_are_what_they_are(shared_data):
    for path in sorted((shared_data / "validation").glob("*.nii.gz")):
        volume = load(path)
        assert guess_modality(volume.data) == Guess(volume.modality)


def test_an_mr_below_zero_with_a_constant_background_is_no_window_of_a_ct():
    shifted = np.round(head(modality="MR").data) - np.float32(200)
    shifted[0] = shifted.min()
    assert guess_modality(shifted) == Guess("MR")


def test_a_ct_without_a_voxel_as_dark_as_air_is_in_doubt():
    """An MR in z-scores that was scaled has voxels below -500 and its median near zero, as a CT of a body has."""
    scores = 250 * np.random.default_rng(0).standard_normal((40, 40, 40)).astype(np.float32)
    scores = np.maximum(scores, -800)
    guess = guess_modality(scores)
    assert (guess.modality, "lowest value is -800" in guess.doubt) == ("CT", True)
