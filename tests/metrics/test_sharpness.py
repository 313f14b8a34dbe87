"""The power above half the Nyquist frequency, on signals whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.metrics.sharpness import high_frequency_power, high_frequency_power_ratio

SHAPE = (64, 48, 40)


def wave(axis: int, cycles_per_voxel: float) -> np.ndarray:
    positions = np.arange(SHAPE[axis]).reshape([-1 if k == axis else 1 for k in range(3)])
    return np.broadcast_to(np.cos(2 * np.pi * cycles_per_voxel * positions + 0.3), SHAPE)


def noise(seed: int = 0, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("shape", [SHAPE, (63, 47, 41)])
def test_white_noise_has_half_its_variance_there(shape):
    power = high_frequency_power(3 * noise(shape=shape), (0, 1, 2))
    np.testing.assert_allclose(power, 9 / 2, rtol=0.07)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_wave_counts_along_its_own_axis_and_above_the_limit_alone(axis):
    above, below = (high_frequency_power(wave(axis, f), (0, 1, 2)) for f in (0.35, 0.15))
    np.testing.assert_allclose(above, np.where(np.arange(3) == axis, 0.5, 0.0), atol=5e-3)
    np.testing.assert_allclose(below, 0, atol=1e-3)


@given(st.floats(0.1, 10), st.floats(-1000, 1000))
def test_it_grows_with_the_square_and_forgets_the_mean(factor, offset):
    x = noise(shape=(12, 14, 16))
    changed = high_frequency_power(factor * x + offset, (0, 2))
    np.testing.assert_allclose(changed, factor**2 * high_frequency_power(x, (0, 2)), rtol=1e-6)


def test_the_ratio_is_averaged_over_the_axes():
    x, reference = 2 * wave(0, 0.4) + wave(1, 0.4), wave(0, 0.4) + wave(1, 0.4)
    assert high_frequency_power_ratio(x, reference, (0,)) == pytest.approx(4, rel=0.02)
    assert high_frequency_power_ratio(x, reference, (0, 1)) == pytest.approx((4 + 1) / 2, rel=0.02)
    assert high_frequency_power_ratio(reference, reference, (0, 1, 2)) == 1


def test_negative_axes_count_from_the_end():
    x = noise()
    np.testing.assert_array_equal(high_frequency_power(x, (-1, -3)), high_frequency_power(x, (2, 0)))


def test_only_the_box_around_the_mask_counts():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:30, 20, 5] = mask[12, 8:40, 5] = mask[12, 20, 3:30] = True
    x = noise()
    elsewhere = x.copy()
    elsewhere[40:] = 1e6
    cut = high_frequency_power(x[10:30, 8:40, 3:30], (0, 1, 2))
    np.testing.assert_allclose(high_frequency_power(elsewhere, (0, 1, 2), mask), cut)


def test_tensors_are_taken_like_arrays():
    x = noise()
    np.testing.assert_array_equal(high_frequency_power(torch.from_numpy(x), (0,)), high_frequency_power(x, (0,)))


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="empty"):
        high_frequency_power(noise(), (0,), np.zeros(SHAPE, dtype=bool))
