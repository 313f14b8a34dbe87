"""Fourier shell correlation against a loop over all frequencies, and on scans whose cut-off is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.metrics.resolution import ONE_SEVENTH, ShellCorrelation, shell_correlation
from medsr.metrics.windows import hann

SHAPE, SPACING = (40, 36, 48), (1.0, 1.25, 0.75)


def noise(seed: int = 0, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def low_passed(x: np.ndarray, axis: int, highest_per_mm: float) -> np.ndarray:
    """Other noise instead of the frequencies above a limit along one axis."""
    frequency = np.abs(np.fft.fftfreq(x.shape[axis], SPACING[axis]))
    kept = (frequency <= highest_per_mm).reshape([-1 if k == axis else 1 for k in range(3)])
    return np.fft.ifftn(np.where(kept, np.fft.fftn(x), np.fft.fftn(noise(1)))).real


def test_it_is_that_of_a_loop_over_all_frequencies():
    shape, axis = (7, 6, 9), 1
    x, y = noise(0, shape), noise(1, shape) + noise(0, shape)
    window = hann(shape)
    X, Y = (np.fft.fftn((a - (a * window).sum() / window.sum()) * window) for a in (x, y))
    k = [np.fft.fftfreq(n, h) for n, h in zip(shape, SPACING, strict=True)]
    thickness = 1 / (shape[axis] * SPACING[axis])
    sums = np.zeros((3, shape[axis] // 2))
    for i, j, m in np.ndindex(shape):
        along = abs(k[1][j])
        across = np.hypot(k[0][i], k[2][m])
        number = round(np.hypot(along, across) / thickness) - 1
        if along > 0 and across <= np.tan(np.radians(20)) * along and number < sums.shape[1]:
            weight = 0.5 if 2 * j == shape[axis] else 1.0  # the highest frequency stands for itself and its mirror
            x_, y_ = X[i, j, m], Y[i, j, m]
            sums[:, number] += weight * 2 * np.array([(x_ * y_.conjugate()).real, abs(x_) ** 2, abs(y_) ** 2])
    found = shell_correlation(x, y, SPACING, axis)
    np.testing.assert_allclose(found.correlation[:-1], (sums[0] / np.sqrt(sums[1] * sums[2]))[:-1], rtol=1e-9)
    np.testing.assert_allclose(found.frequency_per_mm, thickness * np.arange(1, 4))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("highest_per_mm", [0.15, 0.25, 0.33])
def test_the_cut_off_is_where_the_signal_ends(axis, highest_per_mm):
    """Up to the width of a shell and of the window, about two periods of the field of view."""
    x = noise()
    found = shell_correlation(low_passed(x, axis, highest_per_mm), x, SPACING, axis)
    width = 2 / (SHAPE[axis] * SPACING[axis])
    assert 1 / (2 * found.cut_off_mm()) == pytest.approx(highest_per_mm, abs=width)
    assert found.cut_off_mm(ONE_SEVENTH) <= found.cut_off_mm()


def test_what_agrees_everywhere_resolves_the_spacing():
    found = shell_correlation(3 * noise() + 7, noise(), SPACING, 2)
    np.testing.assert_allclose(found.correlation, 1)
    assert found.cut_off_mm() == pytest.approx(SPACING[2])


@given(st.floats(0.05, 0.95))
def test_the_crossing_is_read_between_two_shells(threshold):
    curve = ShellCorrelation((0.1, 0.2, 0.3, 0.4), (1.0, 1.0, 0.0, 0.0))
    assert curve.cut_off_mm(threshold) == pytest.approx(1 / (2 * (0.2 + 0.1 * (1 - threshold))))


def test_a_hand_made_curve():
    curve = ShellCorrelation((0.1, 0.2, 0.3), (0.9, 0.7, 0.3))
    assert curve.cut_off_mm(0.5) == pytest.approx(1 / 0.5)
    assert curve.cut_off_mm(0.143) == pytest.approx(1 / 0.6)
    assert ShellCorrelation((0.1, 0.2), (0.2, 0.1)).cut_off_mm() == pytest.approx(5)
