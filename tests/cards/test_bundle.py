"""MONAI loads the bundle, and what runs in it is medsr."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from card_folders import write_card, write_weights
from phantoms import head
from tiny_models import TINY

from medsr.cards.bundle import MONAI_VERSION, WEIGHTS, write_bundle
from medsr.cards.weights import read_weights
from medsr.enhancement.outputs import record_path
from medsr.errors import OutputError
from medsr.io import save
from medsr.model.nets import DetailNet
from medsr.record import NOTICE

monai_bundle = pytest.importorskip("monai.bundle")


@pytest.fixture
def bundle(tmp_path):
    weights = read_weights(write_weights(tmp_path / "tiny.safetensors", (write_card(tmp_path),)))
    write_bundle(weights, tmp_path / "bundle")
    return tmp_path / "bundle"


def workflow(bundle, **override):
    return monai_bundle.create_workflow(
        config_file=str(bundle / "configs" / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(bundle),
        device=torch.device("cpu"),
        **override,
    )


def test_the_extra_brings_the_monai_that_a_bundle_asks_for():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["optional-dependencies"]["monai"] == [f"monai>={MONAI_VERSION}"]
    assert not any("monai" in one for one in project["dependencies"])


@pytest.mark.filterwarnings("ignore:parsing config_file")  # MONAI says so of every bundle
def test_monai_loads_network_and_metadata(bundle, tmp_path):
    loaded = workflow(bundle)
    assert not loaded.check_properties()
    assert isinstance(loaded.network_def, DetailNet)
    assert loaded.network_def.spec == TINY
    assert loaded.version == "1.0.0"
    facts = monai_bundle.ConfigParser.load_config_file(str(bundle / "configs" / "metadata.json"))
    assert facts["intended_use"] == NOTICE
    assert facts["weights_sha256"] == read_weights(tmp_path / "tiny.safetensors").sha256
    for name in ("schema", "task", "authors", "copyright", "monai_version", "required_packages_version"):
        assert facts[name]
    formats = facts["network_data_format"]
    assert formats["inputs"]["image"]["num_channels"] == TINY.channels
    assert formats["outputs"]["pred"]["num_channels"] == 2


@pytest.mark.filterwarnings("ignore:parsing config_file")
def test_monai_runs_it_on_a_folder_of_scans(bundle, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    save(head((12, 14, 10), (2.0, 2.0, 2.0)), scans / "head.nii.gz")
    loaded = workflow(bundle, dataset_dir=str(scans), output_dir=str(tmp_path / "enhanced"))
    loaded.initialize()
    loaded.run()
    assert nib.load(tmp_path / "enhanced" / "head.nii.gz").shape == (24, 28, 20)
    record = json.loads(record_path(tmp_path / "enhanced" / "head.nii.gz").read_text(encoding="utf-8"))
    assert record["model"]["name"] == "tiny"
    assert np.isfinite(record["residual"])


def test_weights_are_the_same_bytes_and_nothing_is_pickled(bundle, tmp_path):
    assert (bundle / WEIGHTS).read_bytes() == (tmp_path / "tiny.safetensors").read_bytes()
    assert not [path for path in bundle.rglob("*") if path.suffix in {".pt", ".pth", ".ts", ".pkl"}]


def test_an_existing_folder_is_left_alone_and_a_failure_leaves_nothing(bundle, tmp_path):
    weights = read_weights(tmp_path / "tiny.safetensors")
    with pytest.raises(OutputError, match="already"):
        write_bundle(weights, bundle)
    with pytest.raises(OutputError):
        write_bundle(weights, tmp_path / "no" / "such" / "folder", tmp_path / "no_card.md")
    assert not (tmp_path / "no").exists() or not list((tmp_path / "no").rglob("*"))
    shutil.rmtree(bundle)
