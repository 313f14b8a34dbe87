"""Real pairs: one frame, one line between the two units, and a reference on its own voxels where that can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import affine, grainy, head
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medsr.enhancement.region import Box, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.io import load
from medsr.physics.acquisition import acquisition_of
from medsr.physics.tasks import TASKS, degrade
from medsr.validation.pair_grids import aligned, paired
from medsr.validation.pairs import pair_trial, tensor_of
from medsr.validation.trial import make_trial, restorations, score

SETTINGS = EnhanceSettings()
FINE = head((40, 44, 36))
TASK = TASKS["thick3"]
COARSE, _ = degrade(FINE, TASK)
SLICES = head((18, 20, 8), (1.0, 1.0, 3.0))
TURNS = [
    affine((1.0, 1.0, 3.0)),
    affine((1.0, 1.0, 3.0), turn_deg=(20, -10, 35), origin_mm=(-30.0, 12.5, 7.25)),
    affine((1.0, 1.0, 3.0), axes=(2, 0, 1), flips=(-1, 1, -1)),
]


def paired_trial(low, high, profile="gaussian", **changes):
    return pair_trial(low, high, "sub-a_T1w", "pair", SETTINGS, profile, **changes)


@pytest.mark.parametrize("matrix", TURNS)
def test_scan_and_result_are_aligned_in_ras_order(matrix):
    scan = SLICES.with_data(SLICES.data, matrix)
    acquisition = acquisition_of(scan, factors=(1, 1, 3))
    after = scan.with_data(acquisition.op.cubic(tensor_of(scan)).numpy() + 1.0, acquisition.fine_affine)
    pair = aligned(scan, after)
    assert pair.acquisition.fine_shape == pair.finer.shape == after.to_ras().shape
    assert sorted(pair.acquisition.factors) == sorted(acquisition.factors)
    box = Box((2, 3, 1), (10, 12, 5))
    part = aligned(scan, crop(after, Box((2, 3, 3), (10, 12, 15))))
    np.testing.assert_array_equal(part.scan.data, crop(scan, box).to_ras().data)


def test_scans_of_different_places_are_not_aligned():
    for other in (affine((1.0, 1.0, 3.0), origin_mm=(100, 0, 0)), TURNS[1]):
        with pytest.raises(UsageError, match="field of view"):
            aligned(SLICES, SLICES.with_data(SLICES.data, other))
    with pytest.raises(UsageError):
        aligned(SLICES, SLICES)


def test_a_degraded_reference_as_a_pair_is_the_trial_itself():
    plain = make_trial(FINE, TASK, SETTINGS)
    trial, fit = paired_trial(COARSE, FINE)
    np.testing.assert_array_equal(trial.reference.data, plain.reference.data)
    np.testing.assert_allclose(trial.input.data, plain.input.data, rtol=1e-6)
    assert trial.acquisition.op == plain.acquisition.op
    assert not np.any(trial.mask & ~plain.mask)
    assert (fit.slope, fit.correlation, fit.covered, fit.turn_deg) == pytest.approx((1, 1, 1, 0), abs=1e-6)
    assert fit.offset == pytest.approx(0, abs=1e-3)
    assert fit.shift_mm < 0.05
    assert fit.interpolated == ""


def test_a_pair_starts_from_the_noise_of_the_trial():
    fine, asked = grainy((144, 144, 16), (1.0, 1.0, 4.0), 4), EnhanceSettings()
    coarse, _ = degrade(fine, TASKS["iso2"])
    trial, _ = pair_trial(coarse, fine, "sub-a_T1w", "pair", asked, "gaussian")
    expected = make_trial(fine, TASKS["iso2"], asked)
    assert trial.noise * trial.scale.width == pytest.approx(expected.noise * expected.scale.width, rel=0.05)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 50), st.floats(-1000, 1000))
def test_the_unit_of_the_low_scan_changes_nothing(scale, offset):
    """Any other scale and offset gives the same trial: the line takes them out."""
    trial, fit = paired_trial(COARSE.with_data((scale * COARSE.data + offset).astype(np.float32)), FINE)
    assert fit.slope == pytest.approx(1 / scale, rel=1e-3)
    np.testing.assert_allclose(trial.input.data, COARSE.data, atol=2e-3 * trial.data_range)


def test_ct_keeps_its_units():
    fine = head((40, 44, 36), modality="CT")
    coarse, _ = degrade(fine, TASK)
    trial, fit = paired_trial(coarse.with_data(coarse.data + 7), fine)
    assert (fit.slope, fit.offset) == (1.0, 0.0)
    np.testing.assert_allclose(trial.input.data, coarse.data + 7)


@pytest.mark.parametrize("mm", [(0.0, 0.0, 0.0), (0.6, 0.0, 0.0), (0.4, -0.5, 0.3)])
def test_what_is_left_of_the_registration_is_reported(mm):
    moved = FINE.with_data(ndimage.shift(FINE.data, mm, order=3, mode="nearest").astype(np.float32))
    _, fit = paired_trial(degrade(moved, TASK)[0], FINE)
    assert fit.shift_mm == pytest.approx(np.linalg.norm(mm), abs=0.15)


def test_only_what_both_cover_is_compared():
    part = crop(FINE, Box((3, 4, 3), (40, 40, 33)))
    pair, interpolated = paired(COARSE, part)
    assert interpolated == ""
    start = np.rint((np.linalg.inv(FINE.affine) @ pair.finer.affine[:, 3])[:3]).astype(int)
    window = tuple(slice(a, a + n) for a, n in zip(start, pair.finer.shape, strict=True))
    np.testing.assert_array_equal(pair.finer.data, FINE.data[window])
    inside = np.linalg.inv(part.affine) @ pair.finer.affine @ [-0.5, -0.5, -0.5, 1]
    assert np.all(inside[:3] > -0.6)


def test_a_reference_between_the_voxels_is_interpolated_and_said_so():
    matrix = FINE.affine.copy()
    matrix[:3, 3] += (0.4, 0, 0)
    moved = FINE.with_data(ndimage.shift(FINE.data, (-0.4, 0, 0), order=3, mode="nearest").astype(np.float32), matrix)
    trial, fit = paired_trial(COARSE, moved)
    assert fit.interpolated == "R"
    assert fit.shift_mm < 0.1
    assert fit.correlation > 0.999
    assert trial.reference.shape[1:] == FINE.shape[1:]


def test_a_small_turn_is_followed():
    turned_affine = affine(turn_deg=(3, 0, 0), origin_mm=FINE.affine[:3, 3])
    onto = np.linalg.inv(FINE.affine) @ turned_affine
    data = ndimage.affine_transform(FINE.data, onto[:3, :3], onto[:3, 3], order=3).astype(np.float32)
    _, fit = paired_trial(COARSE, FINE.with_data(data, turned_affine))
    assert fit.turn_deg == pytest.approx(3)
    assert fit.correlation > 0.99
    assert fit.covered < 1


def test_a_pair_that_was_moved_is_registered_and_what_was_moved_is_said():
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=FINE.shape), 2.5)
    fine = FINE.with_data((FINE.data * (1 + 0.2 * texture / texture.std())).astype(np.float32))
    coarse, _ = degrade(fine, TASK)
    turn, shift_mm = Rotation.from_euler("xyz", (3, -2, 2), degrees=True), (2.0, -1.5, 1.0)
    motion = np.eye(4)  # about the origin, which is the middle of the phantom
    motion[:3, :3], motion[:3, 3] = turn.as_matrix(), shift_mm
    moved = replace(fine, affine=motion @ fine.affine)
    with pytest.raises(UsageError, match=r"match best .* mm apart.*yes in the column register"):
        paired_trial(coarse, moved)
    trial, fit = paired_trial(coarse, moved, registered=False)
    assert fit.moved_mm == pytest.approx(np.linalg.norm(shift_mm), abs=0.1)
    assert fit.moved_deg == pytest.approx(np.degrees(turn.magnitude()), abs=0.5)
    assert 0 < fit.registration_error_mm < 0.5
    assert fit.shift_mm < 0.1
    assert fit.turn_deg < 1
    assert fit.correlation > 0.999
    _, plain = paired_trial(coarse, fine)
    assert (fit.was_registered, plain.was_registered) == (True, False)
    assert np.isnan([plain.moved_mm, plain.moved_deg, plain.registration_error_mm]).all()
    inside = trial.mask
    places = np.argwhere(inside) @ trial.reference.affine[:3, :3].T + trial.reference.affine[:3, 3]
    own = np.linalg.solve(fine.affine, np.column_stack([places, np.ones(len(places))]).T)[:3]
    expected = ndimage.map_coordinates(fine.data, own, order=3, mode="nearest")
    assert np.sqrt(np.mean((trial.reference.data[inside] - expected) ** 2)) < 0.05 * trial.data_range


def test_two_contrasts_that_were_registered_are_refused_without_advice_to_register_them():
    dark = FINE.with_data((FINE.data.max() - FINE.data).astype(np.float32))
    with pytest.raises(UsageError, match=r"0\.85 after registration: pair scans of one contrast$"):
        paired_trial(degrade(dark, TASK)[0], FINE, registered=False)


def test_what_does_not_belong_together_is_refused():
    elsewhere = FINE.affine.copy()
    elsewhere[:3, 3] += (200, 0, 0)
    with pytest.raises(UsageError, match="share 0 x"):
        paired_trial(COARSE, FINE.with_data(FINE.data, elsewhere))
    with pytest.raises(UsageError, match="differ by 30 degrees"):
        paired_trial(COARSE, FINE.with_data(FINE.data, affine(turn_deg=(30, 0, 0), origin_mm=FINE.affine[:3, 3])))
    with pytest.raises(UsageError, match="finer along one axis"):
        paired_trial(FINE, FINE)
    with pytest.raises(UsageError, match="the same or finer"):
        paired_trial(FINE, COARSE)
    with pytest.raises(UsageError, match="low scan is MR"):
        paired_trial(COARSE, replace(FINE, modality="CT"))


def test_another_contrast_is_refused():
    dark = FINE.with_data((FINE.data.max() - FINE.data).astype(np.float32))
    with pytest.raises(UsageError, match="correlate by -"):
        paired_trial(degrade(dark, TASK)[0], FINE)


def test_real_scans_of_unlike_contrast_are_refused_and_a_real_pair_is_measured(shared_data):
    """One subject's T2w in thick slices against its T1w; and a T1w with a profile, noise, place and unit of its own."""
    t1, t2 = (load(shared_data / "train" / f"sub-remind022_{name}.nii.gz").to_ras() for name in ("T1w", "T2w"))
    middle = [n // 2 for n in t1.shape]
    box = Box(tuple(m - 32 for m in middle), tuple(m + 32 for m in middle))
    t1 = crop(t1, box)
    with pytest.raises(UsageError, match="correlate by"):
        paired_trial(degrade(t2, TASKS["thick5"])[0], t1)
    moved = t1.with_data(ndimage.shift(t1.data, (0.3, -0.2, 0.2) / t1.spacing_mm, order=3, mode="nearest"))
    coarse, _ = degrade(moved, replace(TASKS["thick5"], profile="box"))
    noise = np.random.default_rng(0).normal(0, 5, coarse.shape)
    trial, fit = paired_trial(coarse.with_data((0.4 * coarse.data + 100 + noise).astype(np.float32)), t1)
    assert fit.slope == pytest.approx(1 / 0.4, rel=0.05)
    assert fit.shift_mm < 1
    levels = {
        method: score(trial, "sub-a", "pair", method, x, seconds)["psnr_db"]
        for method, x, seconds in restorations(trial, None, ("nearest", "cubic"), SETTINGS)
    }
    assert levels["cubic"] > levels["nearest"]
