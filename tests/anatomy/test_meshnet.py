"""The network: its files, the arithmetic of its layers, and the slabs that make the whole."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import head
from torch import nn

from medsr.anatomy.meshnet import STRUCTURES, load_meshnet, read_meshnet
from medsr.errors import ModelError

NETWORKS = Path(str(resources.files("medsr.anatomy"))) / "networks"
FILES = ("model.bin", "model.json", "labels.json")


def scan(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def by_hand(name: str, x: torch.Tensor) -> np.ndarray:
    """The outputs (C, I, J, K) in float64, straight from the files: sums over shifted copies of the scan."""
    layers = json.loads((NETWORKS / name / "model.json").read_text())
    numbers = np.fromfile(NETWORKS / name / "model.bin", "<f4").astype(np.float64)
    dilations = [
        one["config"]["dilation_rate"][0]
        for one in layers["modelTopology"]["model_config"]["config"]["layers"]
        if one["class_name"] == "Conv3D"
    ]
    shapes = [entry["shape"] for entry in layers["weightsManifest"][0]["weights"]]
    arrays = [
        part.reshape(shape)
        for part, shape in zip(np.split(numbers, np.cumsum([np.prod(s) for s in shapes])[:-1]), shapes, strict=True)
    ]
    values = x.numpy().astype(np.float64)[..., None]
    for number, dilation in enumerate(dilations):
        kernel, bias = arrays[2 * number : 2 * number + 2]
        reach = dilation * (kernel.shape[0] // 2)
        padded = np.pad(values, [(reach, reach)] * 3 + [(0, 0)])
        total = np.broadcast_to(bias, (*values.shape[:3], bias.size)).copy()
        for place in np.ndindex(*kernel.shape[:3]):
            start = [dilation * p for p in place]
            part = padded[tuple(slice(s, s + n) for s, n in zip(start, values.shape[:3], strict=True))]
            total += part @ kernel[place]
        values = total if number == len(dilations) - 1 else np.where(total > 0, total, np.expm1(np.minimum(total, 0)))
    return np.moveaxis(values, -1, 0)


def test_the_network_computes_what_its_files_say():
    net = load_meshnet()
    x = scan(9, 7, 8)
    found = net.layers(x[None, None])[0].numpy()
    expected = by_hand(STRUCTURES, x)
    assert found.shape == expected.shape == (18, 9, 7, 8)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert net.layers[0].out_channels == 30
    assert len(net.names) == 18


def test_the_classes_have_the_names_of_their_file():
    names = load_meshnet().names
    assert (names[4], names[14], names[17]) == ("Inferior Lateral Ventricle", "Hippocampus", "VentralDC")


@pytest.mark.parametrize(("shape", "slab"), [((40, 12, 10), 8), ((5, 6, 7), 2), ((37, 9, 8), 64), ((100, 5, 6), 7)])
def test_slabs_make_the_whole(shape, slab):
    net = load_meshnet()
    x = scan(*shape)
    whole = net.layers(x[None, None])[0]
    found = net.classify(x, slab)
    assert found.shape == shape
    chosen = whole.gather(0, found.long()[None])[0]
    np.testing.assert_allclose(chosen.numpy(), whole.amax(0).numpy(), atol=1e-4)  # a tie may fall either way
    assert (found == whole.argmax(0)).float().mean() > 0.999


@pytest.fixture(scope="module")
def classified():
    """A scan and the classes of all of it."""
    x = torch.from_numpy(head((100, 97, 98)).data / 700)
    return x, load_meshnet().classify(x)


@pytest.mark.parametrize(
    "part",
    [
        (slice(46, 54), slice(46, 51), slice(46, 52)),  # all that it depends on lies in the scan
        (slice(24, 36), slice(44, 54), slice(30, 50)),
        (slice(40, 60), slice(0, 97), slice(40, 50)),
    ],
)
def test_a_part_has_the_classes_of_the_whole(part, classified):
    x, whole = classified
    found = load_meshnet().classify_part(x, part)
    assert found.dtype == torch.uint8
    assert found.shape == whole[part].shape
    assert len(found.unique()) > 1
    assert (found == whole[part]).float().mean() > 0.999  # a tie may fall either way


def test_nothing_beyond_its_reach_changes_a_class():
    net = load_meshnet()
    assert net.reach == 46
    x = scan(100, 20, 20)
    outputs = net.layers(x[None, None])[0, :, 50]
    for place, reached in ((50 - net.reach, True), (49 - net.reach, False)):
        changed = x.clone()
        changed[place] += 1
        assert torch.equal(net.layers(changed[None, None])[0, :, 50], outputs) != reached


def test_every_layer_but_the_last_is_followed_by_elu():
    kinds = [type(layer) for layer in load_meshnet().layers]
    assert kinds == [nn.Conv3d, nn.ELU] * 9 + [nn.Conv3d]


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(NETWORKS, tmp_path / "networks"))


@pytest.mark.parametrize("file", FILES)
def test_a_changed_file_is_refused(copied, file):
    path = copied / STRUCTURES / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"^{STRUCTURES}/{file} has SHA-256 .*; reinstall medsr$"):
        read_meshnet(copied, STRUCTURES)


@pytest.mark.parametrize("file", [*(f"{STRUCTURES}/{file}" for file in FILES), "SHA256SUMS"])
def test_a_missing_file_is_refused(copied, file):
    (copied / file).unlink()
    with pytest.raises(ModelError, match="reinstall medsr") as caught:
        read_meshnet(copied, STRUCTURES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sums", [b"\xff\xfe", b"no sums at all\n", b""])
def test_damaged_sums_are_refused(copied, sums):
    (copied / "SHA256SUMS").write_bytes(sums)
    with pytest.raises(ModelError, match="reinstall medsr"):
        read_meshnet(copied, STRUCTURES)


def test_the_network_ships_with_its_licence_and_says_where_it_comes_from():
    assert "MIT License" in (NETWORKS / "LICENSE").read_text()
    text = (NETWORKS / "README.md").read_text()
    assert all(word in text for word in (STRUCTURES, "brainchop", "MIT", "8(83):5098"))
