"""Led denoisers against Gaussians whose guided law is known."""

from __future__ import annotations

import pytest
import torch

from medsr.diffusion.denoiser import coefficients
from medsr.diffusion.guidance import blurred, classified, classifier_free, pulled, sharpness, sharpness_loss

SHAPE = (2, 1, 3, 4, 5)
VARIANCE = 0.4


def white(seed=0, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wide(sigma):
    return sigma[:, None, None, None, None]


def denoiser_of(mean):
    """The denoiser of N(mean, VARIANCE)."""
    return lambda x, sigma: mean + VARIANCE / (VARIANCE + wide(sigma) ** 2) * (x - mean)


LEVELS = torch.tensor([0.3, 2.0], dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 3.0])
def test_guidance_samples_the_product_of_powers_of_both_laws(weight):
    """p_c^w p_u^(1 - w) of Gaussians with one variance is a Gaussian around m_u + w (m_c - m_u)."""
    led = classifier_free(denoiser_of(1.5), denoiser_of(-0.5), weight)
    torch.testing.assert_close(led(white(), LEVELS), denoiser_of(-0.5 + weight * 2.0)(white(), LEVELS))


def test_the_score_of_a_class_makes_the_denoiser_of_a_mixture_that_of_the_class():
    """Each voxel is drawn from N(1, v) or N(-1, v) with equal chance; the class is known to the classifier alone."""

    def log_ratio(x, sigma):
        return 2 * x / (VARIANCE + wide(sigma) ** 2)  # of the noisy densities around 1 and -1

    def mixture(x, sigma):
        share = torch.sigmoid(log_ratio(x, sigma))
        return share * denoiser_of(1.0)(x, sigma) + (1 - share) * denoiser_of(-1.0)(x, sigma)

    def log_probability(x, sigma):
        return torch.nn.functional.logsigmoid(log_ratio(x, sigma)).sum()

    for scale in (0.0, 1.0):
        led = classified(mixture, log_probability, scale)
        expected = denoiser_of(1.0) if scale else mixture
        torch.testing.assert_close(led(white(), LEVELS), expected(white(), LEVELS))


def test_a_classifiers_gradient_needs_no_gradient_of_whoever_asks():
    def log_probability(x, sigma):
        return -(x**2).sum() / 2

    with torch.inference_mode():
        x = white()
    led = classified(denoiser_of(0.0), log_probability, 1.0)
    with torch.no_grad():
        found = led(x, LEVELS)
    torch.testing.assert_close(found, denoiser_of(0.0)(x, LEVELS) - wide(LEVELS) ** 2 * x)


def test_a_correction_goes_back_through_the_network():
    """D + J' c for a denoiser whose Jacobian is known."""
    gain = white(3)

    def denoise(x, sigma):
        return torch.tanh(gain * x)

    x = white()
    led = pulled(denoise, lambda clean, sigma: 2 * clean + wide(sigma))
    clean = torch.tanh(gain * x)
    torch.testing.assert_close(led(x, LEVELS), clean + gain * (1 - clean**2) * (2 * clean + wide(LEVELS)))
    assert not led(x, LEVELS).requires_grad


def test_blurring_keeps_a_constant_and_the_sum_of_what_lies_inside():
    assert torch.equal(blurred(torch.full(SHAPE, 0.7)), torch.full(SHAPE, 0.7))
    point = torch.zeros(1, 1, 9, 9, 9, dtype=torch.float64)
    point[..., 4, 4, 4] = 1.0
    spread = blurred(point)
    assert spread.sum() == pytest.approx(1.0)
    twice = torch.tensor([1, 4, 6, 4, 1], dtype=torch.float64) / 16  # (1, 2, 1) / 4 twice
    torch.testing.assert_close(spread[0, 0, 2:7, 4, 4], twice * (6 / 16) ** 2)


def test_the_classifiers_loss_is_least_where_it_tells_sharp_from_blurred():
    detail, noise, sharp = white(1), white(2), torch.tensor([1.0, 0.0], dtype=torch.float64)
    sigma = torch.tensor([0.1, 0.1], dtype=torch.float64)
    shown = torch.cat([detail[:1], blurred(detail[1:])]) + 0.1 * noise

    def saying(logit):
        def net(seen, features):
            torch.testing.assert_close(seen, coefficients(sigma).into * shown)
            logits = logit * (2 * wide(sharp) - 1).expand(SHAPE)
            return torch.cat([logits, torch.zeros_like(logits)], dim=1)

        return net

    losses = [sharpness_loss(saying(logit), detail, sigma, noise, sharp).item() for logit in (-2.0, 0.0, 2.0, 5.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[1] == pytest.approx(torch.tensor(2.0).log().item())


def test_the_probability_of_sharpness_is_that_of_the_logits():
    def net(seen, features):
        return torch.cat([seen, 9 + seen], dim=1)

    expected = torch.nn.functional.logsigmoid(coefficients(LEVELS).into * white()).sum()
    torch.testing.assert_close(sharpness(net)(white(), LEVELS), expected)
