"""Slabs: the whole scan's result at a bounded memory."""

import dataclasses
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, head
from tiny_models import EVERYTHING, tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.piece import enhance_piece
from medsr.enhancement.region import MARGIN_VOX
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.slabs import LEAST_FINE_VOX, SLAB_MARGIN_VOX, Cut, cut_for, enhance_within, memory_of
from medsr.errors import EnvelopeError, ResourceError
from medsr.model.nets.detail import GRID
from medsr.model.scan_statistics import usual_ranges
from medsr.model.weights import load_model
from medsr.physics.acquisition import acquisition_of
from medsr.volume import Source, Volume

MODEL = tiny_model()
NET = MODEL.net.spec
SHIPPED = load_model(device="cpu").net.spec
GIB = 2**30


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
    """As if memory held no more than slabs of 40 fine voxels."""

    def chosen(slab_vox):
        monkeypatch.setattr("medsr.enhancement.slabs.cut_for", lambda *_: Cut(2, slab_vox))

    chosen(40)
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


@pytest.mark.parametrize("slab_vox", [33, 34, 38])
@pytest.mark.parametrize("factors", [(1, 1, 2), (1, 2, 1)], ids=["slices refined", "plane refined"])
def test_slabs_average_over_the_same_flips_as_the_whole_scan(slab_vox, factors, cut):
    """Wherever slabs end: flipped, a slab begins where it ended, and lies on the network's grid there as well."""
    cut(slab_vox)
    acquisition = acquisition_of(SCAN, factors=factors)
    settings = EnhanceSettings(flips=3, noise=5.0)
    whole = enhance(SCAN, MODEL, settings, acquisition)
    parts = enhance_within(SCAN, MODEL, settings, acquisition, None, 1)
    check_alike(parts.volume, whole.volume, 5e-5 * float(np.ptp(SCAN.data)))


@pytest.mark.parametrize("factors", [(1, 1, 2), (1, 2, 1)], ids=["slices refined", "plane refined"])
@pytest.mark.parametrize("mode", ["mean", "sample", "uncertainty"])
def test_slabs_give_what_the_whole_scan_gives_in_every_field(mode, factors, cut):
    acquisition = acquisition_of(SCAN, factors=factors)
    settings = EnhanceSettings(mode=mode, steps=1, samples=2, flips=0, noise=5.0)
    whole = enhance(SCAN, MODEL, settings, acquisition)
    parts = enhance_within(SCAN, MODEL, settings, acquisition, None, 1)
    width = float(np.ptp(SCAN.data))
    tolerance = (1e-3 if mode == "sample" else 5e-5) * width  # a sample's energy is set right slab by slab
    check_alike(parts.volume, whole.volume, tolerance)
    check_alike(parts.residual, whole.residual, tolerance)
    assert (parts.uncertainty is None) == (whole.uncertainty is None) == (mode != "uncertainty")
    if mode == "uncertainty":
        check_alike(parts.uncertainty, whole.uncertainty, 1e-3 * width)
    ours, theirs = (dataclasses.asdict(one.record) for one in (parts, whole))
    for name in theirs.keys() - COMPUTED:
        close = isinstance(theirs[name], float)
        assert ours[name] == (pytest.approx(theirs[name], rel=1e-2) if close else theirs[name]), name
    assert ours["seconds"].keys() == theirs["seconds"].keys()
    *usual, said = parts.record.warnings
    assert tuple(usual) == whole.record.warnings
    assert f"computed in {3 if factors[2] == 2 else 2} slabs" in said


def test_slabs_are_as_thick_as_they_were_cut_and_see_a_margin_on_either_side(cut, monkeypatch):
    """Memory is reckoned for `SLAB_MARGIN_VOX` beyond the margin of a region: no less is seen, and hardly more."""
    acquisition = acquisition_of(SCAN, factors=(1, 1, 2))
    seen = []

    def looked_at(volume, *rest, whole, **options):
        seen.append((whole.origin[2], whole.origin[2] + 2 * volume.shape[2]))
        return enhance_piece(volume, *rest, whole=whole, **options)

    monkeypatch.setattr("medsr.enhancement.slabs.enhance_piece", looked_at)
    cut(50)
    enhance_within(SCAN, MODEL, EnhanceSettings(flips=0, noise=5.0), acquisition, None, 1)
    margin = SLAB_MARGIN_VOX + MARGIN_VOX
    expected = [(0, 50 + margin), (50 - margin, 100 + margin), (100 - margin, 120)]
    np.testing.assert_allclose(seen, np.clip(expected, 0, 120), atol=GRID)


def test_progress_of_slabs_counts_up_to_its_total(cut):
    acquisition = acquisition_of(SCAN, factors=(1, 1, 2))
    progress = []
    settings = EnhanceSettings(flips=0, noise=5.0)
    enhance_within(SCAN, MODEL, settings, acquisition, lambda *step: progress.append(step), 1)
    total = 3 * MODEL.n_layers
    assert progress == [("network", number, total) for number in range(1, total + 1)]


def test_slabs_are_judged_as_the_whole_scan_is(cut):
    usual = head((10, 12, 60), (1.0, 1.0, 2.0))
    broken = usual.with_data(np.random.default_rng(0).standard_normal(usual.shape).astype(np.float32))
    model = tiny_model(silent=True, envelope=dataclasses.replace(EVERYTHING, statistics=usual_ranges([usual])))
    acquisition = acquisition_of(usual, factors=(1, 1, 2))
    with pytest.raises(EnvelopeError, match="very noisy"):
        enhance_within(broken, model, EnhanceSettings(flips=0, noise=0.1), acquisition, None, 1)
    forced = EnhanceSettings(flips=0, noise=0.1, force=True)
    whole = enhance(broken, model, forced, acquisition)
    parts = enhance_within(broken, model, forced, acquisition, None, 1)
    assert parts.record.envelope == whole.record.envelope == "outside"
    assert parts.record.warnings[:-1] == whole.record.warnings


@given(st.tuples(*[st.integers(16, 400)] * 3), st.integers(1, 3), st.floats(0.6, 40), st.sampled_from((2, 4)))
def test_what_is_chosen_fits(coarse, factor, gib, n_bytes):
    fine = (coarse[0], coarse[1], coarse[2] * factor)
    try:
        cut = cut_for(coarse, fine, None, NET, n_bytes, int(gib * GIB)) or Cut(0, fine[0])
    except ResourceError as error:
        assert "may be used" in str(error)
        return
    assert memory_of(coarse, fine, cut, NET, n_bytes) <= gib * GIB
    assert cut.slab_vox % (fine[cut.axis] // coarse[cut.axis]) == 0
    check_thickest(coarse, fine, cut, n_bytes, gib * GIB)


def check_thickest(coarse, fine, cut, n_bytes, memory):
    """One slab fewer along the same axis would not fit, nor would the whole."""
    n, factor = coarse[cut.axis], fine[cut.axis] // coarse[cut.axis]
    if cut.slab_vox < fine[cut.axis]:
        assert cut.slab_vox >= LEAST_FINE_VOX
        count = ceil(n / (cut.slab_vox // factor))
        thicker = fine[cut.axis] if count == 2 else factor * ceil(n / (count - 1))
        assert memory_of(coarse, fine, dataclasses.replace(cut, slab_vox=thicker), NET, n_bytes) > memory


@pytest.mark.parametrize("n_bytes", [2, 4])
def test_a_large_ct_fits_twelve_gib(n_bytes):
    coarse, fine = (512, 512, 800), (512, 512, 1600)
    cut = cut_for(coarse, fine, None, SHIPPED, n_bytes, 12 * GIB)
    assert memory_of(coarse, fine, cut, SHIPPED, n_bytes) < 12 * GIB


def test_a_scan_for_which_no_slab_is_thin_enough_is_refused():
    with pytest.raises(ResourceError, match="needs about"):
        cut_for((2000, 2000, 600), (2000, 2000, 1200), None, NET, 2, 12 * GIB)


def test_where_it_fits_nothing_is_cut():
    scan = head((10, 12, 8), (1.0, 1.0, 2.0))
    settings = EnhanceSettings(flips=0, noise=5.0)
    acquisition = acquisition_of(scan)
    whole = enhance(scan, MODEL, settings, acquisition)
    same = enhance_within(scan, MODEL, settings, acquisition, None, 64 * GIB)
    np.testing.assert_array_equal(same.volume.data, whole.volume.data)
    assert dataclasses.replace(same.record, seconds={}, peak_memory_bytes=0) == dataclasses.replace(
        whole.record, seconds={}, peak_memory_bytes=0
    )
