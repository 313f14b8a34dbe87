"""What the stated uncertainty covers: a count of errors, and the middle of a phantom measured as `enhance` does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.tasks import TASKS
from medsr.validation.coverage import WIDTHS, coverage_curve, measure, middle
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


def test_the_middle_lies_inside_and_is_as_large_as_asked(trial):
    box = middle(trial, 20)
    assert all(0 <= a < b <= n for a, b, n in zip(box.start, box.stop, trial.input.shape, strict=True))
    assert box.shape[:2] == (20, 20)
    assert box.shape[2] == round(20 / trial.acquisition.factors[2])


def test_what_is_measured_agrees_with_enhance(trial):
    """A part as large as the scan: the same mean, and the uncertainty that `enhance` writes."""
    model = tiny_model()
    (samples, variance), (curve_of_samples, _) = measure(trial, "sub-a_T1w", "thick5", model, SETTINGS, side_vox=40)
    result = enhance(trial.input, model, SETTINGS, trial.acquisition)
    error = (result.volume.data - trial.reference.data)[trial.mask]
    uncertainty = result.uncertainty.data[trial.mask]
    assert samples.error == pytest.approx(np.sqrt(np.mean(error**2)) / trial.data_range, rel=1e-3)
    assert samples.deviation == pytest.approx(np.sqrt(np.mean(uncertainty**2)) / trial.data_range, rel=1e-3)
    assert samples.coverage["90"] == pytest.approx(np.mean(np.abs(error) <= 1.6449 * uncertainty), abs=0.01)
    assert (samples.method, samples.n_samples, variance.method, variance.n_samples) == ("samples", 3, "variance", 0)
    assert (curve_of_samples.subject, curve_of_samples.group) == ("a", "MR, one axis")
    assert samples.calibrated == {}
