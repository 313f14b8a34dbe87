"""A cascade: stages of two onto the fine grid, noise that is told between them, and a result that fits the scan."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import EVERYTHING, tiny_model

import medsr
from medsr.enhancement.cascade import augmented, stages_of
from medsr.enhancement.region import Box, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError, ResourceError, UsageError
from medsr.fusion.checks import check_request
from medsr.io import load
from medsr.model.intensity import scale_of
from medsr.physics.acquisition import acquisition_of
from medsr.samples import sample_path
from medsr.validation.recipe import StudyRecipe

MODEL = tiny_model()
ASKED = EnhanceSettings(factors=(1.0, 1.0, 8.0), flips=0, force=True, cascade=0.02, thickness_mm=5.0)


@pytest.fixture(scope="module")
def part():
    """The middle of the sample scan with slices of 5 mm."""
    scan = load(sample_path("bchadult01_T1w_thick5"))
    return crop(scan, Box((56, 66, 4), (76, 86, 20)))


def enhanced(part, model=MODEL, **changes):
    return medsr.enhance(part, model=model, settings=replace(ASKED, **changes))


@pytest.mark.parametrize("factors", [(1, 1, 8), (1, 2, 8), (1, 1, 5), (3, 3, 3), (1, 1, 2), (1, 1, 2.1), (1, 1, 12)])
def test_stages_refine_by_two_at_most_and_reach_the_fine_grid(factors):
    scan = head((10, 12, 9), (1.0, 1.0, 4.0))
    acquisition = acquisition_of(scan, factors=factors, profile="gaussian")
    stages = stages_of(acquisition)
    assert stages[0].coarse_shape == acquisition.coarse_shape
    assert stages[-1].fine_shape == acquisition.fine_shape
    np.testing.assert_allclose(stages[-1].fine_affine, acquisition.fine_affine, atol=1e-6)
    for before, after in pairwise(stages):
        assert after.coarse_shape == before.fine_shape
        np.testing.assert_allclose(after.coarse_affine, before.fine_affine, atol=1e-5)
    assert all(factor <= 2.2 for stage in stages for factor in stage.factors)
    assert all(any(stage.degraded) for stage in stages)
    first = stages[0].op.axes[2]
    assert first.fwhm * stages[0].fine_spacing_mm[2] == pytest.approx(
        acquisition.op.axes[2].fwhm * acquisition.fine_spacing_mm[2]
    )


def test_stages_double_towards_the_fine_grid():
    scan = head((10, 12, 9), (1.0, 1.0, 4.0))
    stages = stages_of(acquisition_of(scan, factors=(1, 2, 8)))
    assert [stage.fine_shape for stage in stages] == [(10, 12, 18), (10, 12, 36), (10, 24, 72)]
    one = acquisition_of(scan, factors=(2, 2, 2))
    (only,) = stages_of(one)
    assert only.op == one.op and only.fine_shape == one.fine_shape


def test_a_factor_of_eight_on_a_real_scan_goes_by_stages_and_agrees_with_the_scan(part):
    result = enhanced(part, noise=0.0)
    assert result.volume.shape == (20, 20, 128)
    assert result.record.task["stages"] == [[20, 20, 32], [20, 20, 64], [20, 20, 128]]
    assert result.record.settings["cascade"] == 0.02
    assert np.all(np.isfinite(result.volume.data))
    width = scale_of(part.data, part.modality).width
    seen = result.acquisition.op(torch.from_numpy(np.array(result.volume.data)))
    np.testing.assert_allclose(seen.numpy(), part.data, atol=2e-3 * width)
    np.testing.assert_allclose(result.residual.data, part.data - seen.numpy(), atol=1e-4 * width)
    once = enhanced(part, noise=0.0, cascade=None)
    assert "stages" not in once.record.task
    assert not np.allclose(once.volume.data, result.volume.data, atol=1e-3 * width)


@pytest.mark.parametrize("mode", ["mean", "sample"])
def test_a_scan_with_noise_is_agreed_with_to_within_it(part, mode):
    record = enhanced(part, noise=20.0, mode=mode, steps=2).record
    assert record.noise_sigma == pytest.approx(20.0, rel=1e-4)
    assert 0 < record.residual < 1.3


def test_a_small_factor_has_one_stage_and_is_as_without(part):
    with_it, without = (enhanced(part, factors=(1.0, 1.0, 2.0), cascade=level) for level in (0.3, None))
    np.testing.assert_array_equal(with_it.volume.data, without.volume.data)


def test_noise_between_stages_is_of_the_level_that_is_told(part):
    scan, told = augmented(part, replace(ASKED, cascade=0.1), 1)
    noise = scan.data - part.data
    assert told.noise == pytest.approx(0.1 * scale_of(part.data, part.modality).width)
    assert noise.std() == pytest.approx(told.noise, rel=0.03)
    other = augmented(part, replace(ASKED, cascade=0.1), 2)[0].data - part.data
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.1
    quiet, told = augmented(part, replace(ASKED, cascade=0.0), 1)
    assert told.noise == 0.0
    np.testing.assert_array_equal(quiet.data, part.data)


def test_noise_is_that_of_the_seed_and_changes_the_result(part):
    first, again, other = (enhanced(part, seed=seed).volume.data for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(
        *(enhanced(part, cascade=0.0, seed=seed).volume.data for seed in (0, 1))
    )  # a mean without noise has no chance in it


def test_progress_runs_over_all_stages_and_states_are_those_of_the_last(part):
    told, shapes = [], []
    medsr.enhance(
        part,
        model=MODEL,
        settings=replace(ASKED, mode="sample", steps=2),
        on_progress=lambda stage, done, total: told.append(done / total),
        on_state=lambda number, step: shapes.append(step.noisy.shape),
    )
    assert told == sorted(told)
    assert told[-1] == 1
    assert shapes == [(20, 20, 128)] * 2


def test_what_a_cascade_has_no_meaning_for_is_refused():
    for changes in ({"mode": "uncertainty"}, {"region": ((0, 0, 0), (4, 4, 4))}):
        with pytest.raises(UsageError, match="no uncertainty and takes no region"):
            replace(ASKED, **changes)
    for level in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="expected noise of 0 to 1"):
            replace(ASKED, cascade=level)
    with pytest.raises(UsageError, match="fused in one stage"):
        check_request(replace(EnhanceSettings(), cascade=0.0))
    with pytest.raises(UsageError, match="a cascade has no uncertainty"):
        StudyRecipe(uncertainty=True, enhance=replace(EnhanceSettings(), cascade=0.0))


def test_the_envelope_is_that_of_the_whole_factor(part):
    narrow = tiny_model(envelope=replace(EVERYTHING, max_factor=4.0))
    with pytest.raises(EnvelopeError, match="factor 8"):
        enhanced(part, model=narrow, force=False)
    assert any("factor 8" in warning for warning in enhanced(part, model=narrow).record.warnings)


def test_grids_of_stages_count_too(part):
    fine = tiny_model(envelope=replace(EVERYTHING, fine_mm=(0.3, 1.5)))  # stages have slices of 2.5, 1.3 and 0.6 mm
    with pytest.raises(EnvelopeError, match=r"result of 2\.52 mm"):
        enhanced(part, model=fine, force=False)
    record = enhanced(part, model=fine).record
    assert record.envelope == "outside"
    (said,) = [text for text in record.warnings if text.startswith("stage")]
    assert said.startswith("stage 1 of the cascade: ") and "result of 2.52 mm" in said
    assert enhanced(part, model=fine, cascade=None).record.envelope != "outside"


def test_one_that_does_not_fit_is_refused(part):
    with pytest.raises(ResourceError, match="the cascade needs about"):
        medsr.enhance(part, model=MODEL, settings=ASKED, memory_bytes=1)
