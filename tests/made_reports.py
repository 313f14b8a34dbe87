"""Reports of made-up numbers over a phantom, small enough for tests or as large as a benchmark wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from made_scores import made_score
from phantoms import head

from medsr.enhancement.settings import EnhanceSettings
from medsr.metrics.blobs import FalseLesions
from medsr.metrics.gates import Verdict, judge, parse_gates
from medsr.metrics.prior import PriorPart
from medsr.metrics.tissue import TissueBias
from medsr.physics.tasks import task_named
from medsr.validation.acceptance import acceptance_of
from medsr.validation.claims import SampledStructure, Unclaimed
from medsr.validation.criteria import read_sheet
from medsr.validation.findings import Findings
from medsr.validation.hallucination import HallucinationTests, Stability
from medsr.validation.lesions import LesionFinding, NullLesion
from medsr.validation.patterns import PatternFinding
from medsr.validation.report.page import StudyReport
from medsr.validation.scores import (
    BlendPoint,
    Case,
    Score,
    Shells,
    StructureScore,
    Uncertainty,
    Unmeasured,
    Unsegmented,
)
from medsr.validation.trial import Trial, make_trial, restorations
from medsr.validation.view_files import write_views
from medsr.validation.views import CaseViews, views_of

TASKS = ("iso2", "thick5")
GAINS_DB = {"cubic": -1.4, "ibp": 0.0, "mean": 0.8, "sample": -1.1}
GATES = "psnr>=20, gain_over_ibp>=0.5, median ssim>0.5"
RECORD: dict[str, object] = {"versions": {"medsr": "0.1.0", "python": "3.11"}, "seed": 3, "tasks": list(TASKS)}


def made_trial(shape: Sequence[int] = (40, 48, 36), task: str = "thick5", noise: float = 12.0) -> Trial:
    """A phantom with a little noise under a task."""
    plain = head(shape)
    grain = noise * np.random.default_rng(0).standard_normal(plain.shape).astype(np.float32)
    return make_trial(plain.with_data(plain.data + grain), task_named(task), EnhanceSettings())


def made_views(shape: Sequence[int] = (40, 48, 36), task: str = "thick5") -> CaseViews:
    """Views of cubic, ibp and a mean that lies between ibp and the reference."""
    trial = made_trial(shape, task)
    results = {name: x for name, x, _ in restorations(trial, None, ("cubic", "ibp"), EnhanceSettings())}
    results["mean"] = (0.6 * results["ibp"] + 0.4 * trial.reference.data).astype(np.float32)
    return views_of("phantom", task, trial, results)


def made_report(
    folder: Path,
    scans: Sequence[str] = ("sub-01_T1w", "sub-02_T1w", "sub-03_T2w"),
    tasks: Sequence[str] = TASKS,
    shape: Sequence[int] = (40, 48, 36),
    facts: dict[str, str] | None = None,
    record: dict[str, object] | None = None,
) -> StudyReport:
    """A whole report, every section filled; its views are written into a folder."""
    findings = made_findings(scans, tasks, facts or {"scanner": "A"})
    views = {}
    for task in tasks:
        shown = made_views(shape, task)
        for number, scan in enumerate(scans):
            path = folder / f"{number}_{task}.npz"
            write_views(replace(shown, scan=scan), path)
            views[scan, task] = path
    hallucination = tuple(made_hallucination(scans, tasks))
    acceptance = acceptance_of(read_sheet(()), findings, hallucination)
    return StudyReport(findings, hallucination, made_verdicts(findings), views, record or RECORD, acceptance)


def made_verdicts(findings: Findings) -> tuple[Verdict, ...]:
    """Two gates that pass and one that fails."""
    return judge(parse_gates(GATES), findings.rows())


def made_findings(scans: Sequence[str], tasks: Sequence[str], facts: dict[str, str]) -> Findings:
    """Scores of cases that differ more than methods do."""
    rng = np.random.default_rng(1)
    scores: list[Score] = []
    cases: list[Case] = []
    for number, scan in enumerate(scans):
        for task in tasks:
            level = float(28 + 3 * rng.standard_normal())
            scores += list(_scores(scan, task, level, rng))
            contrast = ("T1w", "T2w")[number % 2]
            known = {**facts, "site": f"site {number % 3}"}
            spacing = (1.0, 1.0, 1.0)
            subject = scan.split("_")[0]
            cases.append(
                Case(scan, task, subject, "MR", contrast, "S", 5.0, spacing, 700.0, 9.0, level + 8, known, "gaussian")
            )
    return Findings(
        tuple(scores),
        {"name": "made-up", "version": "1.0", "sha256": "ab" * 32},
        cases=tuple(cases),
        uncertainties=tuple(u for s in scans for t in tasks for u in _uncertainties(s, t, rng)),
        blend=tuple(
            BlendPoint(s, t, d, 29 - 2 * d, 0.2 + 0.7 * d) for s in scans for t in tasks for d in (0.0, 0.5, 1.0)
        ),
        shells=tuple(_shells(s, t, m) for s in scans for t in tasks for m in GAINS_DB),
        unmeasured=(Unmeasured("sub-09_T1w", "iso4", "2.5 mm is too coarse for this task; choose thick5"),),
        structures=tuple(_structures(scans, tasks)),
        unsegmented=tuple(Unsegmented(s, t, "its contrast is T2w") for s in scans if s.endswith("T2w") for t in tasks),
        sampled=tuple(_sampled(scans, tasks)),
        unclaimed=tuple(Unclaimed(s, t, "its samples are rough") for s in scans[-1:] for t in tasks),
    )


def _structures(scans: Sequence[str], tasks: Sequence[str]) -> Iterator[StructureScore]:
    """Two structures of each T1w head, whose volumes cubic misses by 8 % and the mean by 2 %."""
    for scan in (scan for scan in scans if scan.endswith("T1w")):
        for task in tasks:
            for method, percent in {"cubic": -8.0, "ibp": -5.0, "mean": 2.0}.items():
                for name, ml in {"Caudate": 8.0, "Hippocampus": 9.0}.items():
                    dice = 1 - abs(percent) / 50
                    after = ml * (1 + percent / 100)
                    yield StructureScore(scan, task, method, "head", name, ml, after, percent, dice, 0.4, 1.2)


def _sampled(scans: Sequence[str], tasks: Sequence[str]) -> Iterator[SampledStructure]:
    """The same structures of the mean, with samples that differ by 1 % from it."""
    for one in _structures(scans, tasks):
        if one.method == "mean":
            samples = (0.99 * one.volume_ml, 1.01 * one.volume_ml)
            yield SampledStructure(
                one.scan, one.task, one.part, one.structure, one.reference_ml, one.volume_ml, samples
            )


def made_hallucination(scans: Sequence[str], tasks: Sequence[str]) -> Iterator[HallucinationTests]:
    """Hallucination tests of the first scan."""
    for task in tasks:
        for method in ("cubic", "ibp", "mean"):
            lesions = tuple(
                LesionFinding(method, shape, size, 0.2, 5, size / 9, size / 10, size / 9, size / 8, 0.4, 0.9, 0.5, 2)
                for shape in ("ball", "rod")
                for size in (2.0, 4.0, 8.0)
            )
            yield HallucinationTests(
                scans[0],
                task,
                method,
                lesions,
                (
                    PatternFinding("letter", 7.5, 0.2, 0.3, 0.1, 0.5),
                    PatternFinding("crosses", 7.5, 0.4, 0.3, 0.1, -0.5),
                ),
                (FalseLesions(2.0, 40.0, 300.0), FalseLesions(8.0, 1.0, 20.0)),
                NullLesion(method, 0.8, 0.0),
                PriorPart(0.5, 0.7, 0.2),
                (TissueBias("dark", 100.0, 1.5, 0.95), TissueBias("bright", 300.0, -0.7, 0.97)),
                1,
                40,
                Stability(1.1, 0.01, 0.05, 0.002),
            )


def _scores(scan: str, task: str, level: float, rng: np.random.Generator) -> Iterator[Score]:
    for method, gain in GAINS_DB.items():
        db = level + gain + 0.2 * float(rng.standard_normal())
        ratio = 10 ** (-db / 20)
        yield made_score(
            scan, method, db, task, psnr_interior_db=db + 1 - gain / 2, psnr_surface_db=db - 1,
            ssim=min(0.999, 0.6 + db / 100), nrmse=ratio, mae=700 * ratio, residual=0.9,
            high_frequency_power_ratio=0.4, ms_ssim=0.95, hfen=0.4, gradient_similarity=0.9, fsc50_mm=2.4 - gain / 4,
            fsc14_mm=2.0, error_inside=ratio / 2, error_outside=ratio * 0.8, shift_mm=0.02, comb=0.7,
        )  # fmt: skip


def _uncertainties(scan: str, task: str, rng: np.random.Generator) -> Iterator[Uncertainty]:
    for kind in ("samples", "variance", "white noise"):
        off = 0.02 * float(rng.standard_normal())
        levels = {"50": 0.45 + off, "80": 0.74 + off, "90": 0.85 + off, "95": 0.91 + off}
        after = {"50": 0.5 + off, "80": 0.8 + off, "90": 0.9 + off, "95": 0.95 + off}
        bins = tuple(np.linspace(0.01, 0.1, 10).tolist())
        errors = tuple((1.1 * np.linspace(0.01, 0.1, 10) + off / 10).tolist())
        blocks = 0.4 if kind == "white noise" else 0.88 + off if kind == "samples" else float("nan")
        yield Uncertainty(
            scan, task, kind, levels, after, 0.01, 0.012, 0.8, 0.015, blocks, 0.9, 0.75, 1.1, 0.002, 0.03, 0.033, bins,
            errors, 8,
        )  # fmt: skip


def _shells(scan: str, task: str, method: str) -> Shells:
    frequency = np.linspace(0.02, 0.5, 24)
    knee = 0.15 + 0.05 * GAINS_DB[method]
    curve = 1 / (1 + np.exp((frequency - knee) / 0.03))
    return Shells(scan, task, method, "S", tuple(frequency.tolist()), tuple(curve.tolist()))
