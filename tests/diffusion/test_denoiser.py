"""Laws of the preconditioning, up to infinite noise."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.diffusion import N_NOISE_FEATURES
from medsr.diffusion.denoiser import coefficients, estimate, mean_of, noise_features

INF = float("inf")
SIGMAS = st.floats(1e-3, 1e3)


def level(*sigmas):
    return torch.tensor(sigmas, dtype=torch.float64)


def state(count=2, seed=0):
    return torch.randn(count, 1, 3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def nonlinear(noisy, features):
    """A raw network with an answer that depends on all of its input."""
    level = features.sum(dim=1)[:, None, None, None, None]
    return torch.cat([torch.tanh(noisy + level), 0.1 * noisy - level], dim=1)


@given(SIGMAS)
def test_coefficients_are_those_of_the_paper(sigma):
    skip, out, into = (value.item() for value in coefficients(level(sigma)))
    assert skip == pytest.approx(1 / (sigma**2 + 1))
    assert out == pytest.approx(sigma / (sigma**2 + 1) ** 0.5)
    assert into == pytest.approx(1 / (sigma**2 + 1) ** 0.5)


@given(SIGMAS)
def test_the_networks_input_and_target_have_unit_variance(sigma):
    skip, out, into = (value.item() for value in coefficients(level(sigma)))
    assert into**2 * (1 + sigma**2) == pytest.approx(1)
    assert ((1 - skip) ** 2 + skip**2 * sigma**2) / out**2 == pytest.approx(1)


def test_coefficients_and_features_reach_their_limits():
    at_end = coefficients(level(INF))
    assert [value.item() for value in at_end] == [0.0, 1.0, 0.0]
    for value, limit in zip(coefficients(level(1e7)), at_end, strict=True):
        assert value.item() == pytest.approx(limit.item(), abs=1e-6)
    near, end = noise_features(level(1e7, INF))
    torch.testing.assert_close(near[:2], end[:2], atol=1e-6, rtol=0)
    assert (near[2], end[2]) == (0, 1)


@given(st.one_of(SIGMAS, st.just(INF)))
def test_features_are_bounded(sigma):
    features = noise_features(level(sigma))
    assert features.shape == (1, N_NOISE_FEATURES)
    assert torch.all((features >= 0) & (features <= 1))


@given(st.lists(SIGMAS, min_size=2, max_size=2))
def test_an_estimate_is_the_papers_formula(sigmas):
    noisy, sigma = state(), level(*sigmas)
    mean, log_variance = estimate(nonlinear, noisy, sigma)
    for n, s in enumerate(sigmas):
        raw = nonlinear(noisy[n : n + 1] / (s**2 + 1) ** 0.5, noise_features(level(s)))
        out = s / (s**2 + 1) ** 0.5
        torch.testing.assert_close(mean[n : n + 1], noisy[n : n + 1] / (s**2 + 1) + out * raw[:, :1])
        # the variance is that of the scaled answer: F's own times c_out squared
        torch.testing.assert_close(log_variance[n : n + 1].exp(), raw[:, 1:].exp() * out**2)


@pytest.mark.parametrize("noisy", [state(seed=1), 1e6 * state(seed=2), torch.full((2, 1, 3, 4, 5), INF).double()])
def test_at_infinite_noise_the_noisy_state_has_no_influence(noisy):
    sigma = level(INF, INF)
    for answer, expected in zip(
        estimate(nonlinear, noisy, sigma), estimate(nonlinear, 0 * state(), sigma), strict=True
    ):
        assert torch.equal(answer, expected)


def test_each_member_of_a_batch_has_its_own_level():
    noisy = state(3)
    together = estimate(nonlinear, noisy, level(INF, 0.2, 5.0))
    for n, s in enumerate((INF, 0.2, 5.0)):
        for value, alone in zip(together, estimate(nonlinear, noisy[n : n + 1], level(s)), strict=True):
            torch.testing.assert_close(value[n : n + 1], alone)


def test_a_network_that_predicts_nothing_keeps_a_clean_state():
    noisy = state()
    silent = mean_of(lambda x, _: torch.zeros_like(x).repeat(1, 2, 1, 1, 1))
    torch.testing.assert_close(silent(noisy, level(1e-4, 1e-4)), noisy, rtol=1e-6, atol=1e-6)


def test_a_samplers_denoiser_is_the_mean_alone():
    noisy, sigma = state(), level(0.3, 2.0)
    assert torch.equal(mean_of(nonlinear)(noisy, sigma), estimate(nonlinear, noisy, sigma).mean)
