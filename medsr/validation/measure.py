"""One scan, or one real pair, under one task: measured from files to plain values and views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.leading import led_model
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError
from medsr.io import load
from medsr.io.dicom.reading import read_found
from medsr.io.dicom.triage import triage_files
from medsr.model.weights import Model, load_model
from medsr.physics.tasks import Task
from medsr.validation.anatomy import SEGMENTED_SAMPLES, Anatomy, Samples, anatomy_of, reference_anatomy
from medsr.validation.coverage import measure
from medsr.validation.findings import BlendPoint, Findings, PairFit, Score, Shells
from medsr.validation.hallucination import HallucinationTests, hallucination_tests, restorers
from medsr.validation.methods import COMPARED
from medsr.validation.pairs import pair_trial
from medsr.validation.recipe import StudyRecipe
from medsr.validation.trial import (
    Trial,
    blend_points,
    case_of,
    fault_of_samples,
    make_trial,
    measured,
    named,
    restorations,
    samples_of,
)
from medsr.validation.views import CaseViews, views_of
from medsr.volume import Volume

Results = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class ScanFiles:
    """Where one volume lies.

    Attributes:
        paths: Path of the NIfTI file, or a folder or the files of a DICOM series.
        number: Number of the volume among those of the files, from 1; 0 where they hold one.
    """

    paths: tuple[str, ...]
    number: int = 0


@dataclass(frozen=True)
class PlannedTrial:
    """What a worker needs to know of one case; plain values that travel between processes.

    Attributes:
        key: Hash of everything that decides about its numbers; "" where it can't be measured.
        scan: Name of the reference or the pair in tables and reports.
        task: Task that degrades the reference; of a pair, what the methods assume of the low-resolution scan.
        reference: Files of the high-resolution scan.
        low: Files of the low-resolution scan of a real pair, else None.
        facts: Entries of a manifest.
        error: Reason why it can't be measured, or None.
        registered: Whether the two scans of a real pair are in one patient frame already.
        files: Every file that is read.
        sha256: Hash of their contents.
        voxels: Number of voxels of the reference, 0 where headers do not show it.
    """

    key: str
    scan: str
    task: Task
    reference: ScanFiles
    low: ScanFiles | None
    facts: dict[str, str]
    error: Exception | None = None
    registered: bool = True
    files: tuple[str, ...] = ()
    sha256: str = ""
    voxels: int = 0

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file or folder that is read."""
        return (*self.reference.paths, *(() if self.low is None else self.low.paths))


@dataclass(frozen=True)
class Measured:
    """What came of one case.

    Attributes:
        findings: Findings of this scan and task alone.
        hallucination: Hallucination tests of each method; empty where they were not asked for.
        views: Views for the report.
    """

    findings: Findings
    hallucination: tuple[HallucinationTests, ...]
    views: CaseViews


@dataclass(frozen=True)
class Scans:
    """What is read of one case.

    Attributes:
        reference: High-resolution scan.
        low: Low-resolution scan of a real pair, else None.
    """

    reference: Volume
    low: Volume | None


def measure_trial(planned: PlannedTrial, recipe: StudyRecipe) -> Measured:
    """Read and measure one case; arguments and errors as for `read_scans` and `measure_scans`."""
    return measure_scans(planned, read_scans(planned), recipe)


def read_scans(planned: PlannedTrial) -> Scans:
    """The scans of a case without an error.

    Raises:
        MedsrError: as `io.load`.
    """
    return Scans(_read(planned.reference), None if planned.low is None else _read(planned.low))


def measure_scans(
    planned: PlannedTrial,
    scans: Scans,
    recipe: StudyRecipe,
    on_progress: OnProgress | None = None,
    memory_bytes: int | None = None,
) -> Measured:
    """Degrade or pair, restore by every method, and measure.

    Args:
        planned: Case without an error.
        scans: What was read of it.
        recipe: Methods, model and what else is measured.
        on_progress: Called as the work goes on.
        memory_bytes: Memory that may be used: a larger scan is computed in blocks; None: most of what is free.

    Raises:
        MedsrError: as `make_trial`, `pair_trial`, `load_model`.
    """
    model = _model(recipe.enhance.model, recipe.enhance.device) if recipe.needs_model else None
    settings = replace(recipe.enhance, force=True)  # scans outside the envelope are measured, and the report says so
    model = None if model is None else led_model(model, settings)
    trial, fits = _trial(planned, scans, settings)
    structures = reference_anatomy(trial.reference) if recipe.anatomy else None
    if structures is not None:
        trial = replace(trial, brain=structures.brain)
    scan, task = planned.scan, planned.task.name
    results: Results = {}
    scores: list[Score] = []
    shells: list[Shells] = []
    for method, x, seconds in restorations(trial, model, recipe.methods, settings, on_progress, memory_bytes):
        if on_progress is not None:
            on_progress(method, len(results), len(recipe.methods))
        score, along = measured(trial, scan, task, method, x, seconds)
        scores.append(score)
        shells += along
        results[method] = x
    if not results:
        raise InputError("no method is left to measure; choose one that needs no model, or name a model")
    trust = measure(trial, scan, task, model, settings)[0] if model and recipe.measures_uncertainty else ()
    sampled = _samples(trial, recipe, model, on_progress, memory_bytes)
    anatomy = Anatomy() if structures is None else anatomy_of(trial, structures, scan, task, results, sampled)
    findings = Findings(
        scores=tuple(scores),
        model=named(model),
        cases=(case_of(trial, scan, task, planned.facts),),
        uncertainties=trust,
        blend=_blend(trial, planned, recipe, model, results, on_progress, memory_bytes),
        shells=tuple(shells),
        fits=fits,
        structures=anatomy.structures,
        unsegmented=anatomy.unsegmented,
        sampled=anatomy.sampled,
        unclaimed=anatomy.unclaimed,
    )
    wanted = recipe.hallucination and planned.low is None
    hallucination = _hallucination(planned, scans.reference, recipe, model, on_progress) if wanted else ()
    return Measured(findings, hallucination, views_of(scan, task, trial, results))


@lru_cache(maxsize=1)
def _model(name: str, device: str) -> Model:
    """The model, loaded once in each process."""
    return load_model(name, device)


def _read(files: ScanFiles) -> Volume:
    paths = [Path(path) for path in files.paths]
    if not files.number:
        return load(paths[0])
    scans = read_found(triage_files(paths).volumes[files.number - 1])
    if len(scans) > 1:
        raise InputError(f"{paths[0]}: holds {len(scans)} volumes; expected one")
    return scans[0].volume


def _trial(planned: PlannedTrial, scans: Scans, settings: EnhanceSettings) -> tuple[Trial, tuple[PairFit, ...]]:
    task = planned.task
    if scans.low is None:
        return make_trial(scans.reference, task, settings), ()
    trial, fit = pair_trial(
        scans.low,
        scans.reference,
        planned.scan,
        task.name,
        settings,
        task.assumed_profile or "auto",
        task.assumed_fwhm_mm,
        registered=planned.registered,
    )
    return trial, (fit,)


def _samples(
    trial: Trial,
    recipe: StudyRecipe,
    model: Model | None,
    on_progress: OnProgress | None,
    memory_bytes: int | None,
) -> Samples | None:
    """Posterior samples whose structures are measured, where the uncertainty is asked for."""
    if model is None or not recipe.measures_uncertainty:
        return None
    settings = recipe.enhance
    return Samples(
        fault=lambda: "" if settings.force else fault_of_samples(trial, model, settings),
        computed=samples_of(trial, model, settings, SEGMENTED_SAMPLES, on_progress, memory_bytes),
    )


def _blend(
    trial: Trial,
    planned: PlannedTrial,
    recipe: StudyRecipe,
    model: Model | None,
    results: Results,
    on_progress: OnProgress | None,
    memory_bytes: int | None,
) -> tuple[BlendPoint, ...]:
    """The line from mean to posterior sample; what of both is not there yet is computed."""
    if not recipe.blend or model is None:
        return ()
    whole = replace(recipe.enhance, blend=1.0)
    ends = {name: x for name, x in results.items() if name == "mean" or (name == "sample" and whole == recipe.enhance)}
    missing = [name for name in ("mean", "sample") if name not in ends]
    ends |= {name: x for name, x, _ in restorations(trial, model, missing, whole, on_progress, memory_bytes)}
    return blend_points(trial, planned.scan, planned.task.name, ends["mean"], ends["sample"], recipe.blend)


def _hallucination(
    planned: PlannedTrial,
    reference: Volume,
    recipe: StudyRecipe,
    model: Model | None,
    on_progress: OnProgress | None,
) -> tuple[HallucinationTests, ...]:
    names: Sequence[str] = [name for name in COMPARED if name in recipe.methods]
    methods = restorers(model, replace(recipe.enhance, force=True), names, on_progress)
    return hallucination_tests(planned.scan, reference, planned.task, methods, recipe.enhance.seed)
