"""The weights that come with the package, by name; without PyTorch, so that a viewer can list them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def packaged_models() -> dict[str, Path]:
    """Names and files of the weights that come with the package."""
    folder = Path(str(resources.files("medsr.weights")))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
