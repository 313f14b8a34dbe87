"""Laws of the flaws of real scans: how often, how large, and what each of them does to a scan."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from medsr.training.degradations import AxisParameters, ScannerParameters, sample_scanner
from medsr.training.extras import NO_EXTRAS, Extras
from medsr.training.flaws import (
    CORRELATED_VOX,
    FILLED,
    MOST_SHIFT_VOX,
    MOST_UNEVEN,
    NONE,
    SMOOTHED_VOX,
    TOLD_WIDTH,
    Flaws,
    correlated,
    sample_flaws,
    softened,
    with_slices,
)

TOLD = ScannerParameters((AxisParameters(2.0, "gaussian", 1.1), None, AxisParameters(3.0, "box", 0.9)), 0.01)
EVERYWHERE = (True, True, True)


def white(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def many(extras, told=TOLD, variety=1.0, count=2000):
    return [sample_flaws(np.random.default_rng(seed), extras, told, variety) for seed in range(count)]


# --- the draw ---------------------------------------------------------------------------------------------------------


def test_without_shares_nothing_is_drawn():
    ours, theirs = (np.random.default_rng(0) for _ in range(2))
    assert sample_flaws(ours, NO_EXTRAS, TOLD, 1.0) is NONE
    assert ours.random() == theirs.random()
    assert all(one == NONE for one in many(Extras(soft=1.0, told_wrong=1.0), variety=0.0, count=20))


def test_flaws_come_in_their_shares_and_sizes():
    found = many(Extras(soft=0.4, correlated=0.3, uneven=0.2, moved=0.1, told_wrong=0.5))
    smoothed = [one.smoothed_vox for one in found if one.smoothed_vox]
    filled = [one.filled for one in found if one.filled != 1]
    noise = [one.correlated_vox for one in found if one.correlated_vox]
    uneven = [one.uneven for one in found if one.uneven]
    moved = [one.shift_vox for one in found if one.shift_vox]
    wrong = [one for one in found if one.seen is not None]
    for some, share in ((smoothed, 0.2), (filled, 0.2), (noise, 0.3), (uneven, 0.2), (moved, 0.1), (wrong, 0.5)):
        assert len(some) / len(found) == pytest.approx(share, abs=0.04)
    for some, (low, high) in (
        (smoothed, SMOOTHED_VOX),
        (filled, FILLED),
        (noise, CORRELATED_VOX),
        (uneven, (-MOST_UNEVEN, MOST_UNEVEN)),
        (moved, (0.0, MOST_SHIFT_VOX)),
    ):
        assert low <= min(some) < low + 0.15 * (high - low)
        assert high - 0.15 * (high - low) < max(some) <= high


def test_variety_is_a_factor_of_all_shares():
    found = many(Extras(soft=0.8), variety=0.5)
    assert np.mean([one != NONE for one in found]) == pytest.approx(0.4, abs=0.04)


def test_what_is_told_wrong_is_wrong_by_as_much_as_the_estimate_errs():
    found = [one.seen for one in many(Extras(told_wrong=1.0))]
    ratios = [one.axes[0].width / TOLD.axes[0].width for one in found]
    assert TOLD_WIDTH[0] <= min(ratios) < 0.82 and 1.22 < max(ratios) <= TOLD_WIDTH[1]
    assert np.median(ratios) == pytest.approx(1, abs=0.03)
    for one, ratio in zip(found, ratios, strict=True):
        assert one.noise_sigma == TOLD.noise_sigma
        assert [axis and axis.factor for axis in one.axes] == [2.0, None, 3.0]
        assert one.axes[2].width / TOLD.axes[2].width == pytest.approx(ratio)
    other = [one.axes[0].profile != "gaussian" for one in found]
    assert np.mean(other) == pytest.approx(0.5 * 2 / 3, abs=0.04)  # of three profiles one is the told one


def test_sampling_in_k_space_that_is_told_is_a_profile_in_truth():
    told = dataclasses.replace(TOLD, axes=(AxisParameters(2.0, "kspace", 1.0), None, None))
    assert {one.seen.axes[0].profile for one in many(Extras(told_wrong=1.0), told)} == {"gaussian", "box", "trapezoid"}


def test_a_scanner_that_is_seen_can_be_built_on_the_grid_of_the_told_one():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        told = sample_scanner(rng, (1.0, 1.0, 1.0), EVERYWHERE, 1.0)
        seen = sample_flaws(rng, Extras(told_wrong=1.0), told, 1.0).seen
        ours, theirs = (one.operator((40, 41, 42)).axes for one in (seen, told))
        assert [a and a.n_coarse for a in ours] == [b and b.n_coarse for b in theirs]


# --- what they do -----------------------------------------------------------------------------------------------------


def test_no_flaws_leave_everything_as_it_is():
    x = white(1, 1, 8, 9, 10)
    assert softened(x, NONE, EVERYWHERE) is x
    assert correlated(x, NONE, 0) is x
    assert with_slices(x, NONE, 0) is x


@pytest.mark.parametrize("flaws", [Flaws(smoothed_vox=1.5), Flaws(filled=1.6)])
def test_softening_takes_fine_detail_along_fine_axes_alone_and_keeps_constants(flaws):
    x = white(24, 20, 16)
    soft = softened(x, flaws, (True, False, True))
    power, before = ((torch.fft.fftn(one).abs() ** 2) for one in (soft, x))
    assert power[12].sum() < 0.1 * before[12].sum()
    assert power[..., 8].sum() < 0.1 * before[..., 8].sum()
    mixed = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(softened(x[:, mixed], flaws, (True, False, True)), soft[:, mixed])
    flat = torch.full((24, 20, 16), 0.7)
    torch.testing.assert_close(softened(flat, flaws, EVERYWHERE), flat)


def test_a_zero_filled_truth_holds_nothing_above_what_was_acquired():
    soft = softened(white(40, 40, 40), Flaws(filled=2.0), EVERYWHERE)
    power = torch.fft.fftn(soft).abs() ** 2
    assert power[11:30].sum() < 1e-6 * power.sum()
    torch.testing.assert_close(softened(soft, Flaws(filled=2.0), EVERYWHERE), soft, atol=1e-5, rtol=0)


def likeness(noise, axis):
    """Correlation of neighbours along an axis."""
    n = noise.shape[axis]
    return float((noise.narrow(axis, 0, n - 1) * noise.narrow(axis, 1, n - 1)).mean() / noise.square().mean())


@pytest.mark.parametrize("coarsest", [0, 2])
def test_correlated_noise_keeps_its_size_and_is_shared_in_the_plane_alone(coarsest):
    noise = 0.02 * white(1, 1, 40, 40, 40)
    found = correlated(noise, Flaws(correlated_vox=2.0), coarsest)
    assert found.std().item() == pytest.approx(0.02, rel=0.05)
    assert found.mean().abs() < 0.002
    for axis in range(3):
        assert likeness(found, axis + 2) == pytest.approx(0.0 if axis == coarsest else 0.7, abs=0.1)


@pytest.mark.parametrize("slices", [0, 1, 2])
def test_every_other_slice_is_brighter(slices):
    y = white(1, 1, 6, 7, 8) + 3
    ratio = (with_slices(y, Flaws(uneven=0.05), slices) / y)[0, 0].movedim(slices, 0)
    torch.testing.assert_close(ratio[0::2], torch.ones_like(ratio[0::2]))
    torch.testing.assert_close(ratio[1::2], torch.full_like(ratio[1::2], 1.05))


@pytest.mark.parametrize("slices", [0, 1, 2])
def test_slices_move_in_their_plane_by_at_most_the_shift(slices):
    """A ramp along one axis of the plane shows the shift of each slice."""
    plane = [axis for axis in range(3) if axis != slices]
    shape = [20, 20, 20]
    seen = []
    for axis in plane:
        ramp = torch.arange(20.0).reshape([20 if one == axis else 1 for one in range(3)]).expand(shape)[None, None]
        moved = with_slices(ramp, Flaws(shift_vox=0.4, shift_seed=1), slices)[0, 0] - ramp[0, 0]
        inner = moved.movedim(slices, 0)[:, 4:-4, 4:-4]
        shifts = inner.mean(dim=(1, 2))
        torch.testing.assert_close(inner, shifts[:, None, None].expand_as(inner), atol=1e-3, rtol=0)
        seen.append(shifts)
    for shifts in seen:
        assert 0.36 < shifts.abs().max() < 0.42  # the cubic kernel takes a ramp 3 % too far
        assert len(shifts.unique()) == 20
    assert not torch.allclose(*seen)


def test_moved_slices_are_a_function_of_their_seed():
    y = white(1, 1, 6, 12, 12)
    once, again, other = (with_slices(y, Flaws(shift_vox=0.4, shift_seed=seed), 0) for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
