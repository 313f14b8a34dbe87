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
from medsr.enhancement.piece import posterior
from medsr.enhancement.posterior import posterior_mean, prepared, sample_steps
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.whole import Whole
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
    mean = posterior_mean(problem, MODEL)
    first, _ = next(iter(sample_steps(problem, mean, MODEL, QUICK, sample=1)))
    noise = sample_noise(problem.shape, QUICK.seed, 1, problem.origin)
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
