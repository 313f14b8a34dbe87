"""Held-out scans and weights to the same weights with their calibration inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.io import files, load
from medsr.io.bids import scan_name
from medsr.model.weights import Model
from medsr.physics.tasks import Task
from medsr.training.run import store_weights
from medsr.validation.calibration import CalibrationReport, calibrate, calibrated_weights
from medsr.validation.coverage import CoverageCurve, measure
from medsr.validation.findings import Uncertainty
from medsr.validation.trial import make_trial

OnScan = Callable[[str, str, tuple[Uncertainty, ...]], None]
"""Called with scan, task and what was measured."""


@dataclass(frozen=True)
class CalibrationCase:
    """What to measure.

    Attributes:
        tasks: Tasks that degrade every scan.
        settings: Samples, steps, seed and flips of the posterior.
    """

    tasks: tuple[Task, ...]
    settings: EnhanceSettings


def calibrate_files(
    references: Sequence[Path], target: Path, case: CalibrationCase, model: Model, on_scan: OnScan | None = None
) -> CalibrationReport:
    """Measure held-out scans and write the model's weights with the factors found, and their SHA-256 beside them.

    Args:
        references: High-resolution scans that the model was not trained on, named by subject ("sub-01_T1w.nii.gz").
        target: Weights file to write.
        case: Tasks and settings.
        model: Model to calibrate.
        on_scan: Called after each scan and task.

    Raises:
        InputError: a scan that can't be read.
        OutputError: the file can't be written.
        UsageError: fewer than 3 subjects, a scan too coarse for a task, or another suffix.
    """
    if target.suffix != ".safetensors":
        raise UsageError(f"{target.name}: expected a name ending in .safetensors for the calibrated weights")
    files.check_writable(target)
    curves: list[CoverageCurve] = []
    uncertainties: list[Uncertainty] = []
    for path in references:
        reference = load(path)
        for task in case.tasks:
            trial = make_trial(reference, task, case.settings)
            trust, covered = measure(trial, scan_name(path.name), task.name, model, case.settings)
            uncertainties += trust
            curves += covered
            if on_scan is not None:
                on_scan(scan_name(path.name), task.name, trust)
    report = calibrate(curves, uncertainties, case.settings)
    store_weights(target, calibrated_weights(model, report.calibration))
    return report
