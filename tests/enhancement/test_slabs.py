"""Slabs: the whole scan's result at a bounded memory."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head
from tiny_models import EVERYTHING, tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.slabs import Cut, cut_for, enhance_within, memory_of
from medsr.errors import EnvelopeError, ResourceError
from medsr.model.scan_statistics import usual_ranges
from medsr.model.weights import load_model
from medsr.physics.acquisition import acquisition_of

MODEL = tiny_model()
NET = MODEL.net.spec
SHIPPED = load_model(device="cpu").net.spec
GIB = 2**30


@pytest.mark.parametrize(("mode", "axis_factor"), [("mean", 2), ("sample", 2), ("uncertainty", 2)])
def test_slabs_make_the_whole(mode, axis_factor, monkeypatch):
    scan = head((10, 12, 60), (1.0, 1.0, 2.0))
    acquisition = acquisition_of(scan, factors=(1, 1, axis_factor))
    settings = EnhanceSettings(mode=mode, steps=1, samples=2, flips=0, noise=5.0)
    whole = enhance(scan, MODEL, settings, acquisition)
    monkeypatch.setattr("medsr.enhancement.slabs.cut_for", lambda *_: Cut(2, 40))
    progress = []
    parts = enhance_within(scan, MODEL, settings, acquisition, lambda *step: progress.append(step), 1)
    width = float(np.ptp(scan.data))
    tolerance = 1e-3 if mode == "mean" else 5e-2  # a draw's energy is set right slab by slab
    assert np.abs(parts.volume.data - whole.volume.data).max() < tolerance * width
    np.testing.assert_allclose(parts.volume.affine, whole.volume.affine)
    assert parts.record.task == whole.record.task
    assert parts.record.input == whole.record.input
    assert abs(parts.record.residual - whole.record.residual) < 0.1
    assert parts.record.drift == pytest.approx(whole.record.drift, abs=1e-4)
    if mode == "uncertainty":
        assert parts.record.uncertainty_rms == pytest.approx(whole.record.uncertainty_rms, rel=5e-2)
    assert "computed in 3 slabs" in parts.record.warnings[-1]
    assert progress[-1][1] == progress[-1][2]
    assert (parts.uncertainty is None) == (mode != "uncertainty")


def test_slabs_are_judged_as_the_whole_scan_is(monkeypatch):
    usual = head((10, 12, 60), (1.0, 1.0, 2.0))
    broken = usual.with_data(np.random.default_rng(0).standard_normal(usual.shape).astype(np.float32))
    model = tiny_model(silent=True, envelope=dataclasses.replace(EVERYTHING, statistics=usual_ranges([usual])))
    acquisition = acquisition_of(usual, factors=(1, 1, 2))
    monkeypatch.setattr("medsr.enhancement.slabs.cut_for", lambda *_: Cut(2, 40))
    with pytest.raises(EnvelopeError, match="usual"):
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
