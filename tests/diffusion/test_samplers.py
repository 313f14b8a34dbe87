"""One suite for all samplers: other people's formulas, and a Gaussian whose posterior is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from medsr.diffusion import samplers
from medsr.diffusion.samplers import ancestral, dpm_solver_2m, euler, heun, last_of
from medsr.diffusion.schedule import SIGMA_MAX, SIGMA_MIN, karras
from medsr.enhancement.settings import SAMPLER_NAMES

N_SAMPLES = 10_000
SIGNIFICANT = 4.5  # standard errors: once in 150 000
Z90 = 1.6448536  # 90 % of a normal law lie within


def white(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fresh(x):
    """Noise for the step of each number, like `x`."""
    return lambda number: white(x.shape, 1000 + number)


def stochastic(eta):
    return lambda denoise, x, sigmas: ancestral(denoise, x, sigmas, fresh(x), eta)


SAMPLERS = {
    "euler": euler,
    "heun": heun,
    "dpm_solver_2m": dpm_solver_2m,
    "ddpm": stochastic(1.0),
    "ancestral 0.6": stochastic(0.6),
}
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())


def curved(x, sigma):
    """A denoiser of no simple law, so that no error can hide in linearity."""
    s = sigma[:, None, None, None, None]
    return torch.tanh(x / (1 + s)) + 0.3 * torch.sin(3 * x) / (1 + s**2)


# --- the same samplers in their papers' own variables: alpha_bar of a variance-preserving chain -----------------------


def alpha_bar(sigma):
    return 1 / (1 + sigma**2)


def as_denoiser_of(sigma, x):
    return curved(x / alpha_bar(sigma) ** 0.5, torch.full((x.shape[0],), sigma, dtype=x.dtype))


def ddim(x, levels, eta, noise):
    """Song et al. 2021, eq. 12 and 16, on x = sqrt(alpha_bar) (clean + sigma noise)."""
    x = x * alpha_bar(levels[0]) ** 0.5
    for n, (sigma, sigma_next) in enumerate(itertools.pairwise(levels)):
        a, b = alpha_bar(sigma), alpha_bar(sigma_next)
        clean = as_denoiser_of(sigma, x)
        eps = (x - a**0.5 * clean) / (1 - a) ** 0.5
        uncertainty = eta * ((1 - b) / (1 - a)) ** 0.5 * (1 - a / b) ** 0.5
        x = b**0.5 * clean + (1 - b - uncertainty**2) ** 0.5 * eps + uncertainty * noise(n)
    return x  # alpha_bar is 1 at the end


def ddpm(x, levels, noise):
    """Ho et al. 2020, eq. 7: the posterior of the chain's step, by its alpha and beta."""
    x = x * alpha_bar(levels[0]) ** 0.5
    for n, (sigma, sigma_next) in enumerate(itertools.pairwise(levels)):
        bar, bar_before = alpha_bar(sigma), alpha_bar(sigma_next)
        alpha = bar / bar_before
        beta = 1 - alpha
        clean = as_denoiser_of(sigma, x)
        mean = bar_before**0.5 * beta / (1 - bar) * clean + alpha**0.5 * (1 - bar_before) / (1 - bar) * x
        x = mean + ((1 - bar_before) / (1 - bar) * beta) ** 0.5 * noise(n)
    return x


def two_stage(x, levels):
    """The explicit trapezoidal rule for any x' = f(x, t), on Karras's probability flow; Euler into zero."""

    def f(x, t):
        return (x - curved(x, torch.full((x.shape[0],), t, dtype=x.dtype))) / t

    for t, t_next in itertools.pairwise(levels):
        h = t_next - t
        k1 = f(x, t)
        x = x + h * k1 if t_next == 0 else x + h * (k1 + f(x + h * k1, t_next)) / 2
    return x


def dpm_solver_pp_2m(x, levels):
    """Lu et al. 2022, algorithm 2, in lambda = log(alpha / sigma); the last step of first order."""
    x = x * alpha_bar(levels[0]) ** 0.5
    answers, widths = [], []
    for s, t in itertools.pairwise(levels):
        alpha_t, sigma_t, sigma_s = alpha_bar(t) ** 0.5, (1 - alpha_bar(t)) ** 0.5, (1 - alpha_bar(s)) ** 0.5
        answers.append(as_denoiser_of(s, x))
        widths.append(math.inf if t == 0 else math.log(alpha_t / sigma_t) + math.log(s))
        ahead = answers[-1]
        if len(answers) > 1 and t > 0:
            r = widths[-2] / widths[-1]
            ahead = (1 + 1 / (2 * r)) * answers[-1] - 1 / (2 * r) * answers[-2]
        x = sigma_t / sigma_s * x - alpha_t * math.expm1(-widths[-1]) * ahead
    return x


def start(seed=1):
    return SIGMA_MAX * white((2, 1, 3, 2, 4), seed)


LEVELS = [karras(1), karras(2), karras(7), karras(20, 80.0, 0.002, 7.0)]


@pytest.mark.parametrize("levels", LEVELS, ids=len)
def test_euler_is_ddim(levels):
    expected = ddim(start(), levels.tolist(), 0.0, lambda _: 0.0)
    torch.testing.assert_close(last_of(euler(curved, start(), levels)).x, expected)


@pytest.mark.parametrize("levels", LEVELS, ids=len)
def test_heun_is_the_explicit_trapezoidal_rule(levels):
    torch.testing.assert_close(last_of(heun(curved, start(), levels)).x, two_stage(start(), levels.tolist()))


@pytest.mark.parametrize("levels", LEVELS, ids=len)
def test_two_steps_history_is_dpm_solver_pp_2m(levels):
    expected = dpm_solver_pp_2m(start(), levels.tolist())
    torch.testing.assert_close(last_of(dpm_solver_2m(curved, start(), levels)).x, expected)


@pytest.mark.parametrize("levels", LEVELS, ids=len)
def test_full_ancestral_steps_are_those_of_ddpm(levels):
    x = start()
    expected = ddpm(x, levels.tolist(), fresh(x))
    torch.testing.assert_close(last_of(ancestral(curved, x, levels, fresh(x), eta=1.0)).x, expected)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.8, 1.0])
def test_ancestral_steps_are_ddim_at_every_eta(eta):
    x, levels = start(), karras(9)
    expected = ddim(x, levels.tolist(), eta, fresh(x))
    torch.testing.assert_close(last_of(ancestral(curved, x, levels, fresh(x), eta)).x, expected)


def test_without_fresh_noise_ancestral_steps_are_eulers():
    def no_noise(_):
        raise AssertionError("noise was asked for")

    for ours, theirs in zip(
        ancestral(curved, start(), karras(6), no_noise, eta=0.0),
        euler(curved, start(), karras(6)),
        strict=True,
    ):
        torch.testing.assert_close(ours.x, theirs.x)


# --- a Gaussian prior N(mean, variance) per voxel, whose denoiser and flow are known ----------------------------------

VARIANCES = torch.linspace(0.2, 2.0, 24, dtype=torch.float64).reshape(1, 1, 2, 3, 4)
MEANS = white((1, 1, 2, 3, 4), 5)


def posterior_mean(x, sigma):
    s2 = sigma[:, None, None, None, None] ** 2
    return MEANS + VARIANCES / (VARIANCES + s2) * (x - MEANS)


def flow(x, sigma, sigma_next):
    """The exact solution of the probability flow from one level to another."""
    return MEANS + torch.sqrt((VARIANCES + sigma_next**2) / (VARIANCES + sigma**2)) * (x - MEANS)


@pytest.mark.parametrize(("sampler", "order"), [(euler, 1), (heun, 2), (dpm_solver_2m, 2)])
@pytest.mark.parametrize("rho", [1.0, 3.0, 7.0])
def test_order_of_convergence(sampler, order, rho):
    x = flow(MEANS + white(MEANS.shape, 6), 0.0, SIGMA_MAX)
    numbers = [40, 80, 160]
    errors = []
    for n in numbers:
        levels = karras(n + 1, rho=rho)[:-1]  # down to SIGMA_MIN, where the flow is still smooth
        reached = last_of(sampler(posterior_mean, x, levels)).x
        errors.append(torch.linalg.vector_norm(reached - flow(x, SIGMA_MAX, SIGMA_MIN)).item())
    slope = -np.polyfit(np.log(numbers), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.2)
    assert errors[-1] < 0.05


@each_sampler
def test_samples_have_the_posteriors_mean_variance_and_coverage(sampler):
    """On a voxel of each variance; the tolerance is the sampling error and 2 % for the finite steps."""
    mean, variance = MEANS.flatten()[:3], VARIANCES.flatten()[[0, 10, 23]]

    def denoise(x, sigma):
        s2 = sigma[:, None, None, None, None] ** 2
        centre, uncertainty = (value.reshape(1, 1, 1, 1, 3) for value in (mean, variance))
        return centre + uncertainty / (uncertainty + s2) * (x - centre)

    x = mean + torch.sqrt(variance + SIGMA_MAX**2) * white((N_SAMPLES, 1, 1, 1, 3), 7)
    samples = last_of(sampler(denoise, x, karras(80, sigma_min=0.01))).x.reshape(N_SAMPLES, 3)
    error = (samples.mean(0) - mean).abs() / torch.sqrt(variance / N_SAMPLES)
    assert error.max() < SIGNIFICANT
    ratio = samples.var(0) / variance
    assert (ratio - 1).abs().max() < SIGNIFICANT * math.sqrt(2 / N_SAMPLES) + 0.02
    covered = ((samples - mean).abs() < Z90 * torch.sqrt(variance)).double().mean(0)
    assert (covered - 0.9).abs().max() < SIGNIFICANT * math.sqrt(0.09 / N_SAMPLES) + 0.005
    assert torch.corrcoef(samples.T).triu(1).abs().max() < SIGNIFICANT / math.sqrt(N_SAMPLES)


# --- what a loop over steps may rely on -------------------------------------------------------------------------------


class Counting:
    def __init__(self):
        self.levels = []

    def __call__(self, x, sigma):
        self.levels.append(sigma.tolist())
        return curved(x, sigma)


@each_sampler
def test_nothing_is_computed_until_asked_and_a_loop_may_stop(sampler):
    denoise = Counting()
    steps = sampler(denoise, start(), karras(6))
    assert denoise.levels == []
    next(steps)
    asked = len(denoise.levels)
    assert 1 <= asked <= 2
    steps.close()
    assert len(denoise.levels) == asked


@each_sampler
def test_every_level_is_one_step_and_the_last_state_is_the_clean_one(sampler):
    levels, x = karras(5), start()
    before = x.clone()
    steps = list(sampler(curved, x, levels))
    assert [step.sigma for step in steps] == levels[:-1].tolist()
    assert all(step.x.shape == step.clean.shape == x.shape for step in steps)
    torch.testing.assert_close(steps[-1].x, steps[-1].clean)
    assert torch.equal(x, before)  # the state that was given is not changed


@each_sampler
def test_the_denoiser_gets_one_level_per_member_of_the_batch(sampler):
    denoise = Counting()
    last_of(sampler(denoise, start(), karras(3)))
    assert all(len(level) == 2 and level[0] == level[1] > 0 for level in denoise.levels)


@pytest.mark.parametrize(("sampler", "evaluations"), [(euler, 5), (heun, 9), (dpm_solver_2m, 5)])
def test_evaluations_of_the_denoiser(sampler, evaluations):
    denoise = Counting()
    last_of(sampler(denoise, start(), karras(5)))
    assert len(denoise.levels) == evaluations


def test_last_of_is_the_last_step_or_an_error():
    *_, last = euler(curved, start(), karras(3))
    assert torch.equal(last_of(euler(curved, start(), karras(3))).x, last.x)
    with pytest.raises(ValueError, match="took no step"):
        last_of(euler(curved, start(), torch.tensor([1.0])))


def test_every_sampler_has_a_name_that_can_be_asked_for():
    assert tuple(samplers.SAMPLERS) == SAMPLER_NAMES


@pytest.mark.parametrize("name", SAMPLER_NAMES)
@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_a_sampler_evaluates_as_often_as_it_says(name, n_steps):
    calls = []

    def denoise(x, sigma):
        calls.append(float(sigma[0]))
        return 0.5 * x

    sampler = samplers.SAMPLERS[name]
    states = list(
        sampler.run(denoise, torch.ones(1, 1, 2, 2, 2), karras(n_steps), lambda step: torch.zeros(1, 1, 2, 2, 2))
    )
    assert len(states) == n_steps
    assert len(calls) == sampler.evaluations(n_steps)
