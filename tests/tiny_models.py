"""Networks small enough for tests, with weights from a seed, and models made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from medsr.diffusion.names import DEFAULT_PROCESS, ProcessName
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import NetSpec
from medsr.model.nets import Autoencoder, DetailNet
from medsr.model.spec import Envelope, ModelSpec
from medsr.model.weights import Model, weights_bytes

TINY = NetSpec(N_MAPS, N_CONDITIONS, width=8, blocks=2, deep_width=8, deep_blocks=1, embedding=8)
CODED = replace(TINY, codes=4)
EVERYTHING = Envelope(max_factor=16.0, max_factor_several=16.0, max_coarse_mm=1e3, fine_mm=(1e-3, 1e3))


def tiny_net(spec: NetSpec = TINY, *, seed: int = 0, silent: bool = False) -> DetailNet:
    """A network with random weights from `seed`; a silent one answers zero everywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DetailNet(spec)
    if silent:
        for name, value in net.named_parameters():
            if name.startswith(("tail", "doubt.2")):
                torch.nn.init.zeros_(value)
    return net.eval().requires_grad_(False)


def tiny_model(
    *,
    seed: int = 0,
    silent: bool = False,
    envelope: Envelope = EVERYTHING,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Model:
    """A model around `tiny_net` that takes every scan, unless an envelope says otherwise."""
    spec = ModelSpec("tiny", "0", TINY, envelope)
    place = torch.device(device)
    return Model(tiny_net(seed=seed, silent=silent).to(place), spec, "0" * 64, place, dtype)


def write_tiny(path: Path, process: ProcessName = DEFAULT_PROCESS) -> Path:
    """A weights file of `tiny_net`, for commands that take a file."""
    spec = ModelSpec("tiny", "0", TINY, EVERYTHING, process=process)
    path.write_bytes(weights_bytes(tiny_net().state_dict(), spec))
    return path


def write_autoencoder(path: Path, spec: NetSpec = CODED, *, seed: int = 0) -> Path:
    """A weights file of an autoencoder with random weights from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Autoencoder(spec)
    path.write_bytes(weights_bytes(net.state_dict(), ModelSpec("tiny codes", "0", spec, process="autoencoder")))
    return path


def space_to_depth() -> Autoencoder:
    """The autoencoder whose codes are the eight voxels that each covers: linear, orthonormal, nothing is lost."""
    net = Autoencoder(replace(TINY, width=8, blocks=0, codes=8)).requires_grad_(False).eval()
    for name, value in net.named_parameters():
        value.zero_()
        if name.endswith("weight"):
            for number in range(8):
                value[number, number, 1, 1, 1] = 1.0
    net.error.zero_()
    return net
