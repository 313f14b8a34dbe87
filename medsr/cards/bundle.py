"""Weights as a MONAI bundle: `configs/metadata.json`, `configs/inference.json`, the weights as they are, the licence.

The weights stay safetensors, never a pickle, and are read by medsr itself, which the bundle therefore requires.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import medsr
from medsr.cards.weights import WeightsFile
from medsr.errors import OutputError
from medsr.io import files
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import GRID
from medsr.model.spec import ModelSpec
from medsr.record import NOTICE

SCHEMA_URL = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
MONAI_VERSION = "1.5.2"  # the first that a bundle was run with; the extra medsr[monai] asks for it
WEIGHTS = "models/model.safetensors"


def write_bundle(weights: WeightsFile, target: Path, card: Path | None = None) -> None:
    """Write a bundle's folder, whole or not at all.

    Args:
        weights: Result of `read_weights`.
        target: Folder to make.
        card: Markdown that goes in as docs/README.md.

    Raises:
        OutputError: The folder exists already, or can't be written.
    """
    if target.exists():
        raise OutputError(f"{target} is there already; choose another name for the bundle")
    part = target.with_name(f".part-{target.name}")
    try:
        shutil.rmtree(part, ignore_errors=True)
        for name, content in _texts(weights, card).items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_text(content, encoding="utf-8")
        (part / WEIGHTS).parent.mkdir(parents=True)
        shutil.copyfile(weights.path, part / WEIGHTS)
        part.rename(target)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OutputError(f"{target}: can't be written ({files.reason(error)}); choose another folder") from error


def bundle_metadata(weights: WeightsFile) -> dict[str, Any]:
    """`metadata.json` (MONAI bundle specification 1.0)."""
    spec = weights.spec
    return {
        "schema": SCHEMA_URL,
        "version": spec.version,
        "changelog": {spec.version: f"weights of SHA-256 {weights.sha256}"},
        "monai_version": MONAI_VERSION,
        "pytorch_version": str(metadata.version("torch")).partition("+")[0],
        "numpy_version": metadata.version("numpy"),
        "required_packages_version": {"medsr": medsr.__version__, "safetensors": metadata.version("safetensors")},
        "name": spec.name,
        "task": "Super-resolution of MR and CT",
        "description": "Conditional 3D diffusion model that adds the missing detail to low-resolution MR and CT scans.",
        "authors": "The medsr developers",
        "copyright": "Copyright 2026 The medsr developers",
        "license": spec.licence,
        "intended_use": NOTICE,
        "data_source": ", ".join(map(str, weights.named_cards)) or "not stated",
        "data_type": "nibabel",
        "weights_sha256": weights.sha256,
        "data_cards": dict(weights.named_cards),
        "network_data_format": _formats(spec),
    }


def inference_config() -> dict[str, Any]:
    """`inference.json`: the network, and the whole of `medsr.enhance` on one file after another."""
    return {
        "imports": ["$import glob", "$from pathlib import Path", "$import medsr", "$import medsr.model.weights"],
        "bundle_root": ".",
        "device": "$medsr.model.weights.choose_device()",
        "dataset_dir": "@bundle_root",
        "output_dir": "$@bundle_root + '/enhanced'",
        "mode": "mean",
        "model": {
            "_target_": "medsr.model.weights.load_model",
            "name_or_file": f"$Path(@bundle_root) / '{WEIGHTS}'",
            "device": "@device",
        },
        "network_def": "$@model.net",
        "settings": {"_target_": "medsr.enhancement.settings.EnhanceSettings", "mode": "@mode"},
        "dataset": "$sorted(glob.glob(@dataset_dir + '/*.nii.gz'))",
        "inferer": {
            "_target_": "medsr.enhancement.files.enhance_file",
            "_mode_": "callable",
            "settings": "@settings",
            "model": "@model",
        },
        "evaluator": "$lambda: [@inferer(Path(x), Path(@output_dir) / Path(x).name) for x in @dataset]",
        "initialize": ["$Path(@output_dir).mkdir(parents=True, exist_ok=True)"],
        "run": ["$@evaluator()"],
    }


def _texts(weights: WeightsFile, card: Path | None) -> dict[str, str]:
    texts = {
        "configs/metadata.json": json.dumps(bundle_metadata(weights), indent=1) + "\n",
        "configs/inference.json": json.dumps(inference_config(), indent=1) + "\n",
        "LICENSE": f"The weights are under {weights.spec.licence}; the text comes with medsr.\n",
    }
    if card is not None:
        texts["docs/README.md"] = card.read_text(encoding="utf-8")
    return texts


def _formats(spec: ModelSpec) -> Mapping[str, Any]:
    """Inputs and output of the bare network."""
    shape = [f"{GRID}*n"] * 3
    common = {"format": "magnitude", "dtype": "float32", "is_patch_data": True}
    maps = {
        "type": "image",
        "modality": ", ".join(spec.envelope.modalities),
        "num_channels": N_MAPS,
        "spatial_shape": shape,
        "value_range": [],
        "channel_def": {str(n): "noisy detail, IBP estimate and what was measured" for n in range(N_MAPS)},
    }
    conditions = {
        "type": "tuples",
        "num_channels": N_CONDITIONS,
        "spatial_shape": [N_CONDITIONS],
        "value_range": [],
        "channel_def": {"0": "noise level, factors, widths, noise, spacing"},
    }
    pred = {
        "type": "image",
        "num_channels": 2,
        "spatial_shape": shape,
        "value_range": [],
        "channel_def": {"0": "detail in units of the expected one", "1": "its log-variance"},
    }
    return {
        "inputs": {"image": common | maps, "conditions": common | conditions},
        "outputs": {"pred": common | pred},
    }
