"""What the stated uncertainty covers: a count of errors, and the middle of a phantom measured as `enhance` does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head
from tiny_models import tiny_model

from medsr.diffusion.noise import pair_spread
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.piece import posterior
from medsr.enhancement.settings import EnhanceSettings
from medsr.metrics.judged import StatedUncertainty
from medsr.metrics.uncertainty import LEVELS, crps_of_samples
from medsr.model.spec import Calibration
from medsr.physics.tasks import TASKS
from medsr.validation.coverage import WIDTHS, coverage_curve, measure, middle, white_noise
from medsr.validation.trial import make_trial

SETTINGS = EnhanceSettings(mode="uncertainty", samples=3, steps=2, flips=0)


@given(st.integers(0, 20))
def test_a_curve_counts_errors(seed):
    rng = np.random.default_rng(seed)
    error, deviation = rng.standard_normal(50), rng.uniform(0.5, 2, 50)
    found = np.array(coverage_curve(error, deviation))
    assert np.all(np.diff(found) >= 0)
    assert found[-1] == 1
    assert found[300] == np.mean(np.abs(error) <= WIDTHS[300] * deviation)


@pytest.fixture(scope="module")
def trial():
    return make_trial(head((36, 40, 32)), TASKS["thick5"], SETTINGS)


def test_white_noise_has_the_stated_deviation_and_nothing_in_common_with_its_neighbours():
    shape = (20, 20, 20)
    deviation = np.random.default_rng(0).uniform(0.5, 2, shape)
    everywhere = np.ones(shape, dtype=bool)
    stated = StatedUncertainty(np.full(shape, 3.0), deviation, np.zeros(shape), everywhere, {}, (2,))
    control = white_noise(stated, 8, seed=1)
    noise = (control.samples - stated.mean) / deviation
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert np.mean(noise[:, 1:] * noise[:, :-1]) == pytest.approx(0, abs=0.02)
    assert control.spread == pytest.approx(np.sqrt(8 / 7))
    assert control.deviation is stated.deviation
    np.testing.assert_array_equal(white_noise(stated, 8, seed=1).samples, control.samples)


def test_intervals_in_parts_are_widened_by_the_calibration_of_their_kind_and_samples_are_not(trial):
    model = tiny_model()
    factors = {"samples": {"all": (1.0, 1.0, 1e6, 1.0)}, "variance": {"all": (1.0, 1.0, 1e-6, 1.0)}}
    calibration = Calibration(LEVELS, factors, {"all": 3}, {}, 3, 2, ("thick5",))
    (before, *_), _ = measure(trial, "sub-a_T1w", "thick5", model, SETTINGS, side_vox=24)
    told = dataclasses.replace(model, spec=dataclasses.replace(model.spec, calibration=calibration))
    (samples, *others), _ = measure(trial, "sub-a_T1w", "thick5", told, SETTINGS, side_vox=24)
    assert before.coverage90_edges < samples.coverage90_edges == 1
    assert samples.coverage90_blocks == before.coverage90_blocks
    assert [one.coverage90_edges for one in others] == [0, 0]  # white noise is made of the variance


def test_the_score_of_samples_allows_for_their_balance(trial):
    model = tiny_model()
    (samples, *_), _ = measure(trial, "sub-a_T1w", "thick5", model, SETTINGS, side_vox=40)
    drawn = posterior(trial.input, model, SETTINGS, trial.acquisition).samples
    values = np.stack([np.asarray(one.data)[trial.mask] for one in drawn]) / trial.data_range
    truth = trial.reference.data[trial.mask] / trial.data_range
    assert samples.crps == pytest.approx(crps_of_samples(values, truth, pair_spread(3)), rel=1e-4)
    assert samples.crps > crps_of_samples(values, truth)


def test_the_middle_lies_inside_and_is_as_large_as_asked(trial):
    box = middle(trial, 20)
    assert all(0 <= a < b <= n for a, b, n in zip(box.start, box.stop, trial.input.shape, strict=True))
    assert box.shape[:2] == (20, 20)
    assert box.shape[2] == round(20 / trial.acquisition.factors[2])


def test_what_is_measured_agrees_with_enhance(trial):
    """A part as large as the scan: the same mean, and the uncertainty that `enhance` writes."""
    model = tiny_model()
    (samples, variance, control), (curve_of_samples, _) = measure(
        trial, "sub-a_T1w", "thick5", model, SETTINGS, side_vox=40
    )
    result = enhance(trial.input, model, SETTINGS, trial.acquisition)
    error = (result.volume.data - trial.reference.data)[trial.mask]
    uncertainty = result.uncertainty.data[trial.mask]
    assert samples.error == pytest.approx(np.sqrt(np.mean(error**2)) / trial.data_range, rel=1e-3)
    assert samples.deviation == pytest.approx(np.sqrt(np.mean(uncertainty**2)) / trial.data_range, rel=1e-3)
    assert samples.coverage["90"] == pytest.approx(np.mean(np.abs(error) <= 1.6449 * uncertainty), abs=0.01)
    assert (samples.method, samples.n_samples, variance.method, variance.n_samples) == ("samples", 3, "variance", 0)
    assert (curve_of_samples.subject, curve_of_samples.group) == ("a", "MR, one axis")
    assert samples.calibrated == {}
    assert (control.method, control.n_samples, control.coverage) == ("white noise", 3, variance.coverage)
    assert np.isnan([variance.energy_score, variance.coverage90_blocks, variance.power_ratio_of_samples]).all()
    assert np.isfinite([control.energy_score, control.coverage90_blocks, samples.coverage90_interior]).all()
