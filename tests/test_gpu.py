"""The same answer on CUDA as on the CPU, where there is CUDA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import head
from small_scans import small_scans
from tiny_models import TINY, tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.model.weights import choose_device, fastest_dtype
from medsr.training.loop import train
from medsr.training.scans import training_scans
from medsr.training.schedule import TrainingSettings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def largest_difference(mode, dtype):
    scan = head((40, 44, 14), (1.0, 1.0, 3.0))
    settings = EnhanceSettings(mode=mode, steps=4, samples=2, noise=3.0)
    on_cpu = enhance(scan, tiny_model(), settings).volume.data
    on_cuda = enhance(scan, tiny_model(device="cuda", dtype=dtype), settings).volume.data
    low, high = np.percentile(scan.data, (0.1, 99.9))
    return np.abs(on_cpu - on_cuda).max() / (high - low)


def test_cuda_is_chosen_where_it_is():
    assert choose_device("auto").type == "cuda"


def test_the_mean_is_that_of_the_cpu():
    assert largest_difference("mean", torch.float32) < 1e-2
    assert largest_difference("mean", fastest_dtype(torch.device("cuda"))) < 1e-2


def test_a_sample_is_that_of_the_cpu():
    assert largest_difference("sample", torch.float32) < 1e-2


def test_the_same_seed_gives_the_same_bits():
    scan, settings = head((20, 22, 24)), EnhanceSettings(mode="sample", steps=3)
    model = tiny_model(device="cuda")
    ours, theirs = (enhance(scan, model, settings).volume.data for _ in range(2))
    np.testing.assert_array_equal(ours, theirs)


def test_training_takes_the_steps_of_the_cpu_whoever_makes_its_batches(tmp_path):
    """For the posterior mean alone: the noise of other levels is made on the device, so there it is another one."""
    settings = TrainingSettings(
        steps=12, batch=2, patch=12, slab=(24, 16, 12), slab_from=0.5, plain_steps=4, mean_only_share=1.0, net=TINY
    )
    scans = training_scans(small_scans())
    for device in ("cpu", "cuda"):
        (tmp_path / device).mkdir()
    losses = [
        [float(progress.loss) for progress in train(scans, settings, tmp_path / device, torch.device(device), workers)]
        for device, workers in (("cpu", 0), ("cuda", 2))
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
