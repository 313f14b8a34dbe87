"""MeshNet, a stack of dilated 3D convolutions, read from the plain numbers that ship with the package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medsr.errors import ModelError

STRUCTURES = "model30chan18cls"
"""The network: 17 structures of the brain in T1w heads."""

SUMS = "SHA256SUMS"
SLAB_PLANES = 4  # computed at a time: few enough that memory goes to what the layers must remember
FORMAT = torch.channels_last_3d  # a CPU convolves it in a third of the time where the dilation is large

Place = tuple[slice, slice, slice]
"""A box of voxels, each slice with its first voxel and the one behind its last."""


@dataclass(frozen=True)
class MeshNet:
    """A network that names the structure of each voxel.

    Attributes:
        layers: Convolutions with zero padding, and the activation between them: (1, 1, I, J, K) to (1, C, I, J, K).
        names: Name of each of the C classes; the first is the background.
    """

    layers: nn.Sequential
    names: tuple[str, ...]

    def classify(self, x: Tensor, slab_planes: int = SLAB_PLANES) -> Tensor:
        """The class of the largest output at each voxel, as `layers` gives it for the whole scan, in far less memory.

        The scan runs through all layers at once, a slab of planes at a time, and each layer remembers the planes that
        its next slab needs. Nothing is computed twice.

        Args:
            x: Intensities (I, J, K), float32.
            slab_planes: Planes along the first axis that enter at a time.

        Returns:
            Number of the class, (I, J, K) uint8.
        """
        with torch.inference_mode():
            slabs: Iterable[Tensor] = (part[None, None] for part in torch.split(x, slab_planes))
            for layer in self.layers:
                slabs = _convolved(slabs, layer) if isinstance(layer, nn.Conv3d) else map(layer, slabs)
            return torch.cat([slab[0].argmax(0).to(torch.uint8) for slab in slabs])

    @property
    def reach(self) -> int:
        """Voxels to each side of a voxel that its class depends on."""
        return sum(int(layer.padding[0]) for layer in self.layers if isinstance(layer, nn.Conv3d))

    def classify_part(self, x: Tensor, part: Place) -> Tensor:
        """The classes that `classify` gives a part, at the cost of the part and of what its classes depend on.

        Each layer computes what the layers after it need, so that the sides shrink from layer to layer.

        Args:
            x: Intensities (I, J, K) of the whole scan, float32.
            part: Voxels whose class is wanted.

        Returns:
            Number of the class, uint8 of the part's shape.
        """
        left = self.reach
        at = _grown(part, left, x.shape)
        known = x[at][None, None]
        with torch.inference_mode():
            for layer in self.layers:
                if not isinstance(layer, nn.Conv3d):
                    known = layer(known)
                    continue
                reach = int(layer.padding[0])
                left -= reach
                needed = _grown(part, left, x.shape)
                beyond = [n for had, new in zip(at, needed, strict=True) for n in _beyond(had, new, reach)]
                known = functional.pad(known, [*beyond[4:], *beyond[2:4], *beyond[:2]])
                known = known.contiguous(memory_format=FORMAT)
                known = functional.conv3d(known, layer.weight, layer.bias, dilation=layer.dilation)
                at = needed
            return known[0].argmax(0).to(torch.uint8)


def load_meshnet() -> MeshNet:
    """The network that ships with the package, its files checked by their SHA-256.

    Raises:
        ModelError: a file is missing or is not the one that was shipped.
    """
    return read_meshnet(Path(str(resources.files(__package__) / "networks")), STRUCTURES)


def read_meshnet(folder: Path, name: str) -> MeshNet:
    """A network in a folder of networks, beside which `SHA256SUMS` lies.

    Raises:
        ModelError: as `load_meshnet`.
    """
    numbers, layers, labels = (
        _checked(folder, f"{name}/{file}") for file in ("model.bin", "model.json", "labels.json")
    )
    names = json.loads(labels)
    readable = tuple(names[str(number)].replace("-", " ") for number in range(len(names)))
    return MeshNet(_built(json.loads(layers), np.frombuffer(numbers, "<f4")), readable)


def _checked(folder: Path, file: str) -> bytes:
    try:
        expected = {path: digest for digest, path in map(str.split, (folder / SUMS).read_text().splitlines())}
        content = (folder / file).read_bytes()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{file} or its {SUMS} is missing from this installation or damaged; reinstall medsr"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected.get(file):
        raise ModelError(f"{file} has SHA-256 {digest[:12]}..., which is not that of {SUMS}; reinstall medsr")
    return content


def _built(file: dict[str, Any], numbers: np.ndarray[Any, np.dtype[np.float32]]) -> nn.Sequential:
    """The layers of a TensorFlow.js layers file: cross-correlations that keep the shape, with zeros beyond the faces.

    Kernels are stored as (i, j, k, in, out), each followed by its biases, in the order of the manifest.
    """
    arrays, start = [], 0
    for entry in file["weightsManifest"][0]["weights"]:
        n = int(np.prod(entry["shape"]))
        arrays.append(torch.from_numpy(numbers[start : start + n].reshape(entry["shape"]).copy()))
        start += n
    weights = iter(arrays)
    layers: list[nn.Module] = []
    for layer in file["modelTopology"]["model_config"]["config"]["layers"]:
        told = layer["config"]
        if layer["class_name"] == "Conv3D" and told["padding"] == "same" and set(told["strides"]) == {1}:
            layers.append(_convolution(next(weights), next(weights), told["dilation_rate"][0]))
        elif layer["class_name"] == "Activation" and told["activation"] == "elu":
            layers.append(nn.ELU(inplace=True))
        elif layer["class_name"] != "InputLayer":
            raise ModelError(f"the network holds a layer {layer['class_name']!r} that this version can't compute")
    if start != numbers.size or next(weights, None) is not None:
        raise ModelError(f"the network holds {numbers.size} numbers where its layers need {start}; reinstall medsr")
    return nn.Sequential(*layers).requires_grad_(requires_grad=False)


def _convolution(kernel: Tensor, bias: Tensor, dilation: int) -> nn.Conv3d:
    *size, n_in, n_out = kernel.shape
    padding = dilation * (size[0] - 1) // 2
    layer = nn.Conv3d(n_in, n_out, (size[0], size[1], size[2]), padding=padding, dilation=dilation)
    layer.weight.data = kernel.permute(4, 3, 0, 1, 2).contiguous(memory_format=FORMAT)
    layer.bias = nn.Parameter(bias)
    return layer


def _grown(part: Place, reach: int, shape: Sequence[int]) -> Place:
    """The part and what lies within `reach` of it, as far as the scan goes."""
    i, j, k = (slice(max(0, p.start - reach), min(n, p.stop + reach)) for p, n in zip(part, shape, strict=True))
    return i, j, k


def _beyond(had: slice, needed: slice, reach: int) -> tuple[int, int]:
    """Zeros before and after that a layer sees beyond the faces of the scan."""
    return reach - (needed.start - had.start), reach - (had.stop - needed.stop)


def _convolved(slabs: Iterable[Tensor], layer: nn.Conv3d) -> Iterator[Tensor]:
    """The slabs (1, C, i, J, K) of a convolved scan, each given as soon as the planes that it needs are there."""
    reach = int(layer.padding[0])
    coming = iter(slabs)
    first = next(coming)
    beyond = first.new_zeros((1, layer.in_channels, reach, *first.shape[3:]))
    known = beyond
    for slab in chain([first], coming, [beyond]):
        out, known = _step(known, slab, layer, reach)
        if out.shape[2]:
            yield out


def _step(known: Tensor, slab: Tensor, layer: nn.Conv3d, reach: int) -> tuple[Tensor, Tensor]:
    """The planes that can be computed now, perhaps none, and those that the next slab will need."""
    x = torch.cat((known, slab), dim=2).contiguous(memory_format=FORMAT)
    n = max(0, x.shape[2] - 2 * reach)
    known = x[:, :, n:].clone()  # not a view, which would keep the rest
    if not n:
        return x[:, :, :0], known
    padding = (0, *layer.padding[1:])
    return functional.conv3d(x, layer.weight, layer.bias, padding=padding, dilation=layer.dilation), known
