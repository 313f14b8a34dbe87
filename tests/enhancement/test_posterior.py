"""Laws of one scan's posterior: where samples begin, how far from the mean they end, and what noise is taken for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import tiny_model

from medsr.diffusion.noise import sample_noise
from medsr.diffusion.schedule import START_SIGMA
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.floor import raised_to
from medsr.enhancement.piece import posterior
from medsr.enhancement.posterior import finished, posterior_mean, prepared, raised, sample_steps
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.whole import Whole
from medsr.errors import UsageError
from medsr.model.conditioning import CENTRE, SCAN_DEVIATION
from medsr.physics.acquisition import acquisition_of

SLICES = head((18, 20, 6), (1.0, 1.0, 3.0))
ACQUISITION = acquisition_of(SLICES)
MODEL = tiny_model()
QUICK = EnhanceSettings(samples=2, steps=2, noise=3.0, seed=5, flips=0)


def scaled(factor):
    """The model with samples set `factor` times as far from the mean as the variance head says."""
    return replace(MODEL, spec=replace(MODEL.spec, sample_scale=factor))


def test_samples_begin_at_the_mean_with_the_noise_of_the_schedule_and_of_the_posterior():
    """Each voxel's first state varies by the schedule's variance plus what the variance head says of that voxel."""
    problem = prepared(SLICES, MODEL, ACQUISITION, QUICK, Whole.of(SLICES, QUICK, ACQUISITION), None)
    mean = posterior_mean(problem, MODEL, QUICK)
    first, _ = next(iter(sample_steps(problem, mean, MODEL, QUICK, sample=1)))
    noise = sample_noise(problem.states.shape, QUICK.seed, 1, problem.states.origin)
    deviation = torch.sqrt(START_SIGMA**2 + mean.variance)
    assert deviation.min() > START_SIGMA + 0.01
    torch.testing.assert_close(first - mean.detail, deviation * noise, atol=1e-4, rtol=1e-4)


def test_samples_lie_as_far_from_the_mean_as_the_variance_head_says_times_the_scale_of_the_weights():
    for factor in (1.0, 0.5):
        found = posterior(SLICES, scaled(factor), QUICK, ACQUISITION)
        expected = np.square(found.deviation.data, dtype=np.float64).mean()
        for sample in found.samples:
            away = np.square(sample.data - found.mean.data, dtype=np.float64).mean()
            assert away == pytest.approx(factor**2 * expected, rel=1e-3)


@pytest.mark.parametrize("mode", ["sample", "uncertainty"])
def test_the_scale_of_the_weights_moves_a_sample_along_its_line_from_the_mean(mode):
    mean = enhance(SLICES, MODEL, QUICK).volume.data
    ones, halves = (enhance(SLICES, scaled(factor), replace(QUICK, mode=mode)) for factor in (1.0, 0.5))
    if mode == "uncertainty":
        np.testing.assert_allclose(2 * halves.uncertainty.data, ones.uncertainty.data, rtol=1e-3)
    else:
        np.testing.assert_allclose(2 * (halves.volume.data - mean), ones.volume.data - mean, atol=1e-3 * np.ptp(mean))


def test_without_samples_the_uncertainty_is_what_the_variance_head_says_in_the_time_of_the_mean():
    asked = replace(QUICK, mode="uncertainty", samples=0)
    stages = []
    result = enhance(SLICES, MODEL, asked, ACQUISITION, lambda stage, done, total: stages.append(total))
    found = posterior(SLICES, MODEL, QUICK, ACQUISITION)
    np.testing.assert_allclose(result.uncertainty.data, found.deviation.data, rtol=1e-4)
    np.testing.assert_array_equal(result.volume.data, enhance(SLICES, MODEL, QUICK, ACQUISITION).volume.data)
    assert set(stages) == {MODEL.n_layers}


def test_the_strength_goes_from_iterative_back_projection_to_the_mean():
    """In between it is a straight line, which is as consistent with the scan as its ends."""
    shown = {s: enhance(SLICES, MODEL, replace(QUICK, strength=s)) for s in (0.0, 0.25, 1.0)}
    whole = Whole.of(SLICES, QUICK, ACQUISITION)
    problem = prepared(SLICES, MODEL, ACQUISITION, QUICK, whole, None)
    ibp = finished(problem, torch.zeros_like(problem.ibp))
    start = whole.scale.from_model(raised_to(whole.floor, ibp, problem.op))[0, 0].numpy()
    np.testing.assert_allclose(shown[0.0].volume.data, start, atol=1e-3)
    np.testing.assert_array_equal(shown[1.0].volume.data, enhance(SLICES, MODEL, QUICK).volume.data)
    line = 0.75 * shown[0.0].volume.data + 0.25 * shown[1.0].volume.data
    above = line > 1.01 * SLICES.data.min() + 20  # where nothing was raised to the scan's floor
    np.testing.assert_allclose(shown[0.25].volume.data[above], line[above], atol=0.02 * np.ptp(line))
    share = 0.25 * posterior_mean(problem, MODEL, QUICK).unraised  # of what the network says, before anything is raised
    assert shown[0.25].volume.data.min() > whole.scale.from_model(finished(problem, share)).min()
    expected = whole.scale.from_model(finished(problem, raised(problem, share)))[0, 0].numpy()
    np.testing.assert_allclose(shown[0.25].volume.data, expected, atol=1e-3)


@pytest.mark.parametrize("samples", [0, 2])
def test_what_a_lesser_strength_leaves_out_counts_as_uncertainty(samples):
    asked = replace(QUICK, mode="uncertainty", samples=samples)
    full, half = (enhance(SLICES, MODEL, replace(asked, strength=strength)) for strength in (1.0, 0.5))
    left_out = np.abs(full.volume.data - half.volume.data)
    expected = np.hypot(full.uncertainty.data, left_out)
    np.testing.assert_allclose(half.uncertainty.data, expected, rtol=0.05, atol=0.02 * expected.max())
    assert half.uncertainty.data.mean() > full.uncertainty.data.mean()


def test_a_sample_of_half_the_strength_lies_half_way_to_iterative_back_projection():
    asked = replace(QUICK, mode="sample")
    none, half, full = (enhance(SLICES, MODEL, replace(asked, strength=s)).volume.data for s in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (none + full) / 2, atol=1e-3 * np.ptp(full))
    whole = Whole.of(SLICES, QUICK, ACQUISITION)
    problem = prepared(SLICES, MODEL, ACQUISITION, QUICK, whole, None)
    ibp = whole.scale.from_model(finished(problem, torch.zeros_like(problem.ibp)))[0, 0].numpy()
    np.testing.assert_allclose(none, ibp, atol=1e-3)
    assert np.abs(full - none).max() > 0.01 * np.ptp(full)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(strength):
    with pytest.raises(UsageError, match="expected 0"):
        EnhanceSettings(strength=strength)


def test_a_prior_is_shown_nothing_of_the_scan_and_starts_from_a_constant():
    model = replace(MODEL, spec=replace(MODEL.spec, process="prior"))
    whole = Whole.of(SLICES, QUICK, ACQUISITION)
    problem, other = (prepared(SLICES, one, ACQUISITION, QUICK, whole, None) for one in (model, MODEL))
    state, features = torch.zeros_like(problem.ibp), torch.zeros(1, 3)
    assert torch.equal(problem.raw(state, features), other.raw_unconditioned(state, features))
    assert not torch.equal(problem.raw(state, features), other.raw(state, features))
    assert problem.ibp.unique().tolist() == [pytest.approx(CENTRE)] and problem.detail == SCAN_DEVIATION
    torch.testing.assert_close(
        problem.detail * problem.rest + problem.op(problem.ibp), other.detail * other.rest + other.op(other.ibp)
    )
