"""What a run needs grows with what it computes, and fits the limit where it can."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head
from tiny_models import EVERYTHING, tiny_model

from medsr.enhancement.cascade import stages_of
from medsr.enhancement.estimate import estimate, measured_speed, seconds_left
from medsr.enhancement.memory import PROCESS_BYTES
from medsr.enhancement.settings import EnhanceSettings
from medsr.model.spec import Envelope
from medsr.physics.acquisition import acquisition_of

SCAN = head((60, 60, 20), (1.0, 1.0, 3.0))
MODEL = tiny_model()
MEAN = EnhanceSettings()


def needs(factors=(1, 1, 3), settings=MEAN, limit=None, model=MODEL, speed=1e6):
    return estimate(acquisition_of(SCAN, factors=factors), "MR", model, settings, speed, limit)


def test_shape_and_spacing_are_those_of_the_result():
    found = needs()
    assert found.shape == (60, 60, 60)
    assert found.spacing_mm == pytest.approx((1.0, 1.0, 1.0))
    assert found.objections == ()


def test_finer_grids_more_samples_and_slower_machines_take_longer():
    base = needs()
    assert needs((2, 2, 6)).seconds > base.seconds
    assert needs((2, 2, 6)).memory_bytes > base.memory_bytes
    assert (
        needs(settings=EnhanceSettings(mode="uncertainty", samples=2)).seconds
        > needs(settings=EnhanceSettings(mode="sample")).seconds
        > needs(settings=EnhanceSettings(mode="uncertainty")).seconds
    )
    assert needs(speed=5e5).seconds > base.seconds


@pytest.mark.parametrize(
    ("mode", "samples", "evaluations"),
    [("mean", 8, 2), ("sample", 8, 8), ("uncertainty", 8, 50), ("uncertainty", 0, 2)],
)
def test_evaluations_are_those_that_enhance_reports(mode, samples, evaluations):
    assert needs(settings=EnhanceSettings(mode=mode, samples=samples)).evaluations == evaluations


@given(st.integers(PROCESS_BYTES, 2 * PROCESS_BYTES))
def test_where_it_does_not_fit_in_one_piece_blocks_are_told(limit):
    whole = needs((2, 2, 6))
    found = needs((2, 2, 6), limit=limit)
    assert found.memory_bytes <= limit or found == whole
    assert (found.n_blocks > 1) == (found != whole)
    assert found.seconds >= whole.seconds


def test_what_lies_outside_the_envelope_is_said():
    found = needs(model=tiny_model(envelope=Envelope(max_factor=2.0, max_coarse_mm=2.0)))
    assert any("factor 3" in text for text in found.objections)
    assert any("slices every 3" in text for text in found.objections)


def test_a_cascade_takes_the_time_of_all_stages_and_the_memory_of_the_last():
    acquisition, asked = acquisition_of(SCAN, factors=(1, 1, 5)), EnhanceSettings(mode="sample", cascade=0.02)
    stages = [estimate(stage, "MR", MODEL, replace(asked, cascade=None), 1e6, None) for stage in stages_of(acquisition)]
    limit = int(0.9 * stages[-1].memory_bytes)
    found = needs((1, 1, 5), settings=asked, limit=limit)
    assert len(stages) == 3
    assert needs((1, 1, 5), settings=replace(asked, cascade=None), limit=limit).n_blocks > 1
    assert found.seconds == pytest.approx(sum(one.seconds for one in stages))
    assert (found.shape, found.memory_bytes, found.n_blocks) == (stages[-1].shape, stages[-1].memory_bytes, 1)
    assert found.shape == acquisition.fine_shape


def test_a_cascade_lies_outside_the_envelope_where_the_whole_or_a_stage_does():
    narrow = tiny_model(envelope=replace(EVERYTHING, max_factor=4.0, fine_mm=(0.5, 1.2)))
    found = needs((1, 1, 5), settings=EnhanceSettings(cascade=0.02), model=narrow).objections
    whole, *stages = found
    assert whole.startswith("factor 5")
    assert stages and all(text.startswith(("stage 1 of the cascade: ", "stage 2 of")) for text in stages)
    assert needs((1, 1, 2), settings=EnhanceSettings(cascade=0.02), model=narrow).objections == (
        needs((1, 1, 2), model=narrow).objections
    )


def test_speed_is_voxels_over_the_seconds_of_a_clock():
    ticks = iter([10.0, 12.0])
    assert measured_speed(MODEL, clock=lambda: next(ticks)) == 64**3 / 2


def test_time_left_is_that_of_the_parts_that_are_left():
    assert seconds_left(1, 4, 2.0) == 6.0
    assert seconds_left(4, 4, 8.0) == 0.0
