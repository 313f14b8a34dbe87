"""Sharpening by too wide a profile shows without a reference, and what it leads to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement import enhancement
from medsr.enhancement.assumed import acquisition_for, told_by_voxels
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.overshoot import MOST, most_overshoot, overshoot
from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.acquisition import acquisition_of, with_assumed
from medsr.physics.assumption import Assumed
from medsr.physics.tasks import Task, degrade

FINE = head((80, 96, 72), (1.0, 1.0, 1.0))
SCAN = degrade(FINE, Task("soft", factor=2, fwhm_mm=1.2))[0]
WIDTH = float(np.ptp(SCAN.data))
SILENT = tiny_model(silent=True)
WIDE = (Assumed("gaussian", 3.0, "estimated", "estimated"),) * 3


def share_of(profile, thickness_mm=None):
    acquisition = acquisition_of(SCAN, factors=(2,), profile=profile, thickness_mm=thickness_mm)
    result = acquisition.op.ibp(torch.from_numpy(np.array(SCAN.data))).numpy()
    return overshoot(SCAN, SCAN.with_data(result, acquisition.fine_affine), acquisition, 0.0, WIDTH)


def test_the_wider_the_assumption_the_more_lies_beyond_the_scan():
    assert share_of("kspace") < share_of("gaussian")
    acquisition = with_assumed(acquisition_of(SCAN, factors=(2,)), WIDE)
    result = acquisition.op.ibp(torch.from_numpy(np.array(SCAN.data))).numpy()
    wider = overshoot(SCAN, SCAN.with_data(result, acquisition.fine_affine), acquisition, 0.0, WIDTH)
    assert wider > 2 * share_of("gaussian")
    assert wider > MOST


def test_what_noise_explains_is_no_overshoot():
    acquisition = acquisition_of(SCAN, factors=(2,))
    cubic = acquisition.op.cubic(torch.from_numpy(np.array(SCAN.data))).numpy()
    off = SCAN.with_data((cubic + 0.02 * WIDTH).astype(np.float32), acquisition.fine_affine)
    assert overshoot(SCAN, off, acquisition, 0.0, WIDTH) > 0.1
    assert overshoot(SCAN, off, acquisition, 0.01 * WIDTH, WIDTH) < 0.01


def test_a_wide_profile_may_overshoot_more():
    assert most_overshoot(acquisition_of(SCAN, factors=(2,))) == MOST
    assert most_overshoot(with_assumed(acquisition_of(SCAN, factors=(2,)), WIDE)) == pytest.approx(MOST * 1.5**3)


@pytest.mark.parametrize(("shares", "width_mm"), [((0.01,), 1.4), ((0.9, 0.01), 1.12), ((0.9, 0.9), None)])
def test_an_estimate_that_overshoots_is_narrowed_and_then_left(monkeypatch, shares, width_mm):
    """The trial's result is fixed: no small scan overshoots by a given share."""
    estimated = (Assumed("gaussian", 1.4, "estimated", "estimated"),) * 3
    monkeypatch.setattr(enhancement, "assumed_from_voxels", lambda *_: estimated)
    found = iter(shares)
    real = enhancement.enhance_region

    def tried(*arguments, **options):
        result = real(*arguments, **options)
        return replace(result, record=replace(result.record, overshoot=next(found)))

    monkeypatch.setattr(enhancement, "enhance_region", tried)
    record = enhance(SCAN, SILENT, EnhanceSettings(noise=0.0)).record
    assert [one["fwhm_mm"] for one in record.task["assumed"]] == pytest.approx([width_mm] * 3, nan_ok=True) or (
        width_mm is None and {one["profile"] for one in record.task["assumed"]} == {"kspace"}
    )
    assert any("the voxels suggest" in text for text in record.warnings) == (width_mm != 1.4)


def test_a_told_profile_is_never_changed():
    told = EnhanceSettings(profile="gaussian")
    ours, theirs = told_by_voxels(SCAN, told)[1], acquisition_for(SCAN, told)
    assert (ours.op, ours.assumed) == (theirs.op, theirs.assumed)


@pytest.mark.parametrize(("beyond", "counts"), [(0.05, False), (0.15, True)])
def test_a_tenth_of_an_edge_may_be_overshot(beyond, counts):
    edge = SCAN.with_data(np.where(np.indices(SCAN.shape)[0] < 20, 0.0, 100.0).astype(np.float32))
    acquisition = acquisition_of(edge, factors=(2,))
    nearest = acquisition.op.nearest(torch.from_numpy(np.array(edge.data))).numpy()
    ringing = nearest + 100 * beyond * (np.indices(nearest.shape)[0] == 40)
    share = overshoot(
        edge, edge.with_data(ringing.astype(np.float32), acquisition.fine_affine), acquisition, 0.0, 100.0
    )
    assert (share > 0) == counts
