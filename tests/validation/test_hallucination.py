"""Every hallucination test, on methods whose answers are known and on a small network."""

from __future__ import annotations

import json

import numpy as np
import pytest
from phantoms import head
from scipy.ndimage import gaussian_filter
from tiny_models import tiny_model

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError
from medsr.metrics.error import foreground_mask
from medsr.physics.tasks import TASKS
from medsr.validation.hallucination import central, hallucination_tests, restorers, stability
from medsr.validation.report.summary import hallucination_text

REFERENCE = head((44, 48, 40))
QUICK = EnhanceSettings(steps=2, flips=0)


def dark_cornered(volume):
    """A corner darker than any undershoot, so that no mean is raised to the floor of the scan."""
    data = np.array(volume.data)
    data[:5, :5, :5] = -2.0 * data.max()
    return volume.with_data(data)


DARK_CORNERED = dark_cornered(REFERENCE)


@pytest.fixture(scope="module")
def found():
    methods = restorers(tiny_model(silent=True), QUICK, ("ibp", "mean"))
    tests = hallucination_tests("a", DARK_CORNERED, TASKS["thick5"], methods, contrasts=(0.5,))
    return {one.method: one for one in tests}


def test_a_silent_network_does_what_the_ibp_estimate_does(found):
    ours, theirs = found["mean"], found["ibp"]
    assert [t.dice for t in ours.tissues] == pytest.approx([t.dice for t in theirs.tissues], abs=2e-3)
    assert ours.stability.shift_error == pytest.approx(theirs.stability.shift_error, rel=1e-2)


def test_the_ibp_estimate_adds_nothing_of_its_own(found):
    assert found["ibp"].prior.energy < 1e-6
    assert found["ibp"].prior.share < 1e-6
    assert all(one.per_litre == 0 for one in found["ibp"].false_lesions)


def test_everything_turns_into_json(found):
    content = json.loads(json.dumps(found["mean"].as_dict()))
    assert content["method"] == "mean"
    assert {"diameter_mm", "contrast", "recovered", "auroc"} <= set(content["lesions"][0])
    assert content["patches"] >= content["flagged"]


def test_methods_without_a_model_are_left_out():
    assert list(restorers(None, QUICK)) == ["cubic", "ibp"]


def test_the_middle_is_where_it_was():
    part = central(REFERENCE, 30)
    assert part.shape == (30, 30, 30)
    np.testing.assert_array_equal(part.data, REFERENCE.data[7:37, 9:39, 5:35])
    np.testing.assert_allclose(part.affine[:3, 3], REFERENCE.affine[:3, :3] @ (7, 9, 5) + REFERENCE.affine[:3, 3])


def test_a_symmetric_linear_method_is_steady_and_one_that_amplifies_is_not():
    mask = foreground_mask(REFERENCE.data, "MR")
    found = {
        name: stability(REFERENCE, TASKS["iso2"], restore, mask, 700.0)
        for name, restore in restorers(None, QUICK).items()
    }
    assert found["ibp"].flip_change < 1e-6
    assert found["cubic"].noise_gain < 1 < found["ibp"].noise_gain

    def shouting(scan, acquisition):
        return 10 * restorers(None, QUICK)["cubic"](scan, acquisition)

    loud = stability(REFERENCE, TASKS["iso2"], shouting, mask, 700.0)
    assert loud.noise_gain == pytest.approx(10 * found["cubic"].noise_gain, rel=1e-3)
    assert loud.shift_change == pytest.approx(10 * found["cubic"].shift_change, rel=1e-3)


@pytest.mark.parametrize("task", ["iso2", "thick5"])
def test_a_result_under_shifted_slices_is_moved_back_before_it_is_compared(task):
    """A scan without fine detail is restored whatever its slices meet, so that only a shift left in would change it."""
    smooth = REFERENCE.with_data(gaussian_filter(REFERENCE.data, 5))
    mask = np.ones(smooth.shape, dtype=bool)
    one_voxel = np.sqrt(np.mean(np.square(np.diff(smooth.data, axis=2)))) / 700
    found = stability(smooth, TASKS[task], restorers(None, QUICK)["ibp"], mask, 700.0)
    assert found.shift_change < 0.1 * one_voxel
    assert found.shift_error < 0.1 * one_voxel


def test_a_method_that_hangs_on_the_side_of_the_head_is_caught_by_flips():
    mask = foreground_mask(REFERENCE.data, "MR")

    def lopsided(scan, acquisition):
        x = restorers(None, QUICK)["cubic"](scan, acquisition)
        x[:10] += 70
        return x

    assert stability(REFERENCE, TASKS["iso2"], lopsided, mask, 700.0).flip_change > 0.01


def test_a_scan_of_one_tissue_is_refused_in_one_line():
    uniform = REFERENCE.with_data(np.where(REFERENCE.data > 200, 400, 0).astype(np.float32))
    with pytest.raises(InputError, match="three tissues") as caught:
        hallucination_tests("sub-01", uniform, TASKS["iso2"], restorers(None, EnhanceSettings(), ["cubic"]))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("error")
def test_what_a_thin_scan_has_no_room_for_is_missing():
    thin = REFERENCE.with_data(REFERENCE.data[:, :, 14:24])
    (found,) = hallucination_tests("sub-01", thin, TASKS["iso2"], restorers(None, EnhanceSettings(), ["cubic"]))
    assert found.patterns == ()
    assert np.isnan([found.stability.shift_change, found.stability.shift_error]).all()
    assert np.isfinite([found.stability.noise_gain, found.stability.flip_change]).all()
    assert "under a quarter-slice shift – of R (error –)" in hallucination_text([found])
