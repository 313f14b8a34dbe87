"""Laws of the feed: every step has its batch, in order, whoever makes it."""

from __future__ import annotations

import dataclasses
import os
import signal

import pytest
import torch
from small_scans import small_scans
from tiny_models import TINY

from medsr.errors import ResourceError
from medsr.training.batches import make_batch
from medsr.training.extras import Extras
from medsr.training.feed import feed
from medsr.training.scans import training_scans
from medsr.training.schedule import TrainingSettings, patches_at, variety_at

CPU = torch.device("cpu")
SCANS = training_scans(small_scans())
EXTRAS = Extras(synthetic=0.3, soft=0.3, told_wrong=0.3)
SETTINGS = TrainingSettings(
    steps=8,
    batch=2,
    patch=12,
    slab=(24, 20, 12),
    slab_from=0.0,
    plain_steps=1,
    widening_steps=2,
    extras=EXTRAS,
    net=TINY,
)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_step_gets_its_own_batch_whoever_makes_it(workers):
    steps = range(3, 8)
    for step, batch in zip(steps, feed(SCANS, SETTINGS, steps, CPU, workers), strict=True):
        shape, count = patches_at(step, SETTINGS)
        expected = make_batch(SCANS, (SETTINGS.seed, step), count, shape, variety_at(step, SETTINGS), EXTRAS)
        for part in dataclasses.fields(expected):
            ours, theirs = getattr(batch, part.name), getattr(expected, part.name)
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)  # a worker has another number of threads


def test_no_steps_are_no_batches():
    assert list(feed(SCANS, SETTINGS, range(8, 8), CPU)) == []


class Deadly(list):
    """Scans that end the process which reads them, as a lack of memory would."""

    def __iter__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_told_in_one_line():
    with pytest.raises(ResourceError, match=r"failed \(.*\); give it more memory") as caught:
        list(feed(Deadly(SCANS), SETTINGS, range(2), CPU, workers=1))
    assert "\n" not in str(caught.value)
