"""The same answer on CUDA as on the CPU, where there is CUDA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement import EnhanceSettings, enhance
from medsr.models import choose_device, fastest_dtype

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def largest_difference(mode, dtype):
    scan = head((40, 44, 14), (1.0, 1.0, 3.0))
    settings = EnhanceSettings(mode=mode, steps=4, draws=2, noise=3.0)
    on_cpu = enhance(scan, tiny_model(), settings).volume.data
    on_cuda = enhance(scan, tiny_model(device="cuda", dtype=dtype), settings).volume.data
    low, high = np.percentile(scan.data, (0.1, 99.9))
    return np.abs(on_cpu - on_cuda).max() / (high - low)


def test_cuda_is_chosen_where_it_is():
    assert choose_device("auto").type == "cuda"


def test_the_mean_is_that_of_the_cpu():
    assert largest_difference("mean", torch.float32) < 1e-2
    assert largest_difference("mean", fastest_dtype(torch.device("cuda"))) < 1e-2


def test_a_draw_is_that_of_the_cpu():
    assert largest_difference("sample", torch.float32) < 1e-2


def test_the_same_seed_gives_the_same_bits():
    scan, settings = head((20, 22, 24)), EnhanceSettings(mode="sample", steps=3)
    model = tiny_model(device="cuda")
    ours, theirs = (enhance(scan, model, settings).volume.data for _ in range(2))
    np.testing.assert_array_equal(ours, theirs)
