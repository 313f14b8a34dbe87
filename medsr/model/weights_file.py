"""A weights file without its network: which file a name means, its content, and its specification; no PyTorch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from medsr.errors import ModelError
from medsr.model.packaged import packaged_models
from medsr.model.spec import ModelSpec, specification_in

MAX_BYTES = 16 * 2**20


def describe_model(path: Path) -> ModelSpec:
    """The specification in a weights file, without building the network.

    Raises:
        ModelError: not a weights file of this version.
    """
    return specification_in(content_of(path), path.name)


def model_facts(name: str) -> dict[str, str]:
    """Name, version and hash of weights, without loading them.

    Raises:
        ModelError: no such model.
    """
    path = weights_path(name)
    spec = describe_model(path)
    return {
        "name": spec.name,
        "version": spec.version,
        "sha256": hashlib.sha256(content_of(path)).hexdigest(),
    }


def weights_path(name: str) -> Path:
    """The file of a packaged model, or the name itself as a path."""
    return packaged_models().get(name, Path(name))


def content_of(path: Path) -> bytes:
    """The bytes of a weights file.

    Raises:
        ModelError: no such file, one that is pickled, or one larger than 16 MiB.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        names = ", ".join(packaged_models()) or "none"
        raise ModelError(
            f"{path}: no such weights file, and no packaged model of that name; choose one of: {names}"
        ) from error
    if content[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or b"pickle" in content[:256]:
        raise ModelError(f"{path.name} is a pickled file, which could run any code; expected a safetensors file")
    if len(content) > MAX_BYTES:
        raise ModelError(f"{path.name} is larger than a medsr weights file; the limit is {MAX_BYTES} bytes")
    return content
