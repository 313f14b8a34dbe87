"""A region is the whole's own part: same place, same noise, nearly the same values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, blank, head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.region import LEAST_VOX, Box, central_block, crop, enhance_region, most_margin, part_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.physics.acquisition import acquisition_of

SCAN = head((30, 28, 20), (1.0, 1.0, 3.0)).with_data(
    head((30, 28, 20), (1.0, 1.0, 3.0)).data, affine((1.0, 1.0, 3.0), turn_deg=(20, -10, 35), origin_mm=(-30, 12, 7))
)
MODEL = tiny_model()
BOX = Box((8, 9, 7), (20, 18, 12))
SETTINGS = EnhanceSettings(samples=2, steps=2, seed=5, flips=0)


@st.composite
def boxes(draw, least=1):
    start = [draw(st.integers(0, n - least)) for n in SCAN.shape]
    return Box(tuple(start), tuple(draw(st.integers(a + least, n)) for a, n in zip(start, SCAN.shape, strict=True)))


@pytest.mark.parametrize("mode", ["mean", "sample", "uncertainty"])
def test_a_region_is_the_part_of_the_whole_where_it_lies(mode):
    settings = dataclasses.replace(SETTINGS, mode=mode)
    acquisition = acquisition_of(SCAN, factors=(1, 1, 3))
    whole = enhance(SCAN, MODEL, settings, acquisition)
    result = enhance_region(SCAN, BOX, MODEL, settings, acquisition)
    expected = crop(whole.volume, Box((8, 9, 21), (20, 18, 36)))
    np.testing.assert_allclose(result.volume.affine, expected.affine, atol=1e-9)
    R = np.ptp(whole.volume.data)
    assert np.sqrt(np.mean((result.volume.data - expected.data) ** 2)) < 2e-3 * R
    if mode == "uncertainty":
        theirs = crop(whole.uncertainty, Box((8, 9, 21), (20, 18, 36))).data
        np.testing.assert_allclose(result.uncertainty.data, theirs, atol=5e-3 * R)


def test_the_record_says_that_it_is_a_region():
    record = enhance_region(SCAN, BOX, MODEL, SETTINGS, acquisition_of(SCAN)).record
    assert any("region" in warning for warning in record.warnings)


def test_the_states_of_a_sample_are_those_of_the_region():
    seen = {}
    settings = dataclasses.replace(SETTINGS, mode="sample", steps=3)
    result = enhance_region(SCAN, BOX, MODEL, settings, acquisition_of(SCAN), on_state=seen.__setitem__)
    assert list(seen) == [0, 1, 2]
    for step in seen.values():
        assert {scan.shape for scan in (step.noisy, step.clean, step.measured, step.prior)} == {result.volume.shape}
        np.testing.assert_allclose(step.measured.data + step.prior.data, step.clean.data, atol=1e-4)
    np.testing.assert_allclose(seen[2].noisy.data, result.volume.data, atol=1e-3)
    first, second, last = (seen[number].noisy.data for number in range(3))
    assert np.std(first - last) > np.std(second - last)


@given(boxes(), st.sampled_from([None, (1, 1, 3), (1.3, 1, 2.7)]))
def test_a_part_holds_the_region_and_its_margin_and_keeps_the_operator(box, factors):
    acquisition = acquisition_of(SCAN, factors=factors)
    part = part_of(SCAN, box, acquisition)
    assert all(b >= LEAST_VOX for b in part.box.shape)
    for inner, outer, wanted, n in zip(
        zip(part.box.start, part.box.stop, strict=True),
        zip(part.outer.start, part.outer.stop, strict=True),
        zip(box.start, box.stop, strict=True),
        SCAN.shape,
        strict=True,
    ):
        assert 0 <= outer[0] <= inner[0] <= wanted[0] < wanted[1] <= inner[1] <= outer[1] <= n
    for ours, theirs in zip(part.acquisition.op.axes, acquisition.op.axes, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.profile, ours.fwhm) == (theirs.profile, theirs.fwhm)


@given(boxes(least=2))
def test_cropped_voxels_stay_where_they_are(box):
    part = crop(SCAN, box)
    middle = np.array(part.shape) // 2
    np.testing.assert_allclose(
        part.affine[:3, :3] @ middle + part.affine[:3, 3],
        SCAN.affine[:3, :3] @ (middle + box.start) + SCAN.affine[:3, 3],
        atol=1e-9,
    )
    assert part.data[tuple(middle)] == SCAN.data[tuple(middle + box.start)]


@pytest.mark.parametrize("box", [((0, 0, 0), (0, 4, 4)), ((-1, 0, 0), (4, 4, 4))])
def test_an_empty_box_is_refused(box):
    with pytest.raises(UsageError, match="at least one"):
        Box(*box)


def test_a_box_outside_the_scan_is_refused():
    with pytest.raises(UsageError, match="inside it"):
        part_of(SCAN, Box((0, 0, 0), (31, 4, 4)), acquisition_of(SCAN))


def test_the_central_block_lies_in_the_middle_and_inside():
    box = central_block(SCAN, 9)
    for start, stop, n in zip(box.start, box.stop, SCAN.shape, strict=True):
        assert stop - start == min(9, n)
        assert abs((start + stop) - n) <= 1
    assert central_block(SCAN, 10_000) == Box((0, 0, 0), SCAN.shape)


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_a_region_is_widened_as_far_as_memory_is_reckoned_and_no_further(factor):
    n = 60
    scan = blank((4, 4, n))
    acquisition = acquisition_of(scan, factors=(2, 1, factor))
    boxes = [Box((0, 0, start), (4, 4, start + 12)) for start in range(20, 28)]
    widened = [box.start[2] - part_of(scan, box, acquisition).outer.start[2] for box in boxes]
    assert max(widened) == most_margin(n, n * factor)
