"""Codes in training: the loss of the autoencoder, and which one a network learns on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_scans import small_scans
from tiny_models import CODED, TINY, space_to_depth, write_autoencoder, write_tiny
from torch.distributions import Normal, kl_divergence

from medsr.errors import ModelError, UsageError
from medsr.model.inputs import N_MAPS
from medsr.model.nets import Autoencoder, LatentNet
from medsr.training.autoencoding import (
    KL_WEIGHT,
    RUNNING_SHARE,
    autoencoder_of,
    autoencoding_loss,
    coded,
    divergence,
    network_for,
    noise_shape,
)
from medsr.training.loop import train
from medsr.training.scans import training_scans
from medsr.training.schedule import TrainingSettings

SMALL = {"steps": 3, "batch": 2, "patch": 12, "slab": (16, 12, 12), "plain_steps": 1, "widening_steps": 1}
ENCODING = TrainingSettings(process="autoencoder", net=CODED, **SMALL)


def white(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def latent(path, **changes):
    plain = {"process": "latent", "weights": "target", "net": CODED, "autoencoder": str(path), **SMALL}
    return TrainingSettings(**{**plain, **changes})


def test_the_divergence_is_that_of_the_distributions_of_torch():
    mean, log_variance = white(2, 4, 3, 3, 3), white(2, 4, 3, 3, 3, seed=1)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), expected)
    assert divergence(torch.zeros(1), torch.zeros(1)) == 0


def test_the_loss_is_the_error_over_the_energy_and_a_little_of_the_divergence():
    """Where nothing is lost, what the noise of the codes makes of the detail: here noise of the variance 1/4."""
    net, detail, noise = space_to_depth(), 2 * white(2, 1, 4, 6, 8), white(2, 8, 2, 3, 4, seed=1)
    net.code.bias[8:] = math.log(0.25)
    patches = (detail**2).mean(dim=(1, 2, 3, 4)), (noise**2).mean(dim=(1, 2, 3, 4)) / 4
    told = divergence(net.distribution(detail).mean, torch.tensor(math.log(0.25))).mean()
    expected = (patches[1] / (patches[0] + 0.3)).mean() + KL_WEIGHT * told
    torch.testing.assert_close(autoencoding_loss(net, detail, noise), expected)


def test_the_running_mean_variance_and_error_follow_the_codes():
    net, detail, noise = space_to_depth(), 2 * white(2, 1, 4, 6, 8) + 1, torch.zeros(2, 8, 2, 3, 4)
    before = net.distribution(detail).mean
    for _ in range(400):
        autoencoding_loss(net, detail, noise)
    torch.testing.assert_close(net.centre, before.mean(dim=(0, 2, 3, 4)), atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(net.variance, before.var(dim=(0, 2, 3, 4), unbiased=False), atol=1e-2, rtol=1e-2)
    assert net.error < 1e-3
    code = net.encode(detail)
    assert abs(code.mean()) < 0.02 and code.std() == pytest.approx(1, abs=0.02)


def test_the_running_error_is_the_variance_in_smooth_directions():
    """Of white errors that of each voxel, a little more at faces; of smooth ones more, of ones that alternate none."""
    net, detail = space_to_depth(), torch.zeros(2, 1, 24, 24, 24)
    net.error.zero_()
    autoencoding_loss(net, detail, 10 * white(2, 8, 12, 12, 12))
    assert net.error == pytest.approx(100 * RUNNING_SHARE, rel=0.35)
    errors = []
    for signs in (torch.ones(8), torch.tensor([1.0, -1, -1, 1, -1, 1, 1, -1])):
        net.error.zero_()
        autoencoding_loss(net, detail, signs[:, None, None, None].expand(2, 8, 12, 12, 12))
        errors.append(float(net.error) / RUNNING_SHARE)
    assert errors[0] == pytest.approx((256 / 70) ** 3) and errors[1] < 0.3


def test_odd_patches_are_encoded_as_well():
    net = Autoencoder(CODED)
    detail = white(2, 1, 13, 12, 15)
    loss = autoencoding_loss(net, detail, white(*noise_shape(ENCODING, detail)))
    assert torch.isfinite(loss)
    assert noise_shape(replace(ENCODING, process="edm", net=TINY), detail) == detail.shape


def test_an_autoencoder_learns(tmp_path):
    settings = replace(ENCODING, steps=60, warmup=5, learning_rate=3e-3, plain_steps=100)
    losses = [float(one.loss) for one in train(training_scans(small_scans()), settings, tmp_path, torch.device("cpu"))]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_the_codes_that_a_network_learns_on_are_those_of_the_file_and_stay_so(tmp_path):
    settings = latent(write_autoencoder(tmp_path / "codes.safetensors"))
    expected = autoencoder_of(settings).net.state_dict()
    net = network_for(settings)
    detail, maps = white(2, 1, 12, 12, 12), white(2, N_MAPS - 1, 12, 12, 12)
    codes, folded = coded(net, detail, maps)
    torch.testing.assert_close(codes, autoencoder_of(settings).net.encode(detail))
    assert folded.shape == (2, 8 * (N_MAPS - 1), 6, 6, 6)
    *_, last = train(training_scans(small_scans()), settings, tmp_path, torch.device("cpu"))
    assert isinstance(net, LatentNet)
    for name, value in expected.items():
        assert torch.equal(last.average[f"autoencoder.{name}"], value)


def test_what_is_no_autoencoder_of_these_codes_is_refused_in_a_line(tmp_path):
    with pytest.raises(ModelError, match="no such autoencoder; train its recipe first"):
        network_for(latent(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match="holds the process edm; expected an autoencoder"):
        network_for(latent(write_tiny(tmp_path / "edm.safetensors")))
    other = write_autoencoder(tmp_path / "codes.safetensors")
    with pytest.raises(UsageError, match=r"codes is 5 and those of .* have 4 numbers"):
        network_for(latent(other, net=replace(CODED, codes=5)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"autoencoder": None}, "needs one"),
        ({"process": "edm", "net": TINY}, "has none"),
        ({"net": TINY}, "codes is 0 for the process latent"),
        ({"process": "autoencoder", "net": TINY, "autoencoder": None}, "codes is 0 for the process autoencoder"),
        ({"process": "flow", "autoencoder": None}, "codes is 4 for the process flow"),
        ({"weights": "truth"}, 'weights = "scan"'),
    ],
)
def test_settings_that_do_not_fit_the_process_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        latent("codes.safetensors", **changes)
