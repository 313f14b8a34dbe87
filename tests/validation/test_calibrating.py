"""Held-out scans to calibrated weights, from files to a file."""

from __future__ import annotations

import hashlib

import pytest
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.io import save
from medsr.model.weights import load_model
from medsr.physics.tasks import TASKS
from medsr.validation.calibrating import CalibrationCase, calibrate_files

CASE = CalibrationCase((TASKS["thick5"],), EnhanceSettings(mode="uncertainty", samples=2, steps=2, flips=0))


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held_out")
    for number in range(3):
        save(head((28 + 2 * number, 30, 26)), folder / f"sub-{number}_T1w.nii.gz")
    return sorted(folder.glob("*.nii.gz"))


def test_factors_are_kept_in_the_file_and_its_hash_lies_beside_it(scans, tmp_path):
    target = tmp_path / "new.safetensors"
    seen = []
    report = calibrate_files(scans, target, CASE, tiny_model(), lambda scan, task, _: seen.append((scan, task)))
    assert seen == [(f"sub-{number}_T1w", "thick5") for number in range(3)]
    assert load_model(target, "cpu").spec.calibration == report.calibration
    assert report.calibration.subjects == {"all": 3, "MR, one axis": 3}
    assert {row.subject for row in report.held_out} == {"0", "1", "2"}
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    assert target.with_suffix(".sha256").read_text() == f"{digest}  new.safetensors\n"


@pytest.mark.parametrize(("n", "name", "word"), [(2, "new.safetensors", "at least 3"), (3, "new.bin", "safetensors")])
def test_nothing_is_written_where_it_can_not_be_done(scans, tmp_path, n, name, word):
    with pytest.raises(UsageError, match=word):
        calibrate_files(scans[:n], tmp_path / name, CASE, tiny_model())
    assert not list(tmp_path.iterdir())
