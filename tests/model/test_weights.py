"""Weights files: what goes in comes out, and everything else is refused in one line."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from tiny_models import TINY, tiny_model, tiny_net

from medsr.errors import ModelError, ResourceError
from medsr.model import weights as models
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import NetSpec
from medsr.model.packaged import packaged_models
from medsr.model.spec import ModelSpec
from medsr.model.weights import choose_device, fastest_dtype, load_model, weights_bytes
from medsr.model.weights_file import describe_model

SPEC = ModelSpec("tiny", "3", TINY, trained={"steps": 7}, error_variance=0.2, sample_scale=0.9)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(weights_bytes(tiny_net().state_dict(), SPEC))
    return path


def rewritten(path, change):
    """The same file after `change(facts)` of its specification."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    facts = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["medsr"])
    path.write_bytes(save(load(content), {"medsr": json.dumps(change(facts) or facts)}))
    return path


def refused(path, match, **options):
    with pytest.raises(ModelError, match=match) as caught:
        load_model(path, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_what_is_written_is_read(weights):
    model = load_model(weights, "cpu")
    assert model.spec == SPEC
    assert describe_model(weights) == SPEC
    assert model.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    for name, value in tiny_net().state_dict().items():
        tolerance = 0 if value.ndim < 2 else 2**-8  # half a step of bfloat16
        torch.testing.assert_close(model.net.state_dict()[name], value, rtol=tolerance, atol=0)
    assert not any(value.requires_grad for value in model.net.parameters())


def test_a_read_model_answers_as_the_written_one(weights):
    maps, conditions = torch.randn(1, TINY.channels, 9, 8, 7), torch.randn(1, TINY.conditions)
    answer = load_model(weights, "cpu")(maps, conditions)
    expected = tiny_net()(maps, conditions)
    assert answer.dtype == torch.float32
    assert (answer - expected).abs().max() < 0.05 * expected.abs().max()


def test_reading_twice_gives_the_same_model(weights):
    maps, conditions = torch.randn(1, TINY.channels, 9, 8, 7), torch.randn(1, TINY.conditions)
    assert torch.equal(load_model(weights, "cpu")(maps, conditions), load_model(weights, "cpu")(maps, conditions))


def test_reading_takes_no_random_number(weights):
    state = torch.random.get_rng_state()
    load_model(weights, "cpu")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_writing_is_reproducible():
    state = tiny_net().state_dict()
    assert weights_bytes(state, SPEC) == weights_bytes(state, SPEC)


# --- files that are refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_weights_are_refused(tmp_path, zipped):
    path = tmp_path / "weights.pt"
    torch.save(tiny_net().state_dict(), path, _use_new_zipfile_serialization=zipped)
    refused(path, "pickled file, which could run any code")
    path.rename(tmp_path / "weights.safetensors")  # what counts is the content
    refused(tmp_path / "weights.safetensors", "pickled file, which could run any code")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 0.999])
def test_truncated_files_are_refused(weights, share):
    content = weights.read_bytes()
    weights.write_bytes(content[: int(share * len(content))])
    refused(weights, r"tiny\.safetensors")


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("random") / "random.safetensors"
    path.write_bytes(content)
    refused(path, "random.safetensors")


def test_safetensors_of_something_else_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(save({"weight": torch.zeros(3)}))
    refused(path, "not a medsr weights file")
    path.write_bytes(save({"weight": torch.zeros(3)}, {"format": "pt"}))
    refused(path, "not a medsr weights file")


@pytest.mark.parametrize("change", [{"width": 16}, {"blocks": 4}, {"deep_blocks": 0}, {"embedding": 9}])
def test_weights_that_do_not_fit_their_network_are_refused(weights, change):
    def other(facts):
        return {**facts, "net": {**facts["net"], **change}}

    refused(rewritten(weights, other), "do not fit the network")


def test_weights_that_are_not_finite_are_refused(weights):
    tensors = tiny_net().state_dict()
    tensors["tail.weight"][0] = float("nan")
    weights.write_bytes(weights_bytes(tensors, SPEC))
    refused(weights, "not finite")


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    refused(tmp_path / "nothing.safetensors", "no such weights file")
    refused(tmp_path, "no such weights file")
    refused("no-such-model", "no packaged model of that name")
    refused("nul\0byte", "no such weights file")


def test_too_large_files_are_neither_written_nor_read(tmp_path):
    wide = NetSpec(TINY.channels, TINY.conditions, width=128, blocks=12, deep_width=256, deep_blocks=2)
    with pytest.raises(ModelError, match="the limit is 16777216"):
        weights_bytes(tiny_net(wide).state_dict(), dataclasses.replace(SPEC, net=wide))
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(models.MAX_BYTES + 1)
    refused(path, "the limit is 16777216")


# --- packaged weights -------------------------------------------------------------------------------------------------


@pytest.fixture
def packaged(weights, monkeypatch):
    """`weights` as if it came with the package."""
    weights.with_suffix(".sha256").write_text(f"{hashlib.sha256(weights.read_bytes()).hexdigest()}  {weights.name}\n")
    monkeypatch.setattr(models, "packaged_models", lambda: {weights.stem: weights})
    return weights


def test_packaged_weights_are_found_by_name_and_checked(packaged):
    assert load_model("tiny", "cpu").spec.name == "tiny"


def test_packaged_weights_that_were_changed_are_refused(packaged):
    content = bytearray(packaged.read_bytes())
    content[-1] ^= 1
    packaged.write_bytes(content)
    refused("tiny", "reinstall medsr", device="cpu")
    refused(packaged, "reinstall medsr", device="cpu")


@pytest.mark.parametrize("checksum", [None, "", "zz\n"])
def test_packaged_weights_without_their_checksum_are_refused(packaged, checksum):
    packaged.with_suffix(".sha256").unlink()
    if checksum is not None:
        packaged.with_suffix(".sha256").write_text(checksum)
    refused("tiny", "reinstall medsr", device="cpu")


def test_every_shipped_model_loads():
    for name, path in packaged_models().items():
        assert load_model(name, "cpu").spec.name == name
        assert path.stat().st_size <= models.MAX_BYTES


# --- devices ----------------------------------------------------------------------------------------------------------


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda")
    assert fastest_dtype(torch.device("cpu")) in (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "meta", "cuda:99", "mps:x"])
def test_devices_that_are_not_here_are_refused(name):
    with pytest.raises(ResourceError) as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)


def test_metal_is_taken_where_torch_has_it_and_only_by_name(monkeypatch):
    """Torch is told that it has Metal or none, since few machines have it: what runs there is not tested."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ResourceError, match="torch has no Metal here; use --device cpu"):
        choose_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("mps").type == "mps"
    assert choose_device("auto").type in ("cpu", "cuda")
    assert fastest_dtype(choose_device("mps")) == torch.float32


def test_a_watched_model_answers_as_ever_and_tells_of_each_layer():
    model = tiny_model()
    maps, conditions = torch.randn(1, N_MAPS, 8, 8, 8), torch.zeros(1, N_CONDITIONS)
    told = []
    answer = model.watched(lambda: told.append(1))(maps, conditions)
    assert len(told) == model.n_layers == TINY.blocks + TINY.deep_blocks
    torch.testing.assert_close(answer, model(maps, conditions), rtol=0, atol=0)
    assert len(told) == model.n_layers  # nothing stays behind
