"""Laws of staying true to the measurement."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.diffusion.samplers import euler, last_of
from medsr.diffusion.schedule import karras
from medsr.enhancement.consistency import consistent, noise_ratio, residual_map, residual_said
from medsr.physics.ops import PROFILES, AxisSampling, Separable

INF = float("inf")
POSITIVE = st.floats(1e-3, 1e3)


def operator(profile="gaussian"):
    return Separable((AxisSampling(12, 6, profile, 2.0), None, AxisSampling(15, 6, profile, 2.5)))


def white(*shape, seed=0):
    return torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def level(sigma, count=1):
    return torch.full((count,), sigma, dtype=torch.float64)


@given(POSITIVE, POSITIVE)
def test_without_noise_the_scan_is_believed_whatever_the_answer(variance, sigma):
    assert noise_ratio(0.0, variance) == 0
    assert noise_ratio(0.0, variance, sigma) == 0


@given(POSITIVE, POSITIVE)
def test_the_posterior_mean_is_the_limit_of_high_levels(noise, variance):
    assert noise_ratio(noise, variance) == pytest.approx(noise**2 / variance)
    assert noise_ratio(noise, variance, 1e9) == pytest.approx(noise_ratio(noise, variance))


@given(POSITIVE, POSITIVE)
def test_at_low_levels_the_state_is_believed(noise, variance):
    assert noise_ratio(noise, variance, 1e-9) == pytest.approx(noise**2 / 1e-18)


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_the_ratio_grows_with_the_noise_and_falls_with_the_level(noise, variance, sigma, more):
    ratio = noise_ratio(noise, variance, sigma)
    assert noise_ratio(noise + more, variance, sigma) > ratio > 0
    assert noise_ratio(noise, variance, sigma + more) <= ratio
    assert noise_ratio(noise, variance + more, sigma) <= ratio


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sigma", [INF, 3.0, 0.1])
def test_without_noise_answers_reproduce_the_scan(profile, sigma):
    op, rest = operator(profile), white(6, 5, 6)
    denoise = consistent(lambda x, s: torch.tanh(x), op, rest, 0.0, 0.3)
    answer = denoise(white(12, 5, 15, seed=1), level(sigma))
    torch.testing.assert_close(op(answer), rest, atol=1e-6, rtol=0)
    assert residual_map(op, answer, rest).abs().max() < 1e-6


def test_without_noise_a_sample_reproduces_the_scan():
    op, rest = operator(), white(6, 5, 6)
    denoise = consistent(lambda x, s: x / (1 + s[0] ** 2), op, rest, 0.0, 0.3)
    sample = last_of(euler(denoise, 3 * white(12, 5, 15, seed=1), karras(6))).x
    torch.testing.assert_close(op(sample), rest, atol=1e-6, rtol=0)


def test_an_answer_that_fits_is_left_alone():
    op, x = operator(), white(12, 5, 15)
    for noise in (0.0, 0.5, 5.0):
        answer = consistent(lambda *_: x, op, op(x), noise, 0.3)(x, level(INF))
        torch.testing.assert_close(answer, x)


def test_the_part_that_the_scanner_does_not_see_is_left_alone():
    op, x = operator(), white(12, 5, 15)
    change = consistent(lambda *_: x, op, white(6, 5, 6), 0.2, 0.3)(x, level(INF)) - x
    unseen = white(12, 5, 15, seed=2)
    unseen = unseen - op.pinv(op(unseen))
    assert (change * unseen).sum().abs() < 1e-9


def test_the_noisier_the_scan_the_less_it_pulls():
    op, x, rest = operator(), white(12, 5, 15), white(6, 5, 6)
    residuals = [
        residual_map(op, consistent(lambda *_: x, op, rest, noise, 0.3)(x, level(INF)), rest).square().mean().item()
        for noise in (0.0, 0.1, 0.5, 2.0, 1e5)
    ]
    assert residuals == sorted(residuals)
    assert residuals[-1] == pytest.approx(residual_map(op, x, rest).square().mean().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("residual", "noise", "word"),
    [
        (1.31, 0.0, "contradicts the scan"),
        (1.3, 0.5, None),
        (0.09, 0.02, "repeats the scan's noise"),
        (0.09, 0.009, None),
        (0.1, 0.02, None),
        (1.0, 0.02, None),
    ],
)
def test_a_residual_that_tells_of_a_wrong_assumption_is_said(residual, noise, word):
    said = residual_said(residual, noise)
    assert [word in text for text in said] == [True] * (word is not None)
    assert len(said) == (word is not None)
