"""Codes in training: the autoencoder that learns to make them, and what learns on those of a trained one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from medsr.diffusion.guidance import blurred
from medsr.diffusion.loss import PATCH, SMALLEST_ENERGY
from medsr.errors import ModelError, UsageError
from medsr.model.conditioning import origin_and_unit
from medsr.model.nets import Autoencoder, LatentNet, Net, network_of
from medsr.model.states import Codes, states_of
from medsr.model.weights import Model, load_model
from medsr.physics.ops import Separable
from medsr.training.schedule import TrainingSettings

KL_WEIGHT = 1e-3  # codes keep noise of about this variance, which no walk of a few steps takes off any better
LOG_VARIANCE_LIMITS = (-10.0, 4.0)
SMOOTH_SHARE = (70 / 256) ** 3  # of white noise's variance, that `blurred` leaves
RUNNING_SHARE = 0.02  # of a batch in the running mean and variance of codes, and in the running error


def autoencoding_loss(net: Autoencoder, detail: Tensor, white: Tensor) -> Tensor:
    """Relative squared error of details behind noisy codes, plus `KL_WEIGHT` times what the codes tell beyond noise.

    The error of a patch is over its energy, as in `medsr.diffusion.loss`, so that faint ones count as well. Squared
    error alone decides what is kept, and a small weight of the divergence (Kingma & Welling 2014; Rombach et al. 2022)
    makes codes that a little noise does not spoil. There is no adversarial or perceptual term: the decoder must not
    invent what the scan would have to vouch for.

    Args:
        net: Autoencoder that learns; its running mean, variance and error are brought forward.
        detail: True details (B, 1, I, J, K).
        white: White noise (B, codes, I/2, J/2, K/2) of unit variance, rounded up.
    """
    i, j, k = detail.shape[-3:]
    whole = Codes(net, (i, j, k)).padded(detail)
    mean, log_variance = net.distribution(whole)
    log_variance = log_variance.clamp(*LOG_VARIANCE_LIMITS)
    found = net.detail_of(mean + torch.exp(log_variance / 2) * white)
    square = ((found - whole) ** 2).mean(dim=PATCH)
    loss = square / ((whole**2).mean(dim=PATCH) + SMALLEST_ENERGY)
    with torch.no_grad():
        everywhere = (0, 2, 3, 4)
        net.centre.lerp_(mean.mean(dim=everywhere), RUNNING_SHARE)
        net.variance.lerp_(mean.var(dim=everywhere, unbiased=False), RUNNING_SHARE)
        smooth = (blurred(found - whole) ** 2).mean() / SMOOTH_SHARE
        net.error.lerp_(smooth.reshape(1), RUNNING_SHARE)
    return loss.mean() + KL_WEIGHT * divergence(mean, log_variance).mean()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of normal numbers from standard ones, each (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)


@torch.no_grad()
def coded(net: LatentNet, detail: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (B, codes, I/2, J/2, K/2) of true details, and the maps on their grid.

    Args:
        net: Network that learns on codes.
        detail: True details (B, 1, I, J, K).
        maps: Maps (B, N_MAPS - 1, I, J, K).
    """
    i, j, k = detail.shape[-3:]
    states = states_of(net, (i, j, k))
    return states.encode(detail), states.maps(maps)


@torch.inference_mode()
def autoencoded(net: Autoencoder, op: Separable, ibp: Tensor, truth: Tensor) -> Tensor:
    """A scan (B, 1, I, J, K) in the model range whose detail was encoded and decoded.

    Args:
        net: Autoencoder.
        op: Operator of the acquisition that took the detail away.
        ibp: IBP estimate that the detail is added to, (B, 1, I, J, K).
        truth: The scan, (B, 1, I, J, K).
    """
    i, j, k = truth.shape[-3:]
    codes = Codes(net, (i, j, k))
    origin, unit = origin_and_unit("detail", op, ibp)
    return origin + unit * codes.decode(codes.encode((truth - origin) / unit))


def noise_shape(settings: TrainingSettings, detail: Tensor) -> tuple[int, ...]:
    """Shape of the noise that a step needs: that of the details (B, 1, I, J, K), or of their codes."""
    if not settings.net.codes:
        return tuple(detail.shape)
    return (len(detail), settings.net.codes, *((n + 1) // 2 for n in detail.shape[-3:]))


def network_for(settings: TrainingSettings) -> Net:
    """A network with random weights as settings want it, its autoencoder read from the file that they name.

    Raises:
        ModelError: An autoencoder that can't be read, or is none.
        UsageError: An autoencoder of other codes.
    """
    if settings.autoencoder is None:
        return network_of(settings.net)
    maker = autoencoder_of(settings)
    net = network_of(settings.net, maker.spec.net)
    if isinstance(net, LatentNet):
        net.autoencoder.load_state_dict(maker.net.state_dict())
    return net


def autoencoder_of(settings: TrainingSettings) -> Model:
    """The trained autoencoder that settings name.

    Raises:
        ModelError: It can't be read, or is none.
        UsageError: Its codes are not those of the network.
    """
    path = Path(str(settings.autoencoder))
    if not path.is_file():
        raise ModelError(f"{path}: no such autoencoder; train its recipe first")
    maker = load_model(path, "cpu")
    if not isinstance(maker.net, Autoencoder):
        raise ModelError(f"{path} holds the process {maker.spec.process}; expected an autoencoder")
    if maker.spec.net.codes != settings.net.codes:
        raise UsageError(
            f"codes is {settings.net.codes} and those of {path} have {maker.spec.net.codes} numbers; write that under "
            "[training.net]"
        )
    return maker
