"""What a network sees and is asked for in a step of training, by a network that looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_scans import small_scans
from tiny_models import TINY

from medsr.diffusion.processes import PROCESSES
from medsr.diffusion.processes.lines import PMRF_SPREAD
from medsr.model.conditioning import CENTRE, SCAN_DEVIATION, anatomy_maps, expected_detail
from medsr.model.inputs import N_MAPS, N_SCAN_CONDITIONS
from medsr.training import batches
from medsr.training.batches import make_batch
from medsr.training.feed import feed
from medsr.training.objective import objective
from medsr.training.scans import training_scans
from medsr.training.schedule import TrainingSettings

SHAPE = (2, 1, 6, 5, 4)
SETTINGS = TrainingSettings(steps=2, batch=2, patch=12, net=TINY, weights="target")
SCANS = training_scans(small_scans())


def white(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Looking:
    """A network that remembers what it saw and answers with one map."""

    def __init__(self, answer=0.0):
        self.answer, self.seen = answer, []

    def __call__(self, maps, conditions):
        self.seen.append((maps, conditions))
        answer = torch.as_tensor(self.answer) * torch.ones_like(maps[:, :1])
        return torch.cat([answer, torch.zeros_like(answer)], dim=1)


def asked(net, settings=SETTINGS, teacher=None, sigma=(0.5, 2.0), chance=(0.1, 0.9)):
    maps, scan = white(1, (2, N_MAPS - 1, *SHAPE[2:])), white(2, (2, N_SCAN_CONDITIONS))
    parts = white(3), maps, scan, torch.ones(SHAPE), torch.tensor(sigma), white(4), torch.tensor(chance)
    return objective(net, teacher, settings, *parts), maps, scan


def test_the_scan_is_hidden_for_the_share_that_drops_it():
    net = Looking()
    _, maps, scan = asked(net, replace(SETTINGS, drop_condition=0.3))
    seen, numbers = net.seen[0]
    assert not seen[0, 1:].any() and not numbers[0, :N_SCAN_CONDITIONS].any()
    assert numbers[0, N_SCAN_CONDITIONS:].any()  # the noise level is told
    assert torch.equal(seen[1, 1:], maps[1]) and torch.equal(numbers[1, :N_SCAN_CONDITIONS], scan[1])


def test_a_prior_never_sees_the_scan_and_others_always_do():
    for process, hidden in (("prior", True), ("edm", False), ("ddpm_linear", False)):
        net = Looking()
        asked(net, replace(SETTINGS, process=process))
        assert bool(net.seen[0][0][:, 1:].any()) is not hidden


@pytest.mark.parametrize("process", ["ddpm_linear", "ddpm_cosine_v", "flow", "i2sb", "resshift", "indi", "edm"])
def test_the_network_sees_the_state_of_its_process(process):
    net = Looking()
    asked(net, replace(SETTINGS, process=process))
    scales = PROCESSES[process].parametrisation(torch.tensor([0.5, 2.0]))
    noisy = white(3) + torch.tensor([0.5, 2.0])[:, None, None, None, None] * white(4)
    torch.testing.assert_close(net.seen[0][0][:, :1], scales.into * noisy)


def test_the_noise_of_pmrf_lies_around_the_mean_that_the_network_tells():
    net = Looking(answer=0.4)
    asked(net, replace(SETTINGS, process="pmrf"))
    (at_infinity, _), (seen, _) = net.seen
    assert not at_infinity[:, :1].any()
    sigma = torch.tensor([0.5, 2.0])
    share = (PMRF_SPREAD / (PMRF_SPREAD + sigma))[:, None, None, None, None]
    mean = -0.4  # of a velocity from r to the noise that begins nowhere
    torch.testing.assert_close(seen[:, :1], share * white(3) + (1 - share) * (mean + PMRF_SPREAD * white(4)))


@pytest.mark.parametrize("weights", ["truth", "scan", "target"])
def test_a_teacher_is_believed_instead_of_the_truth(weights):
    """A network that answers what the teacher tells has less to learn than one that answers the truth."""
    told = white(7)

    def answering(answer):
        sigma = torch.tensor([0.5, 2.0])
        scales = PROCESSES["edm_few"].parametrisation(sigma)
        noisy = white(3) + sigma[:, None, None, None, None] * white(4)
        return Looking((answer - scales.skip * noisy) / scales.out)

    settings = replace(SETTINGS, process="edm_few", weights=weights)
    right, wrong = (asked(answering(answer), settings, lambda *_: told)[0] for answer in (told, white(3)))
    assert right < wrong
    truth, other = (asked(answering(answer), settings)[0] for answer in (white(3), told))
    assert truth < other


def test_batches_of_a_prior_hold_the_scan_itself(monkeypatch):
    """The detail and the scan of one batch are of the same patches."""
    ops = []
    monkeypatch.setattr(batches, "anatomy_maps", lambda op, *rest: ops.append(op) or anatomy_maps(op, *rest))
    detail, scan = (make_batch(SCANS, (0, 3), 2, (12, 12, 12), 1.0, models=models) for models in ("detail", "scan"))
    units = torch.tensor([expected_detail(op) for op in ops[:2]])[:, None, None, None, None]
    ibp = detail.anatomy[:, :1].float() + CENTRE
    torch.testing.assert_close(scan.detail * SCAN_DEVIATION + CENTRE, ibp + units * detail.detail, atol=0.01, rtol=0.01)
    settings = replace(SETTINGS, process="prior")
    fed = next(iter(feed(SCANS, settings, range(1), torch.device("cpu"))))
    expected = make_batch(SCANS, (0, 0), 2, (12, 12, 12), 0.0, models="scan")
    np.testing.assert_array_equal(fed.detail, expected.detail)
