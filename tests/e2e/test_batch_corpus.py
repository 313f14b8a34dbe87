"""A hundred broken scans among a hundred good ones: a hundred results, a hundred explanations, exit code 7."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import nibabel as nib
import numpy as np
from batches import leftovers, scans
from dicom_phantoms import write_classic
from phantoms import affine
from tiny_models import tiny_model

from medsr.cli.app import run
from medsr.model.weights import weights_bytes

N = 100


def broken(folder: Path, good: bytes) -> None:
    """Damage of every kind, `N` scans in all."""
    rng = random.Random(0)
    folder.mkdir()
    raw = gzip.decompress(good)
    for number in range(N - 20):
        path = folder / f"{number:03d}.nii.gz"
        cut = rng.randrange(1, len(good) - 1)
        content = [
            lambda cut=cut: good[:cut],
            lambda: b"",
            lambda: rng.randbytes(200),
            lambda: gzip.compress(raw[: len(raw) // 2]),
            lambda: gzip.compress(raw[:40] + b"\xff" * 16 + raw[56:]),  # dimensions
            lambda: gzip.compress(raw[:70] + b"\x80\x00" + raw[72:]),  # colour
            lambda: gzip.compress(raw[:352] + b"\xff" * (len(raw) - 352)),  # not finite
            lambda: gzip.compress(raw[:352] + b"\x00" * (len(raw) - 352)),  # constant
            lambda: gzip.compress(raw[:280] + b"\xff" * 48 + raw[328:]),  # affine: NaN; zeros give way to the qform
            lambda: good[:30] + bytes([good[30] ^ 0xFF]) + good[31:],
        ][number % 10]()
        path.write_bytes(content)
    for number in range(10):
        flat = nib.Nifti1Image(np.zeros((8, 9), np.int16), np.eye(4))
        nib.save(flat, folder / f"flat{number}.nii")
        place = folder / f"series{number}"
        paths = write_classic(
            place, np.arange(384, dtype=np.int16).reshape(8, 8, 6), affine((1, 1, 3)), prefix=str(number)
        )
        paths[1 + number % 4].unlink()


def test_every_good_scan_is_enhanced_and_every_broken_one_explained(tmp_path: Path) -> None:
    model = tiny_model(silent=True)
    (tmp_path / "tiny.safetensors").write_bytes(weights_bytes(model.net.state_dict(), model.spec))
    (tmp_path / "recipe.toml").write_text(
        '[enhance]\nmodel = "tiny.safetensors"\ndevice = "cpu"\nnoise = 2.0\nflips = 0\n'
    )
    source, out = scans(tmp_path / "in" / "good", [f"{number:03d}.nii.gz" for number in range(N)]), tmp_path / "out"
    broken(tmp_path / "in" / "broken", (source / "000.nii.gz").read_bytes())
    assert run(["batch", str(tmp_path / "in"), str(out), str(tmp_path / "recipe.toml"), "--progress", "none"]) == 7
    assert len(list((out / "good").glob("*.nii.gz"))) == N
    assert len([path for path in out.rglob("*.nii*") if "broken" in str(path) and path.suffix != ".json"]) == 0
    with (out / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    failed = [row for row in rows if row["state"] == "failed"]
    assert (len(rows) - len(failed), len(failed)) == (N, N)
    assert all(row["reason"] and row["kind"] in ("unreadable", "geometry") for row in failed)
    assert leftovers(out) == []
