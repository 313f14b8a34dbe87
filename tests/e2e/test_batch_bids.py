"""A BIDS data set becomes a BIDS derivative: asked of the validator itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from dicom_phantoms import SECRET
from phantoms import head
from tiny_models import tiny_model

from medsr import io
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import batch
from medsr.enhancement.settings import EnhanceSettings
from medsr.model.weights import weights_bytes
from medsr.record import Record

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


def test_the_output_is_a_valid_derivative_and_scored_against_its_references(tmp_path: Path) -> None:
    model = tiny_model(silent=True)
    (tmp_path / "tiny.safetensors").write_bytes(weights_bytes(model.net.state_dict(), model.spec))
    source, fine, out = tmp_path / "in", tmp_path / "fine", tmp_path / "out"
    for place in ("sub-01/anat/sub-01_T1w.nii.gz", "sub-02/ses-a/anat/sub-02_ses-a_acq-x_FLAIR.nii.gz"):
        for folder, shape, spacing in ((source, (16, 18, 8), (1.0, 1.0, 2.0)), (fine, (16, 18, 16), (1.0, 1.0, 1.0))):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            io.save(head(shape, spacing), folder / place, dtype="int16")
    (source / "dataset_description.json").write_text('{"Name": "heads", "BIDSVersion": "1.10.0"}')
    acquired = {"EchoTime": 0.03, "InstitutionName": SECRET, "SliceThickness": 2.0}
    (source / "T1w.json").write_text(json.dumps(acquired))
    asked = EnhanceSettings(model=str(tmp_path / "tiny.safetensors"), device="cpu")
    recipe = BatchRecipe(asked, references=fine, gates=("psnr>=5",))
    tally = batch(source, out, recipe)
    assert (tally.done, tally.failed) == (2, 0)
    name = out / "sub-02/ses-a/anat/sub-02_ses-a_acq-x_desc-medsr_FLAIR.nii.gz"
    assert io.load(name).shape == (16, 18, 16)
    assert Record.from_json(name.with_name(f"{name.name}.json").read_text()).model["name"] == "tiny"
    said = json.loads((out / "sub-01/anat/sub-01_desc-medsr_T1w.json").read_text())
    assert said["Sources"] == ["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
    assert said["EchoTime"] == 0.03
    assert {"InstitutionName", "SliceThickness"}.isdisjoint(said)
    described = json.loads((out / "dataset_description.json").read_text())
    assert described["DatasetLinks"] == {"raw": "../in"}
    assert "psnr_db" in (out / "cases.csv").read_text()
    report = subprocess.run([VALIDATOR, out, "--format", "json"], capture_output=True, text=True, check=False)
    issues = json.loads(report.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    strict = replace(recipe, gates=("psnr>=99",))
    before = name.stat().st_mtime_ns
    tally = batch(source, out, strict)
    assert (tally.done, tally.kinds) == (0, {"limit": 2})
    assert name.stat().st_mtime_ns == before
