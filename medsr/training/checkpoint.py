"""The state of a run in one safetensors file: weights, their running mean, the optimisers, and the step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from medsr.errors import InputError


def write_checkpoint(
    path: Path,
    net: nn.Module,
    average: dict[str, Tensor],
    optimisers: Sequence[torch.optim.Optimizer],
    facts: dict[str, object],
) -> None:
    """Write the state beside and move it into place, so that a kill leaves the last whole one."""
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    for place, optimiser in enumerate(optimisers):
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{place}.{number}.{key}": torch.as_tensor(value) for key, value in state.items()}
    content = save({name: value.detach().contiguous() for name, value in tensors.items()}, {"facts": json.dumps(facts)})
    part = path.with_name(f".part-{path.name}")
    part.write_bytes(content)
    part.replace(path)


def read_checkpoint(
    path: Path, net: nn.Module, average: dict[str, Tensor], optimisers: Sequence[torch.optim.Optimizer]
) -> dict[str, object]:
    """Load the state into the given objects and return its facts.

    Raises:
        InputError: The file is not a checkpoint of this network.
    """
    try:
        tensors = load_file(path, device=str(next(net.parameters()).device))
        net.load_state_dict(_below(tensors, "net."))
        average.update(_below(tensors, "average."))
        for place, optimiser in enumerate(optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in _below(tensors, f"optimiser.{place}.").items():
                number, key = name.split(".", 1)
                state.setdefault(int(number), {})[key] = value
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        return facts_of(path)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a checkpoint of this recipe; choose another run folder") from error


def average_of(path: Path) -> dict[str, Tensor]:
    """The running mean of the weights stored with a checkpoint.

    Raises:
        InputError: The file is not a checkpoint.
    """
    try:
        return _below(load_file(path), "average.")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is not a checkpoint; choose another run folder") from error


def facts_of(path: Path) -> dict[str, object]:
    """The facts stored with a checkpoint, without its tensors."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    facts = json.loads(header["__metadata__"]["facts"])
    return dict(facts)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
