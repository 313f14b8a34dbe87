"""Laws of packs within a size: nobody gets more than is needed, and what stays is a block of the scan as it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_scans import small_scans

from medsr.errors import ResourceError
from medsr.model.intensity import Scale
from medsr.training import cropping
from medsr.training.cropping import block_sides, even_shares, most_informative, within
from medsr.training.packs import PackedScan, bytes_in_pack, write_packs

SHAPES = st.tuples(*[st.integers(1, 60)] * 3)


def noisy(name, subject, n=40, seed=0):
    data = np.random.default_rng(seed).integers(200, 400, (n, n, n)).astype(np.int16)
    return PackedScan(name, subject, "MR", (1.0, 1.0, 1.0), Scale(0.0, 500.0), data)


def several():
    """Two scans of one subject and one each of two others, of which the last is small."""
    return [
        noisy("sub-1_T1w", "sub-1"),
        noisy("sub-1_T2w", "sub-1", seed=1),
        noisy("sub-2_T1w", "sub-2", seed=2),
        noisy("sub-3_T1w", "sub-3", 28, seed=3),
    ]


def is_block_of(block, whole):
    """Whether the voxels lie somewhere in the whole as they are."""
    places = np.argwhere(whole == block[0, 0, 0])
    ends = [place + block.shape for place in places]
    return any(
        np.all(end <= whole.shape) and np.array_equal(whole[tuple(map(slice, place, end))], block)
        for place, end in zip(places, ends, strict=True)
    )


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.integers(0, 5000))
def test_shares_are_even_and_nobody_gets_more_than_is_needed(needs, limit):
    shares = even_shares(needs, limit)
    assert sum(shares) <= limit
    assert all(share <= need for share, need in zip(shares, needs, strict=True))
    short = [share for share, need in zip(shares, needs, strict=True) if share < need]
    if short:
        assert max(shares) - min(short) <= 1
        assert limit - sum(shares) < len(needs)
    else:
        assert shares == needs


@given(SHAPES, st.integers(1, 60**3))
def test_a_block_is_as_near_to_a_cube_as_the_scan_allows(shape, n_voxels):
    sides = block_sides(shape, n_voxels)
    assert math.prod(sides) <= n_voxels
    assert all(side <= n for side, n in zip(sides, shape, strict=True))
    side = max(sides)
    assert sides == tuple(min(n, side) for n in shape)
    wider = tuple(min(n, side + 1) for n in shape)
    assert wider == sides or math.prod(wider) > n_voxels


@pytest.mark.parametrize("place", [(0, 0, 0), (20, 8, 24), (32, 32, 32)])
def test_the_block_lies_where_the_detail_is(place):
    x = np.full((42, 42, 42), 0.5, np.float32)
    x[tuple(slice(start, start + 10) for start in place)] += np.random.default_rng(0).normal(0, 0.1, (10, 10, 10))
    x[:4] = 0.04 * np.random.default_rng(1).random((4, 42, 42))  # noise in air does not count
    block = most_informative(x, (16, 16, 16))
    for part, start in zip(block, place, strict=True):
        assert part.stop - part.start == 16
        assert part.start <= max(start, 4 if part is block[0] else 0) and start + 10 <= part.stop


def test_packs_of_cut_scans_stay_within_the_limit_and_use_most_of_it(tmp_path):
    scans = several()
    limit = int(0.6 * bytes_in_pack(scans))
    cut = within(scans, limit)
    size = sum(path.stat().st_size for path in write_packs(cut, tmp_path))
    assert 0.8 * limit < size <= limit
    for block, whole in zip(cut, scans, strict=True):
        assert is_block_of(block.data, whole.data)
        assert (block.name, block.subject, block.spacing_mm, block.scale) == (
            whole.name,
            whole.subject,
            whole.spacing_mm,
            whole.scale,
        )


def test_subjects_share_evenly_and_what_is_small_stays_whole():
    scans = several()
    first, second, alone, small = within(scans, int(0.6 * bytes_in_pack(scans)))
    assert small is scans[3]
    assert first.data.size + second.data.size == pytest.approx(alone.data.size, rel=0.15)
    assert first.data.size == pytest.approx(second.data.size, rel=0.15)


def test_cutting_is_reproducible():
    scans = several()
    limit = bytes_in_pack(scans) // 2
    for ours, theirs in zip(within(scans, limit), within(several(), limit), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_scans_that_fit_are_left_alone():
    scans = small_scans()
    assert all(ours is theirs for ours, theirs in zip(within(scans, bytes_in_pack(scans)), scans, strict=True))


def test_slices_are_kept_where_a_scan_has_few(monkeypatch):
    monkeypatch.setattr(cropping, "SMALLEST_SIDE", 16)
    (scan,) = (scan for scan in small_scans() if scan.name == "sub-b_T2w")
    (block,) = within([scan], bytes_in_pack([scan]) * 2 // 3)
    assert block.data.shape[2] == scan.data.shape[2]
    assert block.data.size < scan.data.size


def test_a_limit_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(ResourceError, match="less than a block to train on") as caught:
        within(several(), 40_000)
    assert "\n" not in str(caught.value)
