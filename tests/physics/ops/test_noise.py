"""What noise is added."""

from __future__ import annotations

import pytest
import torch

from medsr.physics.ops.noise import add_gaussian, add_rician


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("signal", [0.0, 1.0, 5.0])
def test_rician_noise_has_the_second_moment_it_should(signal):
    noisy = add_rician(torch.full((100, 100, 100), signal, dtype=torch.float64), 0.7, seeded())
    assert noisy.min() >= 0
    assert noisy.square().mean().item() == pytest.approx(signal**2 + 2 * 0.7**2, rel=0.01)


def test_gaussian_noise_has_the_standard_deviation_it_should():
    noise = add_gaussian(torch.full((100, 100, 100), -3.0), 0.7, seeded()) + 3
    assert noise.mean().item() == pytest.approx(0, abs=3e-3)
    assert noise.std().item() == pytest.approx(0.7, rel=0.01)


@pytest.mark.parametrize("add", [add_gaussian, add_rician])
def test_the_generator_alone_decides(add):
    x = torch.ones(5, 6, 7)
    assert torch.equal(add(x, 0.1, seeded(3)), add(x, 0.1, seeded(3)))
    assert not torch.equal(add(x, 0.1, seeded(3)), add(x, 0.1, seeded(4)))
    assert torch.equal(add(x, 0.0, seeded(3)), x)
