"""The main job on the sample scan, from a scanner that no training scan came from, with the shipped weights."""

from dataclasses import replace

import numpy as np
import pytest

from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load, save
from medsr.physics.tasks import TASKS
from medsr.samples import sample_path
from medsr.validation.findings import Findings
from medsr.validation.recipe import StudyRecipe
from medsr.validation.study import validate
from medsr.volume import Volume

SIDE = 48


@pytest.fixture(scope="module")
def centre() -> Volume:
    scan = load(sample_path()).to_ras()
    starts = [(n - SIDE) // 2 for n in scan.shape]
    i, j, k = (slice(start, start + SIDE) for start in starts)
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ starts
    return replace(scan, data=np.array(scan.data[i, j, k]), affine=affine)


@pytest.fixture(scope="module")
def findings(centre: Volume, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    path = tmp_path_factory.mktemp("reference") / "sample.nii.gz"
    save(centre, path)
    tasks = tuple(TASKS[name] for name in ("iso2", "thick5", "noisy2", "plane2", "gap"))
    quick = EnhanceSettings(device="cpu", flips=0)
    return validate([path], StudyRecipe(tasks, ("cubic", "ibp", "mean"), enhance=quick)).findings


@pytest.mark.parametrize("task", ["iso2", "thick5", "noisy2", "plane2", "gap"])
def test_the_mean_is_never_below_the_ibp_estimate(findings: Findings, task: str) -> None:
    mean = next(s for s in findings.scores if (s.task, s.method) == (task, "mean"))
    assert findings.gain_db(mean, "ibp") > 0
    assert findings.gain_db(mean, "cubic") > 0


def test_the_answer_agrees_with_the_scan_to_within_its_noise(findings: Findings) -> None:
    assert all(s["residual"] < 1.3 for s in findings.scores if s.method == "mean")


def test_the_mean_intensity_stays(findings: Findings, centre: Volume) -> None:
    width = float(centre.data.max() - centre.data.min())
    assert all(abs(s["drift"]) < 2e-3 * width for s in findings.scores if s.method == "mean" and s.task != "noisy2")
