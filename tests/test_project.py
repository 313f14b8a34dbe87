"""The repository keeps its promises: packaging, documents, sizes, data cards, the sample scan."""

from __future__ import annotations

import ast
import csv
import hashlib
import importlib
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import medsr
from medsr.errors import InputError
from medsr.io import load
from medsr.physics.tasks import TASKS, degrade
from medsr.samples import SAMPLES, sample_path

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = sorted(path for folder in ("medsr", "napari_plugin") for path in (ROOT / folder).rglob("*.py"))
CARDS = sorted(path.parent for path in (ROOT / "data_cards").glob("*/manifest.tsv"))
COLUMNS = [
    "file",
    "subject",
    "source",
    "seen_source",
    "contrast",
    "field_vendor",
    "spacing_mm",
    "shape",
    "acquired",
    "processing",
    "licence",
    "source_path",
    "sha256",
    "axes",
    "intensity_range",
    "upper_half_band_percent",
    "band_support",
]

each_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)


def manifest(card):
    """Rows of a card's manifest, one dictionary a file."""
    with (card / "manifest.tsv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def subject_label(row):
    """The part of the file name that stands for the person, such as "openms01"."""
    return re.fullmatch(r"\w+/sub-(\w+)_\w+\.nii\.gz", row["file"])[1]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_console_scripts_can_be_called():
    for target in PYPROJECT["project"]["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_versions_agree():
    assert medsr.__version__ == PYPROJECT["project"]["version"]
    assert f"version: {medsr.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert medsr.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_package_on_disk_is_packaged():
    folders = {path.parent.relative_to(ROOT) for path in SOURCES if path.is_relative_to(ROOT / "medsr")}
    on_disk = {".".join(folder.parts) for folder in folders} | {"medsr_napari"}
    assert on_disk == set(PYPROJECT["tool"]["setuptools"]["packages"])
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "Copyright 2026 The medsr developers" in text


def test_the_readme_names_both_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


@pytest.mark.parametrize("pattern, limit_mib", [("samples/*.nii.gz", 3), ("weights/*.safetensors", 16)])
def test_what_ships_in_the_package_is_small(pattern, limit_mib):
    paths = list((ROOT / "medsr").glob(pattern))
    assert paths
    for path in paths:
        assert path.stat().st_size <= limit_mib * MIB


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_ships_with_its_licence_and_without_text_in_its_header(name):
    image = nib.load(sample_path(name))
    assert image.get_data_dtype() == np.int16
    for field in ("descrip", "aux_file", "intent_name", "db_name", "data_type"):
        assert not image.header[field].item()
    assert not image.header.extensions
    folder = files("medsr.samples")
    assert (folder / f"LICENSE-{name.partition('_')[0]}.txt").is_file()
    assert name in (folder / "README.md").read_text(encoding="utf-8")


def test_an_unknown_sample_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match=SAMPLES[0]):
        sample_path("no_such_scan")


def test_the_thick_sample_is_the_fine_one_degraded():
    coarse, _ = degrade(load(sample_path()), TASKS["thick5"])
    thick = load(sample_path("bchadult01_T1w_thick5"))
    np.testing.assert_array_equal(thick.data, np.rint(coarse.data))
    np.testing.assert_allclose(thick.affine, coarse.affine, atol=1e-5)


def test_a_sample_is_a_window_of_the_validation_scan_at_the_same_place(shared_data):
    name = "bchadult01_T1w"
    sample, whole = nib.load(sample_path(name)), nib.load(shared_data / "validation" / f"sub-{name}.nii.gz")
    start = np.linalg.solve(whole.affine, sample.affine[:, 3])[:3].round().astype(int)
    window = tuple(slice(a, a + n) for a, n in zip(start, sample.shape, strict=True))
    np.testing.assert_array_equal(np.asarray(sample.dataobj), np.asarray(whole.dataobj)[window])
    np.testing.assert_allclose(sample.affine[:3, :3], whole.affine[:3, :3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(sample.affine[:, 3], whole.affine @ [*start, 1], rtol=0, atol=1e-4)


def test_there_is_a_card_for_training_and_for_validation():
    assert [card.name for card in CARDS] == ["medsr-train-2026", "medsr-train-2026b", "medsr-validation-2026"]


@each_card
def test_a_manifest_is_complete(card):
    rows = manifest(card)
    assert rows
    assert list(rows[0]) == COLUMNS
    assert all(all(row.values()) for row in rows)
    assert all(re.fullmatch("[0-9a-f]{64}", row["sha256"]) for row in rows)
    assert len({row["file"] for row in rows}) == len({row["sha256"] for row in rows}) == len(rows)


@each_card
def test_a_card_names_every_source_and_counts_its_scans(card):
    text = (card / "card.md").read_text(encoding="utf-8")
    rows = manifest(card)
    assert all(f"\n| {row['source']} |" in text for row in rows)
    assert f"| what | {len(rows)} real" in text
    for heading in ("Consent and ethics", "De-identification", "Biases", "must not be used", "Licences", "Maintenance"):
        assert re.search(f"^## .*{heading}", text, re.MULTILINE)


def test_no_subject_is_in_training_and_in_validation():
    *training, validation = ({subject_label(row) for row in manifest(card)} for card in CARDS)
    assert len(training) == 2
    assert not any(train & validation for train in training)


def test_the_next_training_set_holds_the_one_before_as_it_was():
    before, after, _ = (manifest(card) for card in CARDS)
    assert [row for row in after if row["file"] in {row["file"] for row in before}] == before
    assert len(after) == len(before) + 7


@each_card
def test_checksums_are_those_of_the_scans(card, shared_data):
    for row in manifest(card):
        content = (shared_data / row["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"], row["file"]
