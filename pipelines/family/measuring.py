"""The rows of the table: the validation of a member and of methods that learn nothing, and medians over scans."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from anatomy_dice import DiceOfCrop
from autoencoder_cost import costs
from crop_results import CropCase
from members import Member

from medsr.enhancement.posterior import evaluations_of
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.model.nets import LatentNet
from medsr.model.weights import load_model
from medsr.physics.tasks import TASKS
from medsr.training.recipe import TrainingRecipe
from medsr.validation.findings import Findings
from medsr.validation.methods import BASELINES, LEARNED
from medsr.validation.recipe import StudyRecipe
from medsr.validation.study import check_study, validate

TASK_NAMES = ("iso2", "thick5")
TIMED = "thick5"
TASKED = tuple(TASKS[name] for name in TASK_NAMES)


@dataclass(frozen=True)
class Crops:
    """What every row is measured on.

    Attributes:
        files: Crops of the scans.
        shown: The one among them that is pictured.
        dice: What measures the Dice on that; None where it is not of a T1w head.
        folder: Folder that keeps what was measured.
    """

    files: tuple[Path, ...]
    shown: Path
    dice: DiceOfCrop | None
    folder: Path

    def case(self, task: str, methods: tuple[str, ...], settings: EnhanceSettings | None = None) -> CropCase:
        """Results for the crop that is shown.

        Args:
            task: Name of the task.
            methods: Methods that are wanted.
            settings: What is asked of those that learn; None where none does.
        """
        return CropCase(self.shown, task, methods, settings or EnhanceSettings(), self.folder / "kept")

    def overlaps(self, case: CropCase) -> dict[str, float | None]:
        """Mean Dice of results for the crop that is shown, by method; none where that is not measured."""
        return {} if self.dice is None else self.dice.of(case)


def member_row(
    member: Member, known: dict[str, TrainingRecipe], crops: Crops, training: list[dict[str, Any]]
) -> dict[str, Any]:
    """Everything that the tables say of a member; what was measured already is not measured again.

    Args:
        member: Member of the family.
        known: All recipes there are, by name.
        crops: What it is measured on.
        training: What came of its training, for each seed.
    """
    settings = member.settings(known)
    recipe = StudyRecipe(tasks=TASKED, methods=("ibp", *LEARNED), uncertainty=True, enhance=settings)
    findings = measured(member.name, crops.files, recipe, crops.folder / member.file_name)
    model = load_model(settings.model, "cpu")
    millions = float(np.prod(load(crops.shown).shape)) / 1e6
    seconds = crops.case(TIMED, LEARNED, settings).seconds()
    row = {
        "name": member.name,
        "recipe": member.recipe,
        "process": model.spec.process,
        "asked": dict(member.asked),
        "classifier": member.classifier,
        "model": findings.model,
        "parameters": sum(value.numel() for value in model.net.state_dict().values()),
        "evaluations": {mode: evaluations_of(replace(settings, mode=mode), model.process) for mode in LEARNED},
        "seconds_per_million_voxels": {method: seconds[method] / millions for method in LEARNED},
        "training": training,
        "tasks": [],
    }
    for task in TASK_NAMES:
        overlap = crops.overlaps(crops.case(task, LEARNED, settings))
        dices = {"dice_mean": overlap.get("mean"), "dice_sample": overlap.get("sample")}
        row["tasks"].append(_medians(findings, task, "mean", "sample") | dices)
    if isinstance(model.net, LatentNet):
        row["autoencoder"] = costs(model.net.autoencoder, crops.files, TASK_NAMES)
    return row


def baseline_rows(crops: Crops) -> list[dict[str, Any]]:
    """The rows of the methods that learn nothing.

    Args:
        crops: What they are measured on.
    """
    findings = measured(
        "baselines", crops.files, StudyRecipe(tasks=TASKED, methods=BASELINES), crops.folder / "baselines"
    )
    rows: list[dict[str, Any]] = [{"name": method, "tasks": []} for method in BASELINES]
    for task in TASK_NAMES:
        overlap = crops.overlaps(crops.case(task, BASELINES))
        for row in rows:
            row["tasks"].append(_medians(findings, task, row["name"]) | {"dice_mean": overlap.get(row["name"])})
    return rows


def measured(name: str, scans: Sequence[Path], recipe: StudyRecipe, folder: Path) -> Findings:
    """The findings of a validation, told case by case as they come; cases that the folder keeps are taken from it.

    Raises:
        MedsrError: as `medsr.validation.study.validate`, or a case that could not be measured.
    """

    def on_case(scan: str, task: str, came: Findings | str, n_ended: int, n_cases: int) -> None:
        failed = f": {came}" if isinstance(came, str) else ""
        print(f"{name} [{n_ended}/{n_cases}] {scan} {task}{failed}", flush=True)

    study = validate(scans, recipe, folder, on_case=on_case)
    check_study(study)
    return study.findings


def gain_over_ibp(findings: Findings, task: str, method: str, part: Any) -> float:
    """Median over the scans of a method's gain over the IBP estimate in a part, in dB; NaN where none has the part."""
    return _median(findings.gain_db(one, "ibp", part) for one in _scores(findings, task, method))


def _medians(findings: Findings, task: str, mean: str, sample: str = "") -> dict[str, Any]:
    """Medians over the scans under one task, of the methods that stand for a mean and for a sample."""
    of_mean, of_sample = _scores(findings, task, mean), _scores(findings, task, sample)
    stated = [one for one in findings.uncertainties if one.task == task and one.method == "samples"]
    return {
        "task": task,
        "scans": len(of_mean),
        "interior_gain_db": gain_over_ibp(findings, task, mean, INTERIOR),
        "mask_gain_db": gain_over_ibp(findings, task, mean, WHOLE),
        "sample_mask_gain_db": gain_over_ibp(findings, task, sample, WHOLE),
        "ssim": _median(one["ssim"] for one in of_mean),
        "residual": _median(one["residual"] for one in of_mean),
        "sample_high_frequency_power_ratio": _median(one["high_frequency_power_ratio"] for one in of_sample),
        "crps": _median(one.crps for one in stated),
        "coverage90_blocks": _median(one.coverage90_blocks for one in stated),
    }


def _scores(findings: Findings, task: str, method: str) -> list[Any]:
    return [one for one in findings.scores if (one.task, one.method) == (task, method)]


def _median(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan
