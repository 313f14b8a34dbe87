"""The uncertainty map: its smoothing, its calibration and its warnings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.uncertainty import standard_deviation, trust_of
from medsr.model.spec import Calibration

THICK = (1.0, 1.15, 5.0)
CALIBRATION = Calibration(
    levels=(0.5, 0.9),
    factors={"samples": {"all": (1.0, 1.5), "CT, one axis": (0.5, 0.8)}, "variance": {"all": (1.1, 1.2)}},
    subjects={"all": 8},
    held_out={},
    samples=8,
    steps=6,
    tasks=("iso2",),
)


def test_a_constant_variance_stays_and_a_noisy_one_gets_nearer_to_the_truth():
    torch.testing.assert_close(standard_deviation(torch.full((1, 1, 6, 7, 8), 4.0)), torch.full((1, 1, 6, 7, 8), 2.0))
    samples = torch.randn(8, 20, 20, 20, generator=torch.Generator().manual_seed(0))
    variance = samples.square().mean(0)
    assert (standard_deviation(variance) - 1).square().mean() < 0.2 * (variance.sqrt() - 1).square().mean()
    assert standard_deviation(variance).square().mean() == pytest.approx(float(variance.mean()), rel=0.01)


def test_the_factor_is_that_of_the_group_and_widths_are_in_written_deviations():
    trust = trust_of(CALIBRATION, "CT", THICK, EnhanceSettings(samples=8))
    assert (trust.factor, trust.warnings) == (0.8, ())
    assert trust.facts["half_widths"] == {
        "0.5": pytest.approx(0.6745 * 0.5 / 0.8, abs=1e-4),
        "0.9": pytest.approx(1.6449, abs=1e-4),
    }
    more = trust_of(CALIBRATION, "MR", (2, 2, 2), EnhanceSettings(samples=16))
    assert (more.factor, more.warnings) == (1.5, ())


@pytest.mark.parametrize("other", [{"samples": 4}, {"steps": 3}, {"sampler": "euler"}])
def test_other_samples_than_were_measured_are_warned_of(other):
    (said,) = trust_of(CALIBRATION, "MR", THICK, EnhanceSettings(**{"samples": 8, **other})).warnings
    assert "was calibrated on 8 samples of 6 dpm2m steps" in said


@pytest.mark.parametrize("led", [{"guidance": 1.5}, {"data_step": "project"}, {"classifier": "sharpness.safetensors"}])
def test_samples_that_were_led_elsewhere_than_those_that_were_measured_are_warned_of(led):
    settings = EnhanceSettings(mode="uncertainty", samples=8, **led)
    (said,) = trust_of(CALIBRATION, "MR", (2, 2, 2), settings).warnings
    assert said.endswith(f"led by {next(iter(led))}")
    assert trust_of(CALIBRATION, "MR", (2, 2, 2), replace(settings, samples=0)).warnings == ()


def test_without_samples_the_factor_is_that_of_the_variance_head_whatever_the_sampler():
    trust = trust_of(CALIBRATION, "CT", THICK, EnhanceSettings(steps=3, sampler="euler"))
    assert (trust.factor, trust.facts["kind"], trust.warnings) == (1.2, "variance", ())
    assert trust_of(CALIBRATION, "CT", THICK, EnhanceSettings(samples=8)).facts["kind"] == "samples"


def test_without_a_calibration_nothing_is_scaled_and_the_record_says_so():
    trust = trust_of(None, "MR", THICK, EnhanceSettings())
    assert (trust.factor, trust.facts) == (1.0, {"calibrated": False})
    assert np.size(trust.warnings) == 1
