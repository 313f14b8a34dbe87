"""A run's state in one file: all of it comes back, and a half-written or foreign one is refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import TINY, tiny_net

from medsr.errors import InputError
from medsr.model.nets import DetailNet
from medsr.training.checkpoint import facts_of, read_checkpoint, write_checkpoint
from medsr.training.muon import Muon


def state(seed=0, spec=TINY):
    """A network, its running mean and two optimisers."""
    net = tiny_net(spec, seed=seed).requires_grad_(True)
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    kernels = [value for value in net.parameters() if value.ndim == 5]
    others = [value for value in net.parameters() if value.ndim != 5]
    return net, average, [Muon(kernels, 0.01), torch.optim.AdamW(others, 0.01)]


def take_steps(net: DetailNet, optimisers, count, seed):
    for number in range(count):
        generator = torch.Generator().manual_seed(100 * seed + number)
        for value in net.parameters():
            value.grad = torch.randn(value.shape, generator=generator)
        for optimiser in optimisers:
            optimiser.step()


def tensors_of(net, average, optimisers):
    tensors = {**net.state_dict(), **{f"average.{name}": value for name, value in average.items()}}
    for place, optimiser in enumerate(optimisers):
        for number, entries in optimiser.state_dict()["state"].items():
            tensors |= {f"{place}.{number}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    return tensors


def test_everything_comes_back_and_the_next_steps_are_the_same(tmp_path):
    net, average, optimisers = state()
    take_steps(net, optimisers, 2, seed=1)
    write_checkpoint(tmp_path / "run", net, average, optimisers, {"step": 2, "note": "x"})
    other, other_average, other_optimisers = state(seed=5)
    facts = read_checkpoint(tmp_path / "run", other, other_average, other_optimisers)
    assert facts == facts_of(tmp_path / "run") == {"step": 2, "note": "x"}
    for _ in range(2):
        ours = tensors_of(net, average, optimisers)
        theirs = tensors_of(other, other_average, other_optimisers)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
        take_steps(net, optimisers, 1, seed=2)
        take_steps(other, other_optimisers, 1, seed=2)


def test_a_checkpoint_before_the_first_step_can_be_read(tmp_path):
    write_checkpoint(tmp_path / "run", *state(), {"step": 0})
    assert read_checkpoint(tmp_path / "run", *state(seed=5)) == {"step": 0}


def test_a_new_checkpoint_takes_the_place_of_the_old_one_alone(tmp_path):
    for step in (1, 2):
        write_checkpoint(tmp_path / "run", *state(), {"step": step})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert facts_of(tmp_path / "run") == {"step": 2}


def refused(path, spec=TINY):
    with pytest.raises(InputError, match="is not a checkpoint of this recipe") as caught:
        read_checkpoint(path, *state(spec=spec))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path, share):
    write_checkpoint(tmp_path / "run", *state(), {"step": 1})
    content = (tmp_path / "run").read_bytes()
    (tmp_path / "run").write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "run")


def test_another_networks_checkpoint_is_refused(tmp_path):
    write_checkpoint(tmp_path / "run", *state(), {"step": 1})
    refused(tmp_path / "run", dataclasses.replace(TINY, width=12))
    refused(tmp_path / "run", dataclasses.replace(TINY, blocks=4))


def test_other_files_are_refused(tmp_path):
    refused(tmp_path / "missing")
    (tmp_path / "text").write_text("not a checkpoint")
    refused(tmp_path / "text")
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign")
    refused(tmp_path / "foreign")
    save_file(dict(tiny_net().state_dict()), tmp_path / "weights", {"facts": "{}"})
    refused(tmp_path / "weights")
