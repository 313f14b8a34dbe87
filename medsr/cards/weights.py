"""A weights file against the cards: what it is, and whether the cards that it names are these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open

from medsr.cards.licences import licence_id, objection
from medsr.cards.manifest import manifest_sha256, read_manifest
from medsr.errors import ModelError
from medsr.io import files
from medsr.model.spec import ModelSpec
from medsr.model.weights_file import describe_model


@dataclass(frozen=True)
class WeightsFile:
    """What is known of a weights file without running the network.

    Attributes:
        path: Path of the file.
        sha256: SHA-256 of its bytes.
        size_bytes: Size of the file.
        parameters: Number of the network's parameters.
        spec: Metadata of the file.
    """

    path: Path
    sha256: str
    size_bytes: int
    parameters: int
    spec: ModelSpec

    @property
    def named_cards(self) -> Mapping[str, Any]:
        """Data cards that the weights were made with: name to hash of the manifest."""
        named = self.spec.trained.get("cards_sha256", {})
        return named if isinstance(named, Mapping) else {}


def read_weights(path: Path) -> WeightsFile:
    """What a weights file is.

    Raises:
        ModelError: The file is not a weights file of this version.
    """
    spec = describe_model(path)
    with safe_open(path, framework="pt") as content:
        parameters = sum(prod(content.get_slice(name).get_shape()) for name in content.keys())  # noqa: SIM118
    return WeightsFile(path, files.sha256_file(path), path.stat().st_size, parameters, spec)


def card_mismatches(weights: WeightsFile, folders: Sequence[Path]) -> list[str]:
    """Why the data cards that weights name are not the cards in `folders`, one line each; empty where they are.

    Args:
        weights: Result of `read_weights`.
        folders: Folders of data cards.

    Raises:
        InputError: A manifest that can't be read.
    """
    here = {folder.name: folder for folder in folders}
    found = [] if weights.named_cards else ["the weights name no data card; train them with `cards` in the recipe"]
    for name, digest in weights.named_cards.items():
        if name not in here:
            found.append(f"the weights name the data card {name}, which is not here")
        elif manifest_sha256(here[name]) != digest:
            actual = manifest_sha256(here[name])
            found.append(
                f"the weights name {name} with SHA-256 {str(digest)[:12]}..., its manifest has {actual[:12]}..."
            )
    return found


def licence_conflicts(weights: WeightsFile, folders: Sequence[Path]) -> list[str]:
    """Sources of the named data cards whose licence does not permit that of the weights.

    Raises:
        InputError: A manifest that can't be read.
    """
    rows = [row for folder in folders if folder.name in weights.named_cards for row in read_manifest(folder)]
    found = {row.source: objection(licence_id(row.licence), weights.spec.licence) for row in rows}
    return [f"{source}: {text}" for source, text in found.items() if text is not None]


def check_shipped(weights: WeightsFile, folders: Sequence[Path]) -> None:
    """Refuse weights whose cards are not those in `folders`.

    Raises:
        ModelError: A card that is missing or differs, or a licence that does not permit that of the weights.
    """
    wrong = card_mismatches(weights, folders) + licence_conflicts(weights, folders)
    if wrong:
        raise ModelError(f"{weights.path.name}: {'; '.join(wrong)}")
