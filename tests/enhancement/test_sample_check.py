"""Samples that are far rougher than the scan are not given out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError

SLICES = head((30, 32, 8), (1.0, 1.0, 4.0))
SAMPLE = EnhanceSettings(mode="sample", steps=2, noise=0.0)
MODEL = tiny_model()
MODEL = replace(MODEL, spec=replace(MODEL.spec, sample_scale=30.0))  # its samples are noise


def test_a_sample_that_is_noise_is_refused_in_one_line():
    with pytest.raises(EnvelopeError, match="times as rough as the scan") as caught:
        enhance(SLICES, MODEL, SAMPLE)
    assert "\n" not in str(caught.value)
    assert "--force" in str(caught.value)


def test_force_gives_it_out():
    assert enhance(SLICES, MODEL, replace(SAMPLE, force=True)).volume.shape[2] == 32


@pytest.mark.parametrize("mode", ["mean", "uncertainty"])
def test_other_modes_are_not_refused(mode):
    enhance(SLICES, MODEL, replace(SAMPLE, mode=mode, samples=2))


def test_the_mean_end_of_the_blend_is_not_refused():
    silent = tiny_model(silent=True)
    enhance(SLICES, silent, replace(SAMPLE, blend=0.0, profile="kspace"))


def test_where_every_axis_is_refined_nothing_is_refused():
    enhance(SLICES, MODEL, replace(SAMPLE, factors=(2.0,)))
