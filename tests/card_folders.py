"""Data cards, scans and model cards small enough for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import yaml
from phantoms import affine
from tiny_models import EVERYTHING, TINY, tiny_net

from medsr.cards.manifest import COLUMNS, manifest_sha256
from medsr.cards.schema import HEADINGS
from medsr.model.spec import Envelope, ModelSpec
from medsr.model.weights import weights_bytes

SHAPE = (20, 24, 16)
FACTS = {
    "kind": "data",
    "version": 1,
    "description": "Two made-up volumes.",
    "published": 2026,
    "consent": "not needed, nobody was scanned",
    "redistributable": True,
    "licences": {"phantom": "MIT"},
    "personal_data": {"deidentified": "by construction", "health": False, "recognisable": []},
    "modalities": ["MR"],
    "volumes": 2,
    "subjects": 2,
    "million_voxels": 0,
    "contrasts": {"T1w": 2},
    "spacing_mm": [1.0, 2.0],
    "ct_hu": None,
}


def write_scan(path: Path, seed: int, shape: tuple[int, int, int] = SHAPE) -> str:
    """A scan of blobs of 8 mm, other ones for every seed; returns its SHA-256."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 1000, [-(-n // 4) for n in shape])
    data = np.kron(blobs, np.ones((4, 4, 4), int))[: shape[0], : shape[1], : shape[2]].astype(np.int16)
    data.flat[:2] = (0, 1000)
    image = nib.Nifti1Image(data, affine((1.0, 1.0, 2.0)))
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_card(
    root: Path,
    name: str = "made",
    purpose: str = "training",
    labels: tuple[str, ...] = ("a01", "b01"),
    *,
    cells: Mapping[str, str] | None = None,
    facts: Mapping[str, object] | None = None,
    seed: int = 0,
) -> Path:
    """A card of one scan for each label, in root/cards, with its scans in root/data.

    Args:
        root: Folder of cards and data.
        name: Name of the card.
        purpose: Purpose of the card.
        labels: Labels of the subjects.
        cells: Cells of every row, in place of the usual ones.
        facts: Facts of the front matter, in place of the usual ones.
        seed: Random seed of the first scan.
    """
    rows = []
    for number, label in enumerate(labels):
        file = f"{name}/sub-{label}_T1w.nii.gz"
        digest = write_scan(root / "data" / file, seed + number)
        usual = dict.fromkeys(COLUMNS, "-") | {
            "file": file,
            "subject": f"person {label}",
            "source": "phantom",
            "contrast": "T1w",
            "spacing_mm": "1x1x2",
            "shape": "x".join(map(str, SHAPE)),
            "licence": "MIT (LICENSE)",
            "sha256": digest,
            "axes": "RAS",
            "intensity_range": "0..1000",
        }
        rows.append(usual | dict(cells or {}))
    folder = root / "cards" / name
    folder.mkdir(parents=True)
    lines = ["\t".join(COLUMNS), *("\t".join(row[column] for column in COLUMNS) for row in rows)]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    front = {**FACTS, "name": name, "purpose": purpose, **(facts or {})}
    prose = "\n".join(f"## {heading}\n\nMade up.\n" for heading in HEADINGS) + "\n| phantom | scans |\n"
    (folder / "card.md").write_text(f"---\n{yaml.safe_dump(front)}---\n{prose}", encoding="utf-8")
    return folder


def write_weights(
    path: Path, cards: tuple[Path, ...] = (), *, licence: str = "Apache-2.0", envelope: Envelope = EVERYTHING
) -> Path:
    """Weights of a tiny network that name these cards."""
    trained = {"steps": 1, "cards_sha256": {card.name: manifest_sha256(card) for card in cards}}
    spec = replace(ModelSpec("tiny", "1.0.0", TINY, envelope), licence=licence, trained=trained)
    path.write_bytes(weights_bytes(tiny_net().state_dict(), spec))
    return path
