"""Patterns that are no anatomy: where they lie, and findings that are known for methods that are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import head

from medsr.metrics.error import foreground_mask
from medsr.physics.tasks import TASKS, degrade
from medsr.validation.patterns import pattern_findings, phantom_of

NAMES = ["wide bars", "narrow bars", "crosses", "letter"]


def case(task="thick5", modality="MR", shape=(80, 80, 80)):
    reference = head(shape, modality=modality)
    acquisition = degrade(reference, TASKS[task])[1]
    phantom = phantom_of(reference, foreground_mask(reference.data, modality), acquisition)
    return phantom, degrade(phantom.volume, TASKS[task])[0], acquisition


PHANTOM, DEGRADED, ACQUISITION = case()
PLACES = {pattern.name: pattern for pattern in PHANTOM.patterns}


def found(x):
    return {one.pattern: one for one in pattern_findings(PHANTOM, DEGRADED, ACQUISITION.op, x.astype(np.float32))}


def restored(kind):
    op = ACQUISITION.op
    return getattr(op, kind)(torch.from_numpy(DEGRADED.data.astype(np.float64))).numpy()


def test_the_truth_has_no_error_and_all_that_it_adds_is_true():
    for one in found(PHANTOM.volume.data).values():
        assert (one.error, one.overshoot) == (0.0, 0.0)
        assert one.cubic_error > 0.05
        assert one.added == pytest.approx(1.0)
        assert not one.worse_than_cubic


def test_the_ibp_estimate_adds_nothing_and_cubic_is_as_good_as_cubic():
    assert all(np.isnan(one.added) for one in found(restored("ibp")).values())
    as_cubic = found(restored("cubic")).values()
    assert all(one.error == pytest.approx(one.cubic_error, rel=1e-5) for one in as_cubic)
    assert not any(one.worse_than_cubic for one in as_cubic)
    a_little_off = found(restored("cubic") + 0.01 * PHANTOM.contrast).values()
    assert not any(one.worse_than_cubic for one in a_little_off)


def test_detail_of_the_wrong_sign_is_worse_than_nothing():
    ibp = restored("ibp")
    for one in found(ibp - 2 * (PHANTOM.volume.data - ibp)).values():
        assert one.added == pytest.approx(-1.0, abs=1e-3)
        assert one.worse_than_cubic


@pytest.mark.parametrize("share", [0.4, -0.3])
def test_overshoot_is_told_in_units_of_the_contrast_on_either_side(share):
    x = PHANTOM.volume.data + 0
    for pattern in PHANTOM.patterns:
        inside = x[pattern.window] > PHANTOM.low
        x[pattern.window] += np.float32(share * PHANTOM.contrast) * (inside if share > 0 else ~inside)
    for one in found(x).values():
        assert one.overshoot == pytest.approx(abs(share), rel=1e-3)


@pytest.mark.parametrize("modality", ["MR", "CT"])
@pytest.mark.parametrize("task", ["thick5", "iso2"])
def test_a_phantom_holds_every_pattern_once_in_the_intensities_of_its_scan(task, modality):
    phantom, _, _ = case(task, modality)
    values = np.unique(phantom.volume.data)
    assert len(values) == 3
    assert values[1:] == pytest.approx([phantom.low, phantom.low + phantom.contrast])
    assert [pattern.name for pattern in phantom.patterns] == NAMES
    taken = np.zeros(phantom.volume.shape, int)
    for pattern in phantom.patterns:
        taken[pattern.window] += 1
        share = (phantom.volume.data[pattern.window] == values[2]).mean()
        assert 0.1 < share < 0.7
    assert taken.max() == 1
    assert not (phantom.volume.data[taken == 0] == values[2]).any()


def test_bars_have_their_period_along_the_slices():
    """Four and two and a half slices of 5 mm, on voxels of 1 mm."""
    for name, period in (("wide bars", 20), ("narrow bars", 12.5)):
        pattern = PLACES[name]
        assert pattern.size_mm == pytest.approx(period)
        bars = PHANTOM.volume.data[pattern.window]
        line = bars[0, 0]
        assert (bars == line).all()
        starts = np.flatnonzero(np.diff((line > PHANTOM.low).astype(int)) == 1)
        assert np.diff(starts) == pytest.approx(period, abs=0.5)


def test_strokes_have_their_width_along_the_slices_and_across_them():
    phantom, _, _ = case(shape=(110, 60, 100))
    letter = phantom.volume.data[phantom.patterns[-1].window] > phantom.low
    plane = letter[:, 0, :]
    assert (letter == plane[:, None, :]).all()
    n_strokes = [np.count_nonzero(np.diff(line.astype(int), prepend=0) == 1) for line in plane]
    for line in plane[np.equal(n_strokes, 3)]:
        ends = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(int), [0]])))
        assert ends[1::2] - ends[::2] == pytest.approx([7.5, 7.5, 7.5], abs=0.5)
    spine = np.equal(plane.mean(1), plane.mean(1).max())
    assert spine.sum() == pytest.approx(7.5, abs=0.5)
    assert n_strokes.count(3) > 15


def test_where_there_is_no_room_there_is_no_phantom():
    reference = head((80, 80, 40))
    acquisition = degrade(reference, TASKS["thick5"])[1]
    assert phantom_of(reference, foreground_mask(reference.data, "MR"), acquisition) is None
    small = head((24, 80, 80))
    acquisition = degrade(small, TASKS["thick5"])[1]
    assert phantom_of(small, foreground_mask(small.data, "MR"), acquisition) is None
