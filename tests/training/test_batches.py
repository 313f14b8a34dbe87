"""Laws of batches: the same step gives the same batch, and turning a patch is turning the scan."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from phantoms import head
from small_scans import small_scans

from medsr.model.conditioning import anatomy_maps, expected_detail, scan_maps, slice_phases
from medsr.model.inputs import N_MAPS, N_SCAN_CONDITIONS
from medsr.physics.ops import PROFILES
from medsr.training.batches import (
    Batch,
    _anatomy,
    _turned,
    degraded,
    make_batch,
)
from medsr.training.degradations import AxisParameters, ScannerParameters
from medsr.training.extras import Extras
from medsr.training.flaws import Flaws
from medsr.training.packs import packed
from medsr.training.planting import LESION_WEIGHT
from medsr.training.scans import training_scans

SCANS = training_scans(small_scans())


def batch_of(step, count=6, patch=16, variety=1.0, seed=3, scans=SCANS):
    return make_batch(scans, (seed, step), count, (patch, patch, patch), variety)


def parts(batch):
    return batch.detail, batch.maps, batch.scan, batch.weight


def test_the_same_step_gives_the_same_batch():
    for ours, theirs in zip(parts(batch_of(5)), parts(batch_of(5)), strict=True):
        assert torch.equal(ours, theirs)


def test_other_steps_and_seeds_give_other_batches():
    first = batch_of(5).detail
    assert not torch.equal(first, batch_of(6).detail)
    assert not torch.equal(first, batch_of(5, seed=4).detail)


@pytest.mark.parametrize("patch", [8, 16, 24])
@pytest.mark.parametrize("variety", [0.0, 1.0])
def test_a_batch_has_its_shapes_and_is_finite(patch, variety):
    for step in range(4):
        detail, maps, scan, weight = parts(batch_of(step, 3, patch, variety))
        assert detail.shape == weight.shape == (3, 1, patch, patch, patch)
        assert maps.shape == (3, N_MAPS - 1, patch, patch, patch)
        assert scan.shape == (3, N_SCAN_CONDITIONS)
        assert all(torch.isfinite(part).all() for part in (detail, maps, scan))
        assert ((weight == 1) | (weight == LESION_WEIGHT)).all()


ALL_EXTRAS = Extras(True, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)


def test_extras_left_out_change_nothing():
    batch = make_batch(SCANS, (3, 5), 6, (16, 16, 16), 1.0, Extras())
    for ours, theirs in zip(parts(batch), parts(batch_of(5)), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 12, 8)])
def test_with_all_extras_the_same_step_gives_the_same_batch_and_it_is_finite(shape):
    for step in range(3):
        once, again = (parts(make_batch(SCANS, (3, step), 5, shape, 1.0, ALL_EXTRAS)) for _ in range(2))
        for ours, theirs in zip(once, again, strict=True):
            assert torch.isfinite(ours).all()
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Extras) if one.name != "full_range"])
def test_every_extra_changes_patches(name):
    extras = dataclasses.replace(Extras(), **{name: 1.0})
    changed = [
        not torch.equal(make_batch(SCANS, (3, step), 4, (16, 16, 16), 1.0, extras).detail, batch_of(step, 4).detail)
        for step in range(2)
    ]
    assert all(changed)


def test_without_variety_there_are_no_extras():
    plain = make_batch(SCANS, (3, 5), 6, (16, 16, 16), 0.0, dataclasses.replace(ALL_EXTRAS, full_range=False))
    assert torch.equal(plain.detail, batch_of(5, variety=0.0).detail)


def test_the_network_is_told_one_scanner_and_sees_another():
    x = torch.rand(1, 1, 24, 20, 18, generator=torch.Generator().manual_seed(0))
    told = ScannerParameters((AxisParameters(3.0, "gaussian", 1.0), None, None), 0.0)
    true = ScannerParameters((AxisParameters(3.0, "box", 1.2), None, None), 0.0)
    ibp, op, numbers = degraded(x, told, SPACING, "MR", 0, Flaws(seen=true))
    told_op, true_op = (one.operator((24, 20, 18)) for one in (told, true))
    assert op == told_op
    assert torch.equal(numbers, degraded(x, told, SPACING, "MR", 0)[2])
    torch.testing.assert_close(ibp, told_op.ibp(true_op(x)))


def test_slices_are_uneven_across_the_coarsest_axis_of_what_was_acquired():
    x = torch.ones(1, 1, 24, 20, 18)
    scanner = ScannerParameters((AxisParameters(3.0, "gaussian", 1.0), None, None), 0.0)
    _, op, _ = degraded(x, scanner, (1.0, 1.0, 1.0), "MR", 0)
    ibp, _, _ = degraded(x, scanner, (1.0, 1.0, 1.0), "MR", 0, Flaws(uneven=0.1))
    y = op(ibp)[0, 0]
    torch.testing.assert_close(y, torch.tensor([1.0, 1.1] * 4)[:, None, None].expand(8, 20, 18), atol=1e-4, rtol=0)


def test_detail_has_about_the_size_that_is_expected():
    sizes = torch.cat([batch_of(step, 8).detail.square().mean(dim=(1, 2, 3, 4)).sqrt() for step in range(6)])
    assert 0.2 < sizes.median() < 5


def test_lesions_count_more_in_batches_too():
    weights = torch.cat([batch_of(step).weight for step in range(8)])
    assert (weights == LESION_WEIGHT).any()
    assert (weights.mean(dim=(1, 2, 3, 4)) == 1).any()


def test_a_scan_thinner_than_the_patch_is_mirrored():
    thin = training_scans([packed(head((40, 44, 6), (1.0, 1.0, 5.0)), "sub-1", "sub-1")])
    detail, maps, *_ = parts(batch_of(0, 4, 24, scans=thin))
    assert detail.shape[-3:] == (24, 24, 24)
    assert torch.isfinite(maps).all()


def test_slabs_see_thick_slices_along_their_longest_side():
    """All patches of a batch are turned to one order of axes; the factors among the numbers show which was degraded."""
    shape = (24, 12, 8)
    longest = set()
    for step in range(8):
        detail, maps, numbers, _ = parts(make_batch(SCANS, (3, step), 4, shape, 1.0))
        assert sorted(detail.shape[-3:], reverse=True) == list(shape)
        assert torch.isfinite(maps).all()
        degraded_axes = numbers[:, :9].reshape(4, 3, 3)[:, :, 0] > 0
        assert (degraded_axes.sum(1) == 1).all()
        assert (degraded_axes.int().argmax(1) == detail.shape[-3:].index(24)).all()
        longest.add(detail.shape[-3:].index(24))
    assert longest == {0, 1, 2}


def test_the_shortest_side_of_a_slab_lies_across_the_slices_of_a_2d_scan():
    for step in range(6):
        detail, _, numbers, _ = parts(make_batch([SCANS[1]], (5, step), 1, (24, 12, 8), 1.0))
        log_spacing = numbers[0, :9].reshape(3, 3)[:, 2]
        assert int(log_spacing.argmax()) == detail.shape[-3:].index(8)


# --- symmetries -------------------------------------------------------------------------------------------------------

SPACING = (1.0, 0.7, 2.0)
ORDERS = list(itertools.permutations(range(3)))
FLIPS = list(itertools.product((False, True), repeat=3))


def seen(x, scanner, spacing):
    ibp, op, numbers = degraded(x, scanner, spacing, "MR", seed=0)
    phases = slice_phases(op, tuple(x.shape[-3:]))
    return Batch((x - ibp) / expected_detail(op), anatomy_maps(op, ibp, spacing), phases, numbers, x)


def test_a_patch_of_the_window_has_the_maps_that_the_window_has_there():
    x = torch.rand(1, 1, 18, 20, 15, generator=torch.Generator().manual_seed(0))
    ibp, op, _ = degraded(
        x, ScannerParameters((AxisParameters(2.0, "gaussian", 1.0), None, None), 0.0), SPACING, "MR", seed=0
    )
    for inner in ((slice(0, 18), slice(3, 11), slice(0, 8)), (slice(5, 13), slice(12, 20), slice(7, 15))):
        whole = scan_maps(op, ibp, SPACING)[(..., *inner)]
        assert torch.equal(_anatomy(op, ibp, SPACING, inner), whole[:, :4])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("order", "flips"), [*zip(ORDERS, FLIPS, strict=False), ((2, 0, 1), (True, True, True))])
def test_turning_a_patch_is_degrading_the_turned_scan(profile, order, flips):
    x = torch.rand(1, 1, 18, 20, 15, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    axes = (AxisParameters(2.0, profile, 1.1), None, AxisParameters(2.5, profile, 0.9))
    turned_x = x.permute(0, 1, *(axis + 2 for axis in order)).flip([axis + 2 for axis in range(3) if flips[axis]])
    expected = seen(
        turned_x, ScannerParameters(tuple(axes[axis] for axis in order), 0.0), tuple(SPACING[axis] for axis in order)
    )
    turned = _turned(seen(x, ScannerParameters(axes, 0.0), SPACING), order, flips)
    for part in dataclasses.fields(expected):
        torch.testing.assert_close(getattr(turned, part.name), getattr(expected, part.name), atol=2e-5, rtol=0)
    assert torch.equal(turned.weight, turned_x)


def test_noise_is_rician_in_mr_and_gaussian_in_ct():
    x = torch.zeros(1, 1, 32, 32, 32)
    scanner = ScannerParameters((AxisParameters(2.0, "gaussian", 1.0), None, None), 0.02)
    mr, ct = (degraded(x, scanner, SPACING, modality, seed=1)[0] for modality in ("MR", "CT"))
    assert mr.mean() == pytest.approx(0.02 * np.sqrt(np.pi / 2), rel=0.1)
    assert abs(ct.mean()) < 0.002
    again = degraded(x, scanner, SPACING, "MR", seed=1)[0]
    assert torch.equal(mr, again)
