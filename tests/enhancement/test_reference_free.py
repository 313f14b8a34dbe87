"""What a result shows that a right one does not is named, with what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantoms import affine, head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.flat_tissue import MOST_RIPPLE, MOST_ROUGHNESS
from medsr.enhancement.overshoot import MOST
from medsr.enhancement.reference_free import faults, warnings_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.acquisition import acquisition_of, with_assumed
from medsr.physics.assumption import Assumed
from medsr.physics.tasks import Task, degrade
from medsr.record import Record
from medsr.volume import Volume

SCAN = degrade(head((80, 96, 72), (1.0, 1.0, 1.0)), Task("soft", factor=2, fwhm_mm=1.2))[0]
ACQUISITION = acquisition_of(SCAN, factors=(2,))
RECORD = Record(versions={}, input={}, task={}, settings={})
SILENT = tiny_model(silent=True)


@pytest.mark.parametrize(
    ("check", "most", "text"),
    [
        ("overshoot", MOST, "% of the voxels lie beyond"),
        ("ripple", MOST_RIPPLE, "times as much within a slice"),
        ("roughness", MOST_ROUGHNESS, "times as rough in the plane"),
    ],
)
def test_each_check_has_a_limit_of_its_own(check, most, text):
    assert faults(replace(RECORD, **{check: most}), ACQUISITION) == ()
    (fault,) = faults(replace(RECORD, **{check: 1.01 * most}), ACQUISITION)
    assert text in fault


def test_what_was_not_measured_is_no_fault():
    assert faults(RECORD, ACQUISITION) == warnings_of(RECORD, ACQUISITION) == ()


def test_all_faults_are_one_warning_that_says_what_to_do():
    (warning,) = warnings_of(replace(RECORD, overshoot=0.2, ripple=9.0, roughness=7.0), ACQUISITION)
    assert warning.startswith("20% of the voxels lie beyond all values around them in the scan; flat tissue varies 9.0")
    assert warning.endswith("it is sharpened too much; give the true --profile, --thickness and --noise")
    assert "\n" not in warning


def test_a_result_that_is_sharpened_too_much_warns():
    wide = (Assumed("gaussian", 3.0, "estimated", "estimated"),) * 3
    record = enhance(SCAN, SILENT, EnhanceSettings(noise=0.0), with_assumed(ACQUISITION, wide)).record
    assert faults(record, with_assumed(ACQUISITION, wide))
    assert any("sharpened too much" in text for text in record.warnings)


def test_the_whole_and_its_blocks_are_measured_alike():
    tissue = np.random.default_rng(0).normal(60, 2.0, (48, 48, 24)).astype(np.float32)
    tissue[:4] = 0.0
    scan, quick = Volume(tissue, affine((1.0, 1.0, 4.0))), EnhanceSettings(flips=0, noise=2.0, force=True)
    model = tiny_model()
    whole = enhance(scan, model, quick)
    cut = enhance(scan, model, quick, memory_bytes=whole.record.peak_memory_bytes)
    assert whole.record.ripple is not None
    assert whole.record.roughness is not None
    assert cut.record.ripple == pytest.approx(whole.record.ripple, rel=1e-3)
    assert cut.record.roughness == pytest.approx(whole.record.roughness, rel=1e-3)
