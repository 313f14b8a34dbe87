"""Laws of the training loss."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.diffusion.denoiser import coefficients
from medsr.diffusion.loss import SMALLEST_ENERGY, VARIANCE_WEIGHT, detail_loss, unbiased_loss
from medsr.diffusion.processes import PROCESSES

INF = float("inf")
SHAPE = (2, 1, 6, 5, 4)


def white(seed=0, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def levels(*sigmas):
    return torch.tensor(sigmas, dtype=torch.float64)


def answering(mean, detail, sigma, noise, log_variance=0.0):
    """A raw network whose estimate is `mean`, with the given log variance."""
    scales = coefficients(sigma)
    known = torch.where(torch.isinf(sigma), 0.0, sigma)[:, None, None, None, None]
    noisy = torch.where(torch.isinf(sigma)[:, None, None, None, None], 0.0, detail + known * noise)
    raw = (mean - scales.skip * noisy) / scales.out
    doubt = torch.as_tensor(log_variance, dtype=detail.dtype) - 2 * torch.log(scales.out)
    return lambda *_: torch.cat([raw, doubt.expand_as(raw)], dim=1)


def loss_of(mean, detail, sigma, noise=None, weight=None, log_variance=0.0):
    noise = white(9) if noise is None else noise
    weight = torch.ones_like(detail) if weight is None else weight
    return detail_loss(answering(mean, detail, sigma, noise, log_variance), detail, sigma, noise, weight).item()


each_level = pytest.mark.parametrize("sigma", [levels(INF, INF), levels(0.05, 4.0), levels(INF, 0.4)])


@each_level
def test_the_truth_costs_nothing(sigma):
    assert loss_of(white(), white(), sigma) == pytest.approx(0, abs=1e-12)


@each_level
@given(seed=st.integers(1, 1000), size=st.floats(1e-3, 3.0))
def test_every_other_answer_costs_more_and_farther_ones_more_still(sigma, seed, size):
    near, far = (loss_of(white() + share * size * white(seed), white(), sigma) for share in (1, 2))
    assert 0 < near < far


def test_at_infinite_noise_the_loss_is_the_error_over_that_of_the_ibp_estimate():
    detail = white()
    energy = detail.square().mean(dim=(1, 2, 3, 4))
    error = (energy / (energy + SMALLEST_ENERGY)).mean()
    likelihood = 0.5 * energy.mean()  # of a unit variance
    expected = error + VARIANCE_WEIGHT * likelihood
    assert loss_of(0 * detail, detail, levels(INF, INF)) == pytest.approx(expected.item())


@pytest.mark.parametrize("sigma", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_the_best_linear_answer_costs_the_same_at_every_level_and_size(sigma, size):
    shape = (1, 1, 30, 30, 30)
    detail, noise = size * white(3, shape), white(4, shape)
    share = size**2 / (size**2 + sigma**2)
    best = share * (detail + sigma * noise)
    variance = share * sigma**2
    cost = loss_of(best, detail, levels(sigma), noise, log_variance=math.log(variance))
    likelihood = 0.5 * (1 + math.log(variance))
    unknown = (size**2 + SMALLEST_ENERGY) / (size**2 + SMALLEST_ENERGY + sigma**2)
    assert cost - VARIANCE_WEIGHT * likelihood == pytest.approx(share / unknown, rel=0.03)


def test_hard_and_easy_patches_count_alike():
    """Detail and answer grown together: the error part stays, but for what keeps flat patches from dominating."""
    detail, answer = white(), 0.6 * white()
    sigma = levels(INF, INF)

    def error_part(size):
        square = (size * (answer - detail)).square().mean().item()
        return loss_of(size * answer, size * detail, sigma) - VARIANCE_WEIGHT * 0.5 * square

    assert error_part(100.0) == pytest.approx(0.16, rel=1e-4)
    assert error_part(10.0) == pytest.approx(0.16, rel=1e-2)
    assert error_part(0.01) < 1e-3


def test_the_weight_chooses_voxels_and_its_size_does_not_matter():
    detail, answer, sigma = white(), white(1), levels(INF, 0.7)
    weight = (white(2) > 0).double()
    elsewhere = torch.where(weight > 0, answer, 1e3)
    once = loss_of(answer, detail, sigma, weight=weight)
    assert loss_of(elsewhere, detail, sigma, weight=weight) == pytest.approx(once)
    assert loss_of(answer, detail, sigma, weight=3 * weight) == pytest.approx(once)


def test_a_patch_without_weight_costs_nothing():
    assert loss_of(white(1), white(), levels(INF, 0.7), weight=torch.zeros(SHAPE)) == 0


def test_the_likelihood_is_least_at_the_true_variance():
    costs = [loss_of(white() + 0.5, white(), levels(INF, 0.7), log_variance=math.log(v)) for v in (0.1, 0.25, 0.6)]
    assert min(costs) == costs[1]


@each_level
def test_the_variance_does_not_pull_at_the_mean(sigma):
    detail, noise = white(), white(9)
    gradients = []
    for doubt in (-3.0, 0.0, 2.0):
        mean = torch.full(SHAPE, 0.3, dtype=torch.float64, requires_grad=True)
        net = answering(mean, detail, sigma, noise, doubt)
        detail_loss(net, detail, sigma, noise, torch.ones_like(detail)).backward()
        gradients.append(mean.grad)
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0])


# --- weights that know the scan alone ---------------------------------------------------------------------------------


def unbiased(mean, detail, sigma, noise=None, log_variance=0.0):
    noise = white(9) if noise is None else noise
    return unbiased_loss(answering(mean, detail, sigma, noise, log_variance), detail, sigma, noise)


def pull(loss, fitting, level, mean, **others):
    """Gradient at `mean` of the loss over details that fit one scan and one noisy state equally well."""
    shape = (1, *SHAPE[1:])
    sigma = levels(level)
    noisy = white(5, shape)
    answer = (mean * torch.ones(shape, dtype=torch.float64)).requires_grad_(True)
    for detail in fitting:
        noise = torch.zeros_like(detail) if math.isinf(level) else (noisy - detail) / level
        loss(answering(answer, detail, sigma, noise), detail, sigma, noise, **others).backward()
    return answer.grad


FITTING = (white(1, (1, *SHAPE[1:])), 3 * white(2, (1, *SHAPE[1:])), -0.2 * white(3, (1, *SHAPE[1:])))


@pytest.mark.parametrize("level", [INF, 0.3, 2.0])
def test_the_best_answer_is_the_mean_of_all_details_that_fit(level):
    middle = sum(FITTING) / len(FITTING)
    assert pull(unbiased_loss, FITTING, level, middle).abs().max() < 1e-12
    assert pull(unbiased_loss, FITTING, level, middle + 0.1).abs().max() > 1e-4


def test_weights_that_know_the_truth_draw_the_best_answer_towards_those_with_little_energy():
    middle = sum(FITTING) / len(FITTING)
    drawn = -pull(detail_loss, FITTING, INF, middle, weight=torch.ones((1, *SHAPE[1:]), dtype=torch.float64))
    assert (drawn * (FITTING[1] - middle)).sum() < 0


@each_level
@given(seed=st.integers(1, 1000), size=st.floats(1e-3, 3.0))
def test_without_the_truth_farther_answers_cost_more_as_well(sigma, seed, size):
    near, far = (unbiased(white() + share * size * white(seed), white(), sigma) for share in (1, 2))
    assert 0 < near < far


@pytest.mark.parametrize("level", [0.05, 0.4, 3.0, INF])
@pytest.mark.parametrize("size", [1.0, 3.0])
def test_patches_count_alike_once_their_variance_is_known(level, size):
    """The best linear answer with its own variance: its error part lies between a half and one at every level."""
    shape = (1, 1, 30, 30, 30)
    detail, noise = size * white(3, shape), white(4, shape)
    share = 0.0 if math.isinf(level) else size**2 / (size**2 + level**2)
    best = share * (detail + (0.0 if math.isinf(level) else level) * noise)
    variance = size**2 if math.isinf(level) else share * level**2
    cost = unbiased(best, detail, levels(level), noise, log_variance=math.log(variance)).item()
    error = cost - VARIANCE_WEIGHT * 0.5 * (1 + math.log(variance))
    floor = SMALLEST_ENERGY if math.isinf(level) else SMALLEST_ENERGY * level**2 / (SMALLEST_ENERGY + level**2)
    assert error == pytest.approx(variance / (variance + floor), rel=0.03)
    assert 0.45 < error < 1.05


@each_level
def test_the_variance_is_not_taught_by_the_weight(sigma):
    """Its gradient is that of the likelihood alone."""
    detail, noise = white(), white(9)
    mean = white(1)
    doubt = torch.zeros(SHAPE, dtype=torch.float64, requires_grad=True)
    unbiased(mean, detail, sigma, noise, doubt).backward()
    square = (mean - detail) ** 2
    expected = VARIANCE_WEIGHT * 0.5 * (1 - square) / square.numel()
    torch.testing.assert_close(doubt.grad, expected)


@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_noise_levels_come_in_the_shares_that_were_asked_for(count, share, seed):
    sigma = PROCESSES["edm"].training_levels(count, share, torch.Generator().manual_seed(seed))
    again = PROCESSES["edm"].training_levels(count, share, torch.Generator().manual_seed(seed))
    n_infinite = round(share * count)
    assert sigma.shape == (count,)
    assert torch.equal(sigma, again)
    assert torch.all(torch.isinf(sigma[:n_infinite]))
    assert torch.all((sigma[n_infinite:] >= 0.03) & (sigma[n_infinite:] <= 8.0))


def test_noise_levels_are_log_normal():
    sigma = PROCESSES["edm"].training_levels(20_000, 0.0, torch.Generator().manual_seed(0))
    logs = torch.log(sigma[(sigma > 0.03) & (sigma < 8)])
    assert logs.mean().item() == pytest.approx(math.log(0.4), abs=0.05)
    assert logs.std().item() == pytest.approx(1, abs=0.05)
