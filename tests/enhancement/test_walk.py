"""What is watched of a sample: every clean scan is what is measured and what is prior of it, whatever the process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import CODED, EVERYTHING, TINY, tiny_model

import medsr
from medsr.diffusion.processes import PROCESSES
from medsr.enhancement.settings import EnhanceSettings
from medsr.model.nets import network_of
from medsr.model.spec import ModelSpec
from medsr.physics.acquisition import acquisition_of
from medsr.physics.tasks import TASKS, degrade

TRUTH = head((24, 26, 30))
SCAN, ACQUISITION = degrade(TRUTH, TASKS["thick5"])
R = float(np.ptp(SCAN.data))
SAMPLE = EnhanceSettings(mode="sample", steps=2, noise=0.0, force=True, data_step="project")
WALKED = [name for name, process in PROCESSES.items() if not (process.classifies or process.encodes)]


def model_of(process):
    """A network with random weights for a process, of details, scans or codes."""
    coded = PROCESSES[process].coded
    net = CODED if coded else TINY
    torch.manual_seed(0)
    made = network_of(net, net if coded else None).eval().requires_grad_(False)
    return replace(tiny_model(), net=made, spec=ModelSpec("tiny", "0", net, EVERYTHING, process=process))


def walked(settings, *, model=None, scan=SCAN, acquisition=ACQUISITION):
    """The steps of a sample, and the sample."""
    steps = []
    result = medsr.enhance(
        scan, model or tiny_model(), settings, acquisition, on_state=lambda number, step: steps.append(step)
    )
    return steps, result.volume


def seen(volume, op=ACQUISITION.op):
    return op(torch.from_numpy(np.array(volume.data))).numpy()


@pytest.mark.parametrize("process", WALKED)
def test_a_clean_scan_is_what_is_measured_of_it_and_what_is_prior(process):
    steps, sample = walked(SAMPLE, model=model_of(process))
    assert len(steps) == 2
    for step in steps:
        size = max(R, float(np.abs(step.clean.data).max()))
        np.testing.assert_allclose(step.measured.data + step.prior.data, step.clean.data, atol=1e-5 * size)
        np.testing.assert_allclose(seen(step.measured), seen(step.clean), atol=1e-4 * size)
        np.testing.assert_allclose(seen(step.prior), 0, atol=1e-4 * size)
    np.testing.assert_array_equal(steps[-1].noisy.data, steps[-1].clean.data)
    np.testing.assert_allclose(steps[-1].clean.data, sample.data, atol=1e-5 * R)


@pytest.mark.parametrize("process", ["edm", "ddpm_cosine_v", "latent"])
def test_a_data_step_holds_what_is_measured_in_place_and_moves_what_is_prior(process):
    steps, _ = walked(SAMPLE, model=model_of(process))
    measured = ACQUISITION.op.ibp(torch.from_numpy(np.array(SCAN.data))).numpy()
    first, last = steps
    np.testing.assert_allclose(last.measured.data, measured, atol=2e-3 * R)
    if not PROCESSES[process].coded:  # of codes, the last data step alone is exact
        np.testing.assert_allclose(first.measured.data, measured, atol=2e-3 * R)
        moved = [np.abs(a.data - b.data).max() for a, b in ((first.measured, last.measured), (first.prior, last.prior))]
        assert moved[1] > 10 * moved[0]


def test_scans_of_a_step_lie_where_the_result_lies_also_beyond_the_grid_of_the_network():
    acquisition = acquisition_of(SCAN, factors=(1, 1, 7))
    steps, sample = walked(SAMPLE, acquisition=acquisition)
    for step in steps:
        for scan in (step.noisy, step.clean, step.measured, step.prior):
            np.testing.assert_array_equal(scan.affine, sample.affine)
            assert scan.shape == sample.shape == (24, 26, 42)
        np.testing.assert_allclose(seen(step.prior, acquisition.op), 0, atol=1e-4 * R)


def test_of_a_cascade_measured_is_what_the_scan_itself_measures():
    steps, _ = walked(replace(SAMPLE, cascade=0.05))
    for step in steps:
        np.testing.assert_allclose(seen(step.measured), seen(step.clean), atol=1e-4 * R)
        np.testing.assert_allclose(seen(step.prior), 0, atol=1e-4 * R)
