"""Latent diffusion in an enhancement: where codes lose nothing, it is the diffusion of details itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import CODED, EVERYTHING, TINY, space_to_depth, tiny_net

import medsr
from medsr.diffusion.noise import sample_noise, white_noise
from medsr.enhancement import posterior
from medsr.enhancement.region import Box, part_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.whole import Whole
from medsr.errors import ModelError, UsageError
from medsr.model.nets import LatentNet, network_of
from medsr.model.nets.layers import unshuffle
from medsr.model.spec import ModelSpec
from medsr.model.weights import Model, load_model, weights_bytes
from medsr.physics.acquisition import acquisition_of

SLICES = head((20, 24, 6), (1.0, 1.0, 4.0))
ODD = head((19, 23, 6), (1.0, 1.0, 4.1))
SAMPLE = EnhanceSettings(mode="sample", sampler="dpm2m", steps=3, noise=3.0, seed=5, flips=0, force=True)


def model_of(net, **changes):
    spec = ModelSpec("tiny", "0", TINY, EVERYTHING, process="latent", **changes)
    return Model(net.eval().requires_grad_(False), spec, "0" * 64, torch.device("cpu"), torch.float32)


def lossless():
    """Two models with the same layers: of details, and of codes that are the voxels themselves."""
    details, maker = tiny_net(), space_to_depth()
    codes = LatentNet(replace(TINY, codes=8), maker.spec)
    made = {f"autoencoder.{name}": value for name, value in maker.state_dict().items()}
    codes.load_state_dict({**details.state_dict(), **made})
    return model_of(details), model_of(codes)


def lossy(error=0.05):
    torch.manual_seed(0)
    net = network_of(CODED, CODED)
    net.autoencoder.error.fill_(error)
    return model_of(net)


@pytest.fixture
def noise_of_voxels(monkeypatch):
    """Codes get the noise of the voxels that they hold."""

    def of_codes(make):
        def made(shape, *rest):
            *rest, origin, channels = rest
            if channels == 1:
                return make(shape, *rest, origin)
            return unshuffle(make(tuple(2 * n for n in shape), *rest, tuple(2 * o for o in origin)))

        return made

    monkeypatch.setattr(posterior, "white_noise", of_codes(white_noise))
    monkeypatch.setattr(posterior, "sample_noise", of_codes(sample_noise))


@pytest.mark.parametrize("data_step", ["prox", "project", "gradient"])
@pytest.mark.parametrize("sampler", ["dpm2m", "ancestral"])
def test_where_codes_are_voxels_a_sample_is_that_of_details(noise_of_voxels, data_step, sampler):
    settings = replace(SAMPLE, data_step=data_step, sampler=sampler)
    details, codes = (medsr.enhance(SLICES, one, settings) for one in lossless())
    np.testing.assert_allclose(codes.volume.data, details.volume.data, atol=2e-4 * np.ptp(SLICES.data))
    assert codes.record.residual == pytest.approx(details.record.residual, abs=1e-3)


@pytest.mark.parametrize("mode", ["mean", "uncertainty"])
def test_so_are_the_mean_and_the_deviation(noise_of_voxels, mode):
    details, codes = (medsr.enhance(SLICES, one, replace(SAMPLE, mode=mode, steps=2)) for one in lossless())
    np.testing.assert_allclose(codes.volume.data, details.volume.data, atol=2e-4 * np.ptp(SLICES.data))
    if mode == "uncertainty":
        np.testing.assert_allclose(codes.uncertainty.data, details.uncertainty.data, atol=2e-4 * np.ptp(SLICES.data))


@pytest.mark.parametrize("tile", [8, 12])
def test_a_sample_does_not_depend_on_tiles(tile):
    model = lossy()
    whole, tiled = (medsr.enhance(ODD, model, replace(SAMPLE, tile=one)).volume.data for one in (None, tile))
    np.testing.assert_allclose(tiled, whole, atol=1e-4 * np.ptp(ODD.data))


def test_odd_grids_are_sampled_and_tied_to_the_scan():
    exact = medsr.enhance(ODD, lossy(), replace(SAMPLE, noise=0.0))
    assert exact.volume.shape[:2] == (19, 23) and np.all(np.isfinite(exact.volume.data))
    assert np.abs(exact.residual.data).max() < 1e-4 * np.ptp(ODD.data)


def test_what_decoding_errs_by_decides_how_far_the_last_step_goes():
    """An error larger than training found is seen in the residual: the scan is followed, not contradicted."""
    residuals = [medsr.enhance(ODD, lossy(error), SAMPLE).record.residual for error in (1e-6, 0.05, 50.0)]
    assert residuals[0] == pytest.approx(residuals[1], rel=0.2) and residuals[0] < 0.5
    assert residuals[2] < 0.3 * residuals[0]
    repeated = medsr.enhance(ODD, lossy(1e-6), replace(SAMPLE, data_step="project"))
    assert np.abs(repeated.residual.data).max() < 1e-4 * np.ptp(ODD.data)


@pytest.mark.parametrize("start", [0, 1, 2])
def test_a_region_gets_the_noise_that_the_whole_has_there(start):
    """In the codes of the same voxels, also where the region begins at an odd one."""
    model, acquisition = lossy(), acquisition_of(SLICES)
    whole = Whole.of(SLICES, SAMPLE, acquisition)
    part = part_of(SLICES, Box((start, 0, 0), (start + 6, 24, 6)), acquisition)
    found = []
    for volume, one, here in ((SLICES, acquisition, whole), (part.volume, part.acquisition, whole.at((start, 0, 0)))):
        states = posterior.prepared(volume, model, one, SAMPLE, here, None).states
        found.append(sample_noise(states.shape, 0, 0, states.origin, states.channels))
    n = min(found[1].shape[2], found[0].shape[2] - start // 2)
    assert torch.equal(found[0][:, :, start // 2 : start // 2 + n], found[1][:, :, :n])


def test_noise_of_several_numbers_a_voxel_is_white():
    noise = white_noise((20, 21, 22), 3, 0, 0, (0, 0, 0), 4)
    assert noise.shape == (1, 4, 20, 21, 22)
    assert noise.std() == pytest.approx(1, abs=0.02) and noise.mean() == pytest.approx(0, abs=0.02)
    correlation = np.corrcoef(noise[0].flatten(1).numpy())
    assert np.abs(correlation - np.eye(4)).max() < 0.04
    total = sum(sample_noise((3, 4, 5), 3, number, (0, 0, 0), 4) for number in range(8))
    assert total.abs().max() < 1e-5


def test_weights_of_codes_come_back_from_their_file(tmp_path):
    model, path = lossy(), tmp_path / "latent.safetensors"
    spec = replace(model.spec, net=CODED, autoencoder=CODED)
    path.write_bytes(weights_bytes(model.net.state_dict(), spec))
    again = load_model(path, "cpu")
    assert again.spec == spec and isinstance(again.net, LatentNet)
    for name, value in model.net.state_dict().items():
        torch.testing.assert_close(again.net.state_dict()[name], value, rtol=0.01, atol=1e-6)
    assert torch.equal(again.net.autoencoder.error, model.net.autoencoder.error)
    sample = medsr.enhance(SLICES, settings=replace(SAMPLE, model=str(path), device="cpu"))
    assert sample.record.model["name"] == "tiny"


@pytest.mark.parametrize(
    "changes",
    [
        {"process": "edm"},
        {"process": "edm", "autoencoder": None},
        {"autoencoder": None},
        {"autoencoder": replace(CODED, codes=5)},
        {"net": TINY},
    ],
)
def test_a_file_whose_network_is_none_of_its_process_is_refused(tmp_path, changes):
    model, path = lossy(), tmp_path / "latent.safetensors"
    spec = replace(model.spec, **{"net": CODED, "autoencoder": CODED, **changes})
    path.write_bytes(weights_bytes(model.net.state_dict(), spec))
    with pytest.raises(ModelError, match="its network is none of the process"):
        load_model(path, "cpu")


def test_an_autoencoder_enhances_nothing():
    model = lossy()
    maker = replace(model, net=model.net.autoencoder, spec=replace(model.spec, process="autoencoder"))
    with pytest.raises(ModelError, match="is an autoencoder, which enhances nothing"):
        medsr.enhance(SLICES, maker, SAMPLE)


def test_a_classifier_of_details_leads_no_codes(tmp_path):
    path = tmp_path / "sharpness.safetensors"
    path.write_bytes(weights_bytes(tiny_net().state_dict(), ModelSpec("led", "0", TINY, process="sharpness")))
    with pytest.raises(UsageError, match="knows codes, and classifiers know details"):
        medsr.enhance(SLICES, lossy(), replace(SAMPLE, classifier=str(path)))
