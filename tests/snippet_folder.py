"""The folder that snippets of the documents run in: small scans under the names that pages use, and tiny weights."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from dicom_phantoms import write_classic
from fusion_stacks import motion, stack, truth, write_series
from phantoms import head
from tiny_models import write_tiny

import medsr
import medsr.samples
import medsr.weights
from medsr.affine import crop
from medsr.physics.tasks import TASKS, degrade

SPACING = (1.0, 1.0, 1.0)
SHAPE = (24, 26, 20)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def make_folder(root: Path) -> Path:
    """`here` with the scans, and beside it the weights: `root`."""
    here = root / "here"
    here.mkdir()
    reference = head(SHAPE, SPACING)
    thick, _ = degrade(reference, TASKS["thick5"])
    medsr.save(reference, here / "reference.nii.gz", dtype="int16")
    medsr.save(thick, here / "scan.nii.gz", dtype="int16")
    for axis, name in enumerate(("sagittal", "coronal", "axial")):
        medsr.save(stack(truth(), axis), here / f"{name}.nii.gz", dtype="int16")
        write_series(here / name, stack(truth(), axis))
    turned = motion(truth(), (4, -6, 10), (1, 0, 1)) @ crop(np.eye(4), (6, 6, 6))
    medsr.save(truth().with_data(truth().data[:36, :36, :36], turned), here / "t1w.nii.gz", dtype="int16")
    for folder, scan in (("references", reference), ("scans", thick)):
        (here / folder).mkdir()
        for number in (1, 2):
            brighter = scan.with_data(scan.data * (1 + number / 10))
            medsr.save(brighter, here / folder / f"sub-0{number}_T1w.nii.gz", dtype="int16")
    (here / "held_out").mkdir()
    for number in (7, 8, 9):
        brighter = reference.with_data(reference.data * (1 + number / 10))
        medsr.save(brighter, here / "held_out" / f"sub-0{number}_T1w.nii.gz", dtype="int16")
    write_classic(here / "series", thick.data.astype(np.int16), thick.affine)
    for name in ("first", "second"):
        write_classic(here / "archive" / name, thick.data.astype(np.int16), thick.affine, prefix=name)
    (here / "low").mkdir()
    low, _ = degrade(reference, TASKS["iso2"])  # a pair shares at least 8 voxels of the low scan along every axis
    for number in (1, 2):
        medsr.save(
            low.with_data(low.data * (1 + number / 10)), here / "low" / f"sub-0{number}_T1w.nii.gz", dtype="int16"
        )
    rows = "".join(f"low/sub-0{n}_T1w.nii.gz\treferences/sub-0{n}_T1w.nii.gz\n" for n in (1, 2))
    (here / "pairs.tsv").write_text(f"low\thigh\n{rows}", encoding="utf-8")
    _write_weights(root / "weights")
    _write_start(root)
    return root


def use_tiny_weights(root: Path, monkeypatch) -> None:
    """Let medsr-base be the tiny weights, and the samples the small scans, here and in processes started from here."""
    monkeypatch.setattr(medsr.weights.__spec__.loader, "path", str(root / "weights" / "__init__.py"))
    code = (
        root / "start",
        Path(__file__).resolve().parents[1],
    )  # this checkout comes first
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, code)))
    small = {"bchadult01_T1w": "reference.nii.gz", "bchadult01_T1w_thick5": "scan.nii.gz"}
    monkeypatch.setattr(
        medsr.samples, "sample_path", lambda name="bchadult01_T1w": root / "here" / small[name], raising=True
    )


def _write_weights(folder: Path) -> None:
    folder.mkdir()
    file = write_tiny(folder / "medsr-base.safetensors")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "medsr-base.sha256").write_text(f"{digest}  {file.name}\n", encoding="utf-8")


def _write_start(root: Path) -> None:
    """A sitecustomize module, which a starting interpreter imports: it points medsr.weights at the tiny ones."""
    (root / "start").mkdir()
    path = str(root / "weights" / "__init__.py")
    text = f"import medsr.weights\n\nmedsr.weights.__spec__.loader.path = {path!r}\n"
    (root / "start" / "sitecustomize.py").write_text(text, encoding="utf-8")
