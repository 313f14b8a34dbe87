"""Laws of staying true to the measurement."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.diffusion.samplers import ancestral, euler, last_of
from medsr.diffusion.schedule import karras
from medsr.enhancement.consistency import (
    DATA_STEPS,
    consistent,
    mean_eigenvalue,
    noise_ratio,
    residual_map,
    residual_said,
)
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
def test_the_mean_eigenvalue_is_the_share_of_a_white_error_that_is_measured(profile):
    measured = operator(profile)(torch.cat([white(12, 5, 15, seed=seed) for seed in range(60)]))
    assert mean_eigenvalue(operator(profile)) == pytest.approx(float(measured.square().mean()), rel=0.06)


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


# --- data steps of a prior, against the posterior of a Gaussian -------------------------------------------------------

LINE = Separable((AxisSampling(12, 6, "gaussian", 2.0), None, None))
VARIANCE = 0.8  # of the white prior
MEAN = white(12, 1, 1, seed=4)


def prior(x, sigma):
    """The denoiser of N(MEAN, VARIANCE)."""
    return MEAN + VARIANCE / (VARIANCE + sigma[:, None, None, None, None] ** 2) * (x - MEAN)


def matrix():
    return torch.stack([LINE(one.reshape(1, 1, 12, 1, 1)).flatten() for one in torch.eye(12, dtype=torch.float64)], 1)


def posterior_of(rest, noise, sigma=INF, x=None):
    """Mean and covariance of the state by the normal equations: from prior, scan and a noisy state, if any."""
    a = matrix()
    precision = torch.eye(12, dtype=torch.float64) * (1 / VARIANCE + 1 / sigma**2) + a.T @ a / noise**2
    right = MEAN.flatten() / VARIANCE + a.T @ rest.flatten() / noise**2
    if x is not None:
        right = right + x.flatten() / sigma**2
    return torch.linalg.solve(precision, right), torch.linalg.inv(precision)


@pytest.mark.parametrize("step", ["prox", "gradient"])
@pytest.mark.parametrize("sigma", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("noise", [0.02, 0.5])
def test_a_data_step_makes_a_white_priors_denoiser_that_of_the_posterior(step, sigma, noise):
    rest, x = white(6, 1, 1), sigma * white(12, 1, 1, seed=1)
    led = DATA_STEPS[step](prior, LINE, rest, noise, VARIANCE)
    expected, _ = posterior_of(rest, noise, sigma, x)
    torch.testing.assert_close(led(x, level(sigma)).flatten(), expected)


@pytest.mark.parametrize("sigma", [0.1, 20.0])
def test_a_projection_reproduces_the_scan_with_its_noise_and_leaves_the_rest_alone(sigma):
    rest, x = white(6, 1, 1), white(12, 1, 1, seed=1)
    found = DATA_STEPS["project"](prior, LINE, rest, 0.5, VARIANCE)(x, level(sigma))
    torch.testing.assert_close(LINE(found), rest)
    unseen = torch.eye(12, dtype=torch.float64) - torch.linalg.pinv(matrix()) @ matrix()
    torch.testing.assert_close(unseen @ found.flatten(), unseen @ prior(x, level(sigma)).flatten())


@pytest.mark.parametrize("step", ["prox", "gradient", "project"])
def test_a_prior_with_a_data_step_samples_the_posterior(step):
    """DiffPIR and DPS with noise, DDNM without: mean and deviation of every voxel."""
    count, noise = 4000, 1e-4 if step == "project" else 0.3
    rest = white(6, 1, 1)
    expected, covariance = posterior_of(rest, noise)
    generator = torch.Generator().manual_seed(2)

    def fresh(number):
        return torch.randn(count, 1, 12, 1, 1, generator=generator, dtype=torch.float64)

    led = DATA_STEPS[step](prior, LINE, rest, noise, VARIANCE)
    walk = ancestral(led, 20 * fresh(0), karras(150, 20.0, 0.01, 5.0), fresh)
    samples = last_of(walk).clean.reshape(count, 12)
    deviation = covariance.diagonal().sqrt()
    assert torch.all((samples.mean(0) - expected).abs() < 4.5 * deviation / count**0.5 + 0.02)
    assert torch.all((samples.std(0) - deviation).abs() < 0.05 * VARIANCE**0.5)
