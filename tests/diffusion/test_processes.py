"""Laws of the family: each member in its paper's own variables, by brute force or by an independent implementation."""

from __future__ import annotations

import math

import pytest
import torch

from medsr.diffusion.denoiser import coefficients
from medsr.diffusion.names import DEFAULT_PROCESS, PROCESS_NAMES
from medsr.diffusion.noise import sample_noise
from medsr.diffusion.processes import PROCESSES, bridges, ddpm, lines
from medsr.diffusion.processes.edm import FEW_LEVELS
from medsr.diffusion.samplers import SAMPLERS, ancestral, euler, last_of
from medsr.diffusion.schedule import START_SIGMA, karras
from medsr.errors import UsageError

N_SAMPLES = 5_000
DENOISERS = [name for name, one in PROCESSES.items() if not (one.classifies or one.encodes)]
# Whose denoiser is the posterior mean at every level; what a chain's network predicts does not change its walk.
WALKS = [name for name in DENOISERS if name != "edm_few" and not name.endswith(("_v", "_x0"))]
INF = float("inf")


def white(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def level(*sigmas):
    return torch.tensor(sigmas, dtype=torch.float64)


def wide(values):
    return values[:, None, None, None, None]


def test_every_name_has_a_process():
    assert tuple(PROCESSES) == PROCESS_NAMES
    assert all(one.summary for one in PROCESSES.values())


def test_the_default_is_what_it_was_bit_for_bit():
    edm = PROCESSES[DEFAULT_PROCESS]
    assert edm.parametrisation is coefficients and edm.levels is karras and edm.kept is None and edm.spread is None
    mean, variance, noise = (
        white((1, 1, 3, 4, 5), 1),
        white((1, 1, 3, 4, 5), 2) ** 2,
        sample_noise((3, 4, 5), 7, 0, (0, 0, 0)),
    )
    assert torch.equal(edm.first_state(mean, variance, noise, 6), mean + torch.sqrt(START_SIGMA**2 + variance) * noise)
    drawn = torch.randn(9, generator=torch.Generator().manual_seed(3)) + math.log(0.4)
    expected = drawn.exp().clamp(0.03, 8.0)
    expected[:4] = INF
    assert torch.equal(edm.training_levels(9, 0.5, torch.Generator().manual_seed(3)), expected)
    for name, sampler in SAMPLERS.items():
        steps = [
            list(walk)
            for walk in (
                edm.walk(curved, noise.double(), name, 5, lambda n: white((1, 1, 3, 4, 5), n)),
                sampler.run(curved, noise.double(), karras(5), lambda n: white((1, 1, 3, 4, 5), n)),
            )
        ]
        assert all(torch.equal(a.x, b.x) for a, b in zip(*steps, strict=True))


def curved(x, sigma):
    return torch.tanh(x / (1 + wide(sigma))) + 0.1 * torch.sin(3 * x)


# --- what the raw network sees and predicts, in the variables of the papers -------------------------------------------


def as_published(name, r, eps, sigma):
    """State of the paper's process and what its network predicts, for x = r + sigma eps."""
    s = wide(sigma)
    if name.startswith("ddpm") or name in ("edm", "edm_few", "prior", "latent", "resshift"):
        a = 1 / torch.sqrt(1 + s**2)
        state = a * (r + s * eps)
        v = a * eps - torch.sqrt(1 - a**2) * r  # Salimans & Ho 2022
        wanted = {"ddpm_linear": eps, "ddpm_cosine": eps, "ddpm_linear_v": v, "ddpm_cosine_v": v}
        return state, wanted.get(name, r if name in ("ddpm_linear_x0", "ddpm_cosine_x0", "resshift") else -v)
    if name == "i2sb":
        tau = s**2 / (bridges.BRIDGE_VARIANCE + s**2)
        state = (1 - tau) * r + torch.sqrt(bridges.BRIDGE_VARIANCE * tau * (1 - tau)) * eps
        return state, (state - r) / torch.sqrt(bridges.BRIDGE_VARIANCE * tau)
    spread = {"flow": 1.0, "pmrf": lines.PMRF_SPREAD, "indi": lines.INDI_SPREAD}[name]
    t = s / (spread + s)
    noise = spread * eps
    return (1 - t) * r + t * noise, r if name == "indi" else noise - r


@pytest.mark.parametrize("name", DENOISERS)
def test_a_network_that_predicts_what_its_paper_says_gives_the_clean_state(name):
    r, eps, sigma = white((3, 1, 2, 3, 4)), white((3, 1, 2, 3, 4), 1), level(0.07, 0.9, 20.0)
    state, wanted = as_published(name, r, eps, sigma)

    def raw(seen, features):
        torch.testing.assert_close(seen, state)
        return torch.cat([wanted, torch.zeros_like(wanted)], dim=1)

    found = PROCESSES[name].estimate(raw, r + wide(sigma) * eps, sigma)
    torch.testing.assert_close(found.mean, r)
    out = PROCESSES[name].parametrisation(sigma).out
    torch.testing.assert_close(found.log_variance, (2 * out.abs().log()).expand_as(found.log_variance))


@pytest.mark.parametrize("name", [name for name in DENOISERS if PROCESSES[name].tells_mean])
def test_without_a_noisy_state_the_network_sees_nothing_of_it_and_tells_the_mean(name):
    skip, out, into = (value.item() for value in PROCESSES[name].parametrisation(level(INF)))
    assert (skip, into) == (0, 0)
    assert abs(out) == pytest.approx(1)


@pytest.mark.parametrize("name", list(PROCESSES))
def test_training_levels_are_finite_but_for_the_share_of_the_mean(name):
    process = PROCESSES[name]
    sigma = process.training_levels(400, 0.25, torch.Generator().manual_seed(0))
    n_infinite = 100 if process.tells_mean else 0
    assert sigma.shape == (400,) and sigma.dtype == torch.float32
    assert torch.isinf(sigma).sum() == n_infinite == torch.isinf(sigma[:100]).sum()
    finite = sigma[n_infinite:]
    assert finite.min() > 0
    if name != "edm_few":
        levels = process.levels(20)
        assert process.starts == "mean" or finite.max() <= 1.001 * levels[0]


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("n_steps", [1, 2, 15])
def test_levels_fall_to_zero(name, n_steps):
    levels = PROCESSES[name].levels(n_steps)
    assert levels.shape == (n_steps + 1,) and levels.dtype == torch.float64
    assert levels[-1] == 0 and torch.all(levels[:-1] > levels[1:])


@pytest.mark.parametrize(("name", "steps"), [("ddpm_linear", 1001), ("ddpm_cosine_v", 0), ("edm_few", 3)])
def test_more_steps_than_there_are_is_refused_in_a_line(name, steps):
    with pytest.raises(UsageError, match=f"steps is {steps}; .*ask for"):
        PROCESSES[name].levels(steps)


def test_a_distilled_network_has_the_levels_that_it_was_taught():
    drawn = PROCESSES["edm_few"].training_levels(200, 0.0, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == set(torch.tensor(FEW_LEVELS).tolist())
    assert PROCESSES["edm_few"].levels(2).tolist() == [*FEW_LEVELS, 0.0]


# --- DDPM against MONAI -----------------------------------------------------------------------------------------------


@pytest.fixture(params=["linear", "cosine"])
def chain(request):
    """MONAI's scheduler and our shares of the clean state's variance."""
    schedulers = pytest.importorskip("monai.networks.schedulers")
    named = {"linear": ("linear_beta", ddpm.linear_alpha_bar), "cosine": ("cosine", ddpm.cosine_alpha_bar)}
    schedule, alpha_bar = named[request.param]
    kinds = {"ddpm": schedulers.DDPMScheduler, "ddim": schedulers.DDIMScheduler}
    theirs = {
        name: kind(num_train_timesteps=1000, schedule=schedule, clip_sample=False) for name, kind in kinds.items()
    }
    return request.param, theirs, alpha_bar()


def test_the_schedules_are_monais(chain):
    kind, theirs, alpha_bar = chain
    torch.testing.assert_close(alpha_bar.float(), theirs["ddpm"].alphas_cumprod, rtol=1e-3, atol=1e-7)
    sigma = torch.sqrt((1 - alpha_bar) / alpha_bar)
    torch.testing.assert_close(PROCESSES[f"ddpm_{kind}"].levels(1000)[:-1], sigma.flip(0))


@pytest.mark.parametrize("t", [3, 400, 900])
def test_forward_noise_and_velocity_are_monais(chain, t):
    kind, theirs, alpha_bar = chain
    r, eps = white((1, 1, 3, 4, 5)).float(), white((1, 1, 3, 4, 5), 1).float()
    sigma = torch.sqrt((1 - alpha_bar[t]) / alpha_bar[t]).reshape(1)
    noisy = theirs["ddpm"].add_noise(r, eps, torch.tensor([t]))
    torch.testing.assert_close(alpha_bar[t].sqrt().float() * (r + sigma.item() * eps), noisy, rtol=1e-3, atol=1e-4)
    velocity = theirs["ddpm"].get_velocity(r, eps, torch.tensor([t]))

    def raw(seen, features):
        torch.testing.assert_close(seen, noisy, rtol=1e-3, atol=1e-4)
        return torch.cat([velocity, velocity], dim=1)

    found = PROCESSES[f"ddpm_{kind}_v"].estimate(raw, r + sigma.float().item() * eps, sigma.float())
    torch.testing.assert_close(found.mean, r, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("t", [3, 400, 900])
def test_a_step_of_the_chain_is_monais(chain, t):
    """The mean and the variance of the posterior, from the clean state that a network would expect."""
    _, theirs, alpha_bar = chain
    theirs = theirs["ddpm"]
    sigma = torch.sqrt((1 - alpha_bar) / alpha_bar)
    clean, x = white((1, 1, 3, 4, 5)), white((1, 1, 3, 4, 5), 1) * sigma[t]
    levels = torch.stack([sigma[t], sigma[t - 1]])
    for noise in (0.0, 1.0):
        made = last_of(ancestral(lambda *_: clean, x, levels, lambda _, z=noise: z)).x * alpha_bar[t - 1].sqrt()
        mean = theirs._get_mean(t, clean.float(), (x * alpha_bar[t].sqrt()).float())
        deviation = theirs._get_variance(t) ** 0.5
        torch.testing.assert_close(made.float(), mean + noise * deviation, rtol=2e-3, atol=2e-3)


def test_a_respaced_walk_visits_the_levels_of_monais_ddim_and_makes_its_steps(chain):
    kind, theirs, alpha_bar = chain
    theirs = theirs["ddim"]
    theirs.set_timesteps(4)
    sigma = torch.sqrt((1 - alpha_bar) / alpha_bar)
    torch.testing.assert_close(PROCESSES[f"ddpm_{kind}"].levels(4)[:-1], sigma[theirs.timesteps])
    for t in (900, 400, 3):
        x = sigma[t] * white((1, 1, 3, 4, 5))
        eps = (x - curved(x, sigma[t].reshape(1))) / sigma[t]
        expected, _ = theirs.step(eps.float(), t, (x * alpha_bar[t].sqrt()).float())
        before = t - 250
        levels = torch.stack([sigma[t], sigma[before] if before >= 0 else 0 * sigma[t]])
        made = last_of(euler(curved, x, levels)).x * (alpha_bar[before].sqrt() if before >= 0 else 1.0)
        torch.testing.assert_close(made.float(), expected, rtol=5e-3, atol=5e-3)


# --- Markov posteriors of the bridges, by conditioning a Gaussian -----------------------------------------------------


def conditioned_on(covariance, mean, value):
    """Mean and variance of the first of two normal numbers, given the second."""
    gain = covariance[0, 1] / covariance[1, 1]
    return mean[0] + gain * (value - mean[1]), covariance[0, 0] - gain * covariance[0, 1]


def step_of(process, r, x, sigma, sigma_next):
    """Mean and variance of an ancestral step where the clean state is known."""
    shape = (1, 1, 1, 1, 1)
    levels = torch.tensor([sigma, sigma_next], dtype=torch.float64)
    ends = [
        last_of(
            SAMPLERS["ancestral"].run(
                lambda *_: torch.full(shape, r, dtype=torch.float64),
                torch.full(shape, x, dtype=torch.float64),
                levels,
                lambda _, z=z: torch.full(shape, z, dtype=torch.float64),
                kept=process.kept,
            )
        ).x.item()
        for z in (0.0, 1.0)
    ]
    return ends[0], (ends[1] - ends[0]) ** 2


@pytest.mark.parametrize(("tau", "before"), [(0.9, 0.7), (0.5, 0.1), (0.999, 0.9)])
def test_the_markov_posterior_of_i2sb(tau, before):
    """A Brownian motion from r, pinned to 0 at time 1; its state given a later one."""
    r, state, s2 = 1.3, 0.4, bridges.BRIDGE_VARIANCE
    times = torch.tensor([before, tau, 1.0], dtype=torch.float64)
    free = s2 * torch.minimum(times[:, None], times[None, :])
    pinned = free[:2, :2] - free[:2, 2:] @ free[2:, :2] / free[2, 2]
    mean = r - free[:2, 2] / free[2, 2] * r
    expected, variance = conditioned_on(pinned, mean, state)
    sigma, sigma_next = (bridges.bridge_sigma(torch.tensor(t, dtype=torch.float64)).item() for t in (tau, before))
    found, spread = step_of(PROCESSES["i2sb"], r, state / (1 - tau), sigma, sigma_next)
    assert (1 - before) * found == pytest.approx(expected.item())
    assert (1 - before) ** 2 * spread == pytest.approx(variance.item())
    # as published: N((d^2 r + s^2 x) / (s^2 + d^2), s^2 d^2 / (s^2 + d^2))
    s, d = s2 * before, s2 * (tau - before)
    assert expected.item() == pytest.approx((d * r + s * state) / (s + d))
    assert variance.item() == pytest.approx(s * d / (s + d))


@pytest.mark.parametrize(("eta", "before"), [(0.9, 0.7), (0.5, 0.1), (0.98, 0.9)])
def test_the_markov_posterior_of_residual_shifting(eta, before):
    """x_t = x_s + (eta_t - eta_s) (0 - r) + kappa sqrt(eta_t - eta_s) z, conditioned on x_t."""
    r, state, k2 = 1.3, 0.4, bridges.KAPPA**2
    covariance = k2 * torch.tensor([[before, before], [before, eta]], dtype=torch.float64)
    mean = torch.tensor([(1 - before) * r, (1 - eta) * r], dtype=torch.float64)
    expected, variance = conditioned_on(covariance, mean, state)
    sigma, sigma_next = (bridges.shift_sigma(torch.tensor(e, dtype=torch.float64)).item() for e in (eta, before))
    found, spread = step_of(PROCESSES["resshift"], r, state / (1 - eta), sigma, sigma_next)
    assert (1 - before) * found == pytest.approx(expected.item())
    assert (1 - before) ** 2 * spread == pytest.approx(variance.item())
    # as published: N(eta_s / eta_t x_t + (eta_t - eta_s) / eta_t r, kappa^2 eta_s (eta_t - eta_s) / eta_t)
    assert expected.item() == pytest.approx(before / eta * state + (eta - before) / eta * r)
    assert variance.item() == pytest.approx(k2 * before * (eta - before) / eta)


def test_the_shifts_are_those_of_the_published_schedule():
    n = 15
    least = 0.05 / bridges.KAPPA
    roots = [least * (0.99 / least) ** ((i / (n - 1)) ** 0.3) for i in range(n)]
    expected = [bridges.KAPPA * root / (1 - root**2) for root in reversed(roots)]
    torch.testing.assert_close(PROCESSES["resshift"].levels(n)[:-1], level(*expected))
    assert bridges.eta_at(expected[3]) == pytest.approx(roots[-4] ** 2)


# --- a Gaussian posterior whose samples are known ---------------------------------------------------------------------

MEANS = torch.tensor([0.5, -1.0, 0.0], dtype=torch.float64)
VARIANCES = torch.tensor([0.2, 0.6, 1.0], dtype=torch.float64)


def knowing(process, error=0.0):
    """A raw network whose estimate is that of N(MEANS, VARIANCES), under the noise that the process trains it on.

    An error of its answer may be added.
    """
    shift = 0 * MEANS if process.spread is None else MEANS / process.spread

    def raw(seen, features, sigma):
        s, scales = wide(sigma), process.parametrisation(sigma)
        x = seen / scales.into
        answer = MEANS + VARIANCES / (VARIANCES + s**2) * (x - s * shift - MEANS)
        answer = (answer - scales.skip * x) / scales.out + error
        return torch.cat([answer, 0 * answer], dim=1)

    def denoise(x, sigma):
        return process.denoiser(lambda seen, features: raw(seen, features, sigma), MEANS)(x, sigma)

    return denoise


def sampled(name, sampler, n_steps, count=N_SAMPLES):
    process = PROCESSES[name]
    shape = (count, 1, 1, 1, 3)
    x = process.first_state(MEANS.expand(shape), VARIANCES.expand(shape), white(shape, 7), n_steps)
    if process.starts == "mean":  # the default begins with a little more noise than that, on purpose
        x = MEANS + torch.sqrt(VARIANCES + process.levels(n_steps)[0] ** 2) * white(shape, 7)
    walk = process.walk(knowing(process), x, sampler, n_steps, lambda n: white(shape, 1000 + n))
    return last_of(walk).clean.reshape(count, 3)


@pytest.mark.parametrize("name", WALKS)
def test_a_small_error_of_the_network_makes_no_walk_blow_up(name):
    """Where the noise is predicted, the first levels of a chain make 8 to 1,000 times the detail of it."""
    process, shape = PROCESSES[name], (200, 1, 1, 1, 3)
    x = process.first_state(MEANS.expand(shape), VARIANCES.expand(shape), white(shape, 7), 50)
    walk = process.walk(knowing(process, error=0.05), x, "ancestral", 50, lambda n: white(shape, 1000 + n))
    assert (last_of(walk).clean.mean(0).flatten() - MEANS).abs().max() < 1


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("sampler", ["euler", "ancestral"])
def test_long_walks_sample_the_gaussian_posterior(name, sampler):
    """4.5 standard errors, and 5 % for the finite steps and the first state, which knows nothing of r."""
    samples = sampled(name, sampler, 200)
    error = (samples.mean(0) - MEANS).abs()
    assert torch.all(error < 4.5 * torch.sqrt(VARIANCES / N_SAMPLES) + 0.02)
    assert torch.all((samples.var(0) / VARIANCES - 1).abs() < 4.5 * math.sqrt(2 / N_SAMPLES) + 0.05)


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_walks_of_1_to_32_evaluations_come_nearer_to_the_gaussian_posterior(name, sampler):
    """The mean is right with any number of them, the deviation more nearly the more there are.

    Not so with Heun's method where the levels fall from very large ones in a few steps: its slopes are in sigma.
    """
    if sampler == "heun" and float(PROCESSES[name].levels(16)[:2].diff()) < -20:
        pytest.skip("Heun's method needs levels that fall slowly")
    errors = {}
    for n_steps in (1, 2, 4, 8, 16, 32):
        if SAMPLERS[sampler].evaluations(n_steps) <= 32:
            samples = sampled(name, sampler, n_steps, 2000)
            errors[n_steps] = (samples.std(0) / VARIANCES.sqrt() - 1).abs().max().item()
            if sampler != "heun" or n_steps == 16:
                assert torch.all((samples.mean(0) - MEANS).abs() < 4.5 * torch.sqrt(2 * VARIANCES / 2000) + 0.05)
    last = max(errors)
    assert errors[last] < max(0.12, 0.6 * errors[2])
    assert errors[last] < 0.35


@pytest.mark.parametrize("n_steps", [1, 2])
def test_a_distilled_network_samples_in_one_step_and_in_two(n_steps):
    """What it learns is the end of the flow; the second step begins with noise of its own."""
    process = PROCESSES["edm_few"]
    shape = (N_SAMPLES, 1, 1, 1, 3)

    def named(x, sigma):
        s = wide(sigma)
        return MEANS + torch.sqrt(VARIANCES / (VARIANCES + s**2)) * (x - MEANS)

    x = MEANS + torch.sqrt(VARIANCES + FEW_LEVELS[0] ** 2) * white(shape, 3)
    walk = process.walk(named, x, "ancestral", n_steps, lambda n: white(shape, 1000 + n))
    samples = last_of(walk).clean.reshape(N_SAMPLES, 3)
    assert torch.all((samples.mean(0) - MEANS).abs() < 4.5 * torch.sqrt(VARIANCES / N_SAMPLES))
    assert torch.all((samples.var(0) / VARIANCES - 1).abs() < 4.5 * math.sqrt(2 / N_SAMPLES))
