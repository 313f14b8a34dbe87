"""Other stacks show in their planes how wide the slices of one are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fusion_stacks import at, motion, stack, truth
from scipy import ndimage
from tiny_models import tiny_model

from medsr.enhancement.settings import EnhanceSettings
from medsr.fusion.fusion import fuse
from medsr.fusion.width import fitted, is_shown
from medsr.physics.acquisition import on_grids
from medsr.physics.assumption import GAUSSIAN_OF_SLICES
from medsr.physics.ops import AxisSampling, Posed, Separable
from medsr.record import stack_text

SCAN = truth()
X = torch.from_numpy(np.array(SCAN.data))
EVERYWHERE = np.ones((48, 48, 12), np.bool_)
SHARP = np.zeros(3)


def operator(profile, fwhm: float) -> Posed:
    thick = AxisSampling(48, 12, profile, fwhm)
    return Posed(Separable((None, None, thick)), np.eye(4), SCAN.shape, SCAN.shape)


@pytest.mark.parametrize(("profile", "fwhm"), [("gaussian", 4.0), ("gaussian", 5.2), ("trapezoid", 3.2)])
def test_the_width_under_which_the_others_predict_the_slices_is_found(profile, fwhm):
    y = operator(profile, fwhm)(X).numpy()
    found = fitted(operator("trapezoid", 4.4), 2, y, EVERYWHERE, X, SHARP)
    assert (found.profile, found.fwhm) == (profile, pytest.approx(fwhm, abs=0.11))


def as_gaussian(axis: AxisSampling) -> float:
    """Width of the Gaussian that blurs as much."""
    return axis.fwhm * (GAUSSIAN_OF_SLICES if axis.profile == "trapezoid" else 1.0)


def test_what_the_others_lost_in_the_plane_of_slices_makes_them_pass_for_narrower_ones_unless_both_are_smoothed():
    others = torch.from_numpy(ndimage.gaussian_filter1d(np.array(SCAN.data), 2.0, axis=0))
    y, assumed = operator("gaussian", 4.4)(X).numpy(), operator("gaussian", 3.0)
    sharp, smooth = (
        as_gaussian(fitted(assumed, 2, y, EVERYWHERE, others, sigma)) for sigma in (SHARP, np.array([4.0, 4.0, 0.0]))
    )
    assert sharp < 3.5
    assert smooth == pytest.approx(4.4, abs=0.6)


def test_slices_that_moved_do_not_count():
    """Three of twelve; their mean error would make the others pass for wider ones."""
    y = operator("gaussian", 4.4)(X).numpy()
    y[:, :, 3:6] = np.roll(y[:, :, 3:6], 3, axis=0)
    found = fitted(operator("trapezoid", 4.4), 2, y, EVERYWHERE, X, SHARP)
    assert (found.profile, found.fwhm) == ("gaussian", pytest.approx(4.4, abs=0.11))


def test_a_width_at_an_end_of_those_tried_is_no_answer():
    y = np.repeat(np.array(SCAN.data)[:, :, 2::4], 1, axis=2)  # no blur at all
    assert fitted(operator("trapezoid", 4.4), 2, y, EVERYWHERE, X, SHARP) is None


def test_what_explains_the_slices_already_is_kept():
    op = operator("box", 4.0)
    assert fitted(op, 2, op(X).numpy(), EVERYWHERE, X, SHARP) is None


def test_slices_in_k_space_have_no_width_to_find():
    op = operator("kspace", 4.0)
    assert fitted(op, 2, operator("gaussian", 4.0)(X).numpy(), EVERYWHERE, X, SHARP) is None


def test_too_few_voxels_tell_nothing():
    op, few = operator("trapezoid", 4.4), np.zeros_like(EVERYWHERE)
    few[20:25, 20:25] = True
    assert fitted(op, 2, operator("gaussian", 5.2)(X).numpy(), few, X, SHARP) is None


def test_a_profile_that_is_told_is_not_looked_for():
    thick = [replace(stack(SCAN, axis), thickness_mm=None) for axis in (2, 1)]
    model, poses = tiny_model(silent=True), [at(np.eye(4))] * 2
    settings = EnhanceSettings(flips=0)
    told = fuse(thick, model, replace(settings, profile="box"), poses=poses)
    assert [one["slices"] for one in told.record.stacks] == [
        {"profile": "box", "fwhm_mm": 4.0, "by_other_stacks": False}
    ] * 2
    found = fuse(thick, model, settings, poses=poses)
    by_others = [one for one in found.record.stacks if one["slices"]["by_other_stacks"]]
    assert "gaussian" in {one["slices"]["profile"] for one in by_others}
    assert "; slices fit the others as gaussian, " in stack_text(by_others[0])
    assert "slices fit" not in stack_text(told.record.stacks[0])


def test_each_stack_is_enhanced_with_the_width_that_the_others_show():
    thick = [replace(stack(SCAN, axis), thickness_mm=None) for axis in (2, 1)]
    found = fuse(thick, tiny_model(silent=True), EnhanceSettings(flips=0), poses=[at(np.eye(4))] * 2)
    for one, given in zip(found.record.stacks, thick, strict=True):
        assumed = one["task"]["assumed"][given.slice_axis]
        assert (assumed["profile"], assumed["profile_from"], assumed["fwhm_from"]) == (
            "gaussian",
            "other stacks",
            "other stacks",
        )
        assert assumed["fwhm_mm"] == pytest.approx(4.0, abs=0.41)


def test_only_stacks_that_run_another_way_show_a_width():
    across, along = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    tilted = np.array([0.0, np.sin(np.radians(30)), np.cos(np.radians(30))])
    assert is_shown(across, [tilted, along])
    assert not is_shown(across, [tilted, -across])


@pytest.mark.parametrize("turn_deg", [0, 30])
def test_parallel_stacks_tell_nothing_of_the_width_of_their_slices(turn_deg):
    """Both blur the same detail: their slices would pass for ones of 2.4 mm."""
    moved = motion(SCAN, (turn_deg, 0, 0), (0, 0, 2))
    thick = [stack(SCAN, 2), stack(SCAN, 2, moved)]
    found = fuse(thick, tiny_model(silent=True), EnhanceSettings(flips=0), poses=[at(np.eye(4)), at(moved)])
    assert not any(one["slices"]["by_other_stacks"] for one in found.record.stacks)


def test_an_acquisition_that_is_known_decides_about_widths_and_the_grid():
    thick, model = [stack(SCAN, axis) for axis in (2, 1)], tiny_model(silent=True)
    known = [on_grids(SCAN.affine, SCAN.shape, one.shape, "box", 3.0) for one in thick]
    found = fuse(thick, model, EnhanceSettings(flips=0), poses=[at(np.eye(4))] * 2, acquisitions=known)
    assert [one["slices"] for one in found.record.stacks] == [
        {"profile": "box", "fwhm_mm": 3.0, "by_other_stacks": False}
    ] * 2
    assert found.acquisition.op == known[0].op
    alone = fuse(thick[:1], model, EnhanceSettings(flips=0), acquisitions=known[:1])
    assert alone.acquisition is known[0]
