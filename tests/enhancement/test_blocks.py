"""Blocks: the whole scan's result at a bounded memory."""

import dataclasses

import numpy as np
import pytest
from phantoms import affine, head
from tiny_models import EVERYTHING, tiny_model

from medsr.enhancement.blocks import enhance_within
from medsr.enhancement.memory import BLOCK_MARGIN_VOX
from medsr.enhancement.piece import enhance_piece
from medsr.enhancement.region import MARGIN_VOX
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError
from medsr.model.nets.detail import GRID
from medsr.model.usual_ranges import usual_ranges
from medsr.physics.acquisition import acquisition_of
from medsr.volume import Source, Volume

MODEL = tiny_model()

SCAN = dataclasses.replace(
    head((10, 12, 60), (1.0, 1.0, 2.0)),
    affine=affine((1.0, 1.0, 2.0), turn_deg=(10, 5, -7), origin_mm=(-30, 12, 7)),
    thickness_mm=2.5,
    slice_axis=2,
    source=Source("nifti", "ab" * 32, "int16", "T1w", ("qform used",)),
)
COMPUTED = {"seconds", "peak_memory_bytes", "warnings"}  # what a record says of the work itself


@pytest.fixture
def cut(monkeypatch):
    """As if memory held no more than blocks of so many coarse voxels, at first 20 slices."""

    def chosen(*block):
        monkeypatch.setattr("medsr.enhancement.blocks.block_for", lambda *_: block)

    chosen(10, 12, 20)
    return chosen


def check_alike(ours, theirs, tolerance):
    """Two volumes in every field, voxels to within `tolerance`."""
    for name in (entry.name for entry in dataclasses.fields(Volume)):
        if name == "data":
            assert ours.data.dtype == theirs.data.dtype
            assert np.abs(ours.data - theirs.data).max() < tolerance
        elif name == "affine":
            np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-9)
        else:
            assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("block", [(10, 12, 16), (10, 12, 17), (10, 12, 19), (5, 12, 31), (7, 5, 22)])
@pytest.mark.parametrize("factors", [(1, 1, 2), (1, 2, 1)], ids=["slices refined", "plane refined"])
def test_blocks_average_over_the_same_flips_as_the_whole_scan(block, factors, cut):
    """Wherever blocks end: flipped, a block begins where it ended, and lies on the network's grid there as well."""
    cut(*block)
    acquisition = acquisition_of(SCAN, factors=factors)
    settings = EnhanceSettings(flips=3, noise=5.0)
    whole = enhance_piece(SCAN, MODEL, settings, acquisition)
    parts = enhance_within(SCAN, MODEL, settings, acquisition, None, 1)
    check_alike(parts.volume, whole.volume, 5e-5 * float(np.ptp(SCAN.data)))


@pytest.mark.parametrize("factors", [(1, 1, 2), (1, 2, 1)], ids=["slices refined", "plane refined"])
@pytest.mark.parametrize("mode", ["mean", "sample", "uncertainty"])
def test_blocks_give_what_the_whole_scan_gives_in_every_field(mode, factors, cut):
    acquisition = acquisition_of(SCAN, factors=factors)
    settings = EnhanceSettings(mode=mode, steps=1, samples=2, flips=0, noise=5.0)
    whole = enhance_piece(SCAN, MODEL, settings, acquisition)
    parts = enhance_within(SCAN, MODEL, settings, acquisition, None, 1)
    width = float(np.ptp(SCAN.data))
    tolerance = (1e-3 if mode == "sample" else 5e-5) * width  # a sample's energy is set right block by block
    check_alike(parts.volume, whole.volume, tolerance)
    check_alike(parts.residual, whole.residual, tolerance)
    assert (parts.uncertainty is None) == (whole.uncertainty is None) == (mode != "uncertainty")
    if mode == "uncertainty":
        check_alike(parts.uncertainty, whole.uncertainty, 1e-3 * width)
    ours, theirs = (dataclasses.asdict(one.record) for one in (parts, whole))
    for name in theirs.keys() - COMPUTED:
        close = isinstance(theirs[name], float)
        # overshoot is a share of voxels: one that lies at the limit may fall to either side of it
        most = 1e-3 if name == "overshoot" else None
        assert ours[name] == (pytest.approx(theirs[name], rel=1e-2, abs=most) if close else theirs[name]), name
    assert ours["seconds"].keys() == theirs["seconds"].keys()
    *usual, said = parts.record.warnings
    assert tuple(usual) == whole.record.warnings
    assert "computed in 3 blocks" in said


def test_blocks_lie_as_they_were_cut_and_see_a_margin_on_either_side(cut, monkeypatch):
    """Memory is reckoned for `BLOCK_MARGIN_VOX` beyond the margin of a region: no less is seen, and hardly more."""
    acquisition = acquisition_of(SCAN, factors=(1, 1, 2))
    seen = []

    def looked_at(volume, *rest, whole, **options):
        seen.append((whole.origin[2], whole.origin[2] + 2 * volume.shape[2]))
        return enhance_piece(volume, *rest, whole=whole, **options)

    monkeypatch.setattr("medsr.enhancement.blocks.enhance_piece", looked_at)
    cut(10, 12, 25)
    enhance_within(SCAN, MODEL, EnhanceSettings(flips=0, noise=5.0), acquisition, None, 1)
    margin = BLOCK_MARGIN_VOX + MARGIN_VOX
    expected = [(0, 50 + margin), (50 - margin, 100 + margin), (100 - margin, 120)]
    np.testing.assert_allclose(seen, np.clip(expected, 0, 120), atol=GRID)


def test_a_scan_may_be_cut_along_every_axis(cut):
    scan = head((40, 44, 30), (1.0, 1.0, 2.0))
    acquisition = acquisition_of(scan, factors=(1, 1, 2))
    settings = EnhanceSettings(flips=0, noise=5.0)
    whole = enhance_piece(scan, MODEL, settings, acquisition)
    cut(20, 15, 10)
    parts = enhance_within(scan, MODEL, settings, acquisition, None, 1)
    check_alike(parts.volume, whole.volume, 1e-4 * float(np.ptp(scan.data)))
    assert "computed in 18 blocks" in parts.record.warnings[-1]


def test_progress_of_blocks_counts_up_to_its_total(cut):
    acquisition = acquisition_of(SCAN, factors=(1, 1, 2))
    progress = []
    settings = EnhanceSettings(flips=0, noise=5.0)
    enhance_within(SCAN, MODEL, settings, acquisition, lambda *step: progress.append(step), 1)
    total = 3 * MODEL.n_layers
    assert progress == [("network", number, total) for number in range(1, total + 1)]


def test_blocks_are_judged_as_the_whole_scan_is(cut):
    usual = head((10, 12, 60), (1.0, 1.0, 2.0))
    broken = usual.with_data(np.random.default_rng(0).standard_normal(usual.shape).astype(np.float32))
    model = tiny_model(silent=True, envelope=dataclasses.replace(EVERYTHING, statistics=usual_ranges([usual])))
    acquisition = acquisition_of(usual, factors=(1, 1, 2))
    with pytest.raises(EnvelopeError, match="very noisy"):
        enhance_within(broken, model, EnhanceSettings(flips=0, noise=0.1), acquisition, None, 1)
    forced = EnhanceSettings(flips=0, noise=0.1, force=True)
    whole = enhance_piece(broken, model, forced, acquisition)
    parts = enhance_within(broken, model, forced, acquisition, None, 1)
    assert parts.record.envelope == whole.record.envelope == "outside"
    assert parts.record.warnings[:-1] == whole.record.warnings


def test_where_it_fits_nothing_is_cut():
    scan = head((10, 12, 8), (1.0, 1.0, 2.0))
    settings = EnhanceSettings(flips=0, noise=5.0)
    acquisition = acquisition_of(scan)
    whole = enhance_piece(scan, MODEL, settings, acquisition)
    same = enhance_within(scan, MODEL, settings, acquisition, None, 2**36)
    np.testing.assert_array_equal(same.volume.data, whole.volume.data)
    assert dataclasses.replace(same.record, seconds={}, peak_memory_bytes=0) == dataclasses.replace(
        whole.record, seconds={}, peak_memory_bytes=0
    )
