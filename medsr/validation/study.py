"""Validation as a whole: references and real pairs to findings, verdicts and a report; parallel, and resumable.

The one path for the command line, the pipeline and the model card.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from medsr.engine.engines import DEFAULT
from medsr.errors import CasesFailedError, GateError, MedsrError, UsageError
from medsr.io.names import nameless
from medsr.metrics.gates import Verdict, check_gates, judge
from medsr.model.weights_file import model_facts
from medsr.record import NOTICE, Record
from medsr.registration.rigid import check_installed
from medsr.validation.acceptance import Acceptance, acceptance_of, sheet_verdicts
from medsr.validation.convention import PAIR_CONVENTION
from medsr.validation.findings import Findings, Unmeasured, gate_columns
from medsr.validation.hallucination import HallucinationTests
from medsr.validation.measure import PlannedTrial
from medsr.validation.plan import Pair, plan_trials, read_pairs
from medsr.validation.recipe import StudyRecipe
from medsr.validation.report.page import StudyReport, write_report
from medsr.validation.run import WHOLE, Division, Ending, OnEnd, run_here, run_kept
from medsr.validation.store import Part, Parts

__all__ = ["Division", "OnCase", "Pair", "Study", "check_study", "read_pairs", "validate", "write_study"]

OnCase = Callable[[str, str, Findings | str, int, int], None]
"""Called with scan, task, the findings of the case or why it has none, the cases that ended, and all cases."""


@dataclass(frozen=True)
class Study:
    """What came of a validation.

    Attributes:
        findings: Scores of every case that could be measured, and the cases that could not.
        hallucination: Hallucination tests of each scan, task and method; empty where they were not asked for.
        verdicts: Verdicts of the gates.
        acceptance: Acceptance sheet; a gate only where its criteria were given as one.
        reading: Two methods for the page of a blinded reading; empty for none.
        views: File of the views of each scan and task, where there is an output folder.
        record: Account of what was done, with what.
        failures: Reason of each case that failed in this part of the study, with the names of files: for the terminal
            alone.
        left: Number of cases that have not ended, because they belong to other parts; there is no report then.
    """

    findings: Findings
    hallucination: tuple[HallucinationTests, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    acceptance: Acceptance = field(default_factory=Acceptance)
    reading: tuple[str, ...] = ()
    views: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    record: dict[str, object] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    left: int = 0

    def __repr__(self) -> str:
        passed = sum(verdict.passed for verdict in self.verdicts)
        tests, gates = len(self.hallucination), f"{passed} of {len(self.verdicts)}"
        return f"Study({self.findings!r}; hallucination tests: {tests}; gates passed: {gates})"

    def further(self) -> dict[str, object]:
        """What goes into JSON beside the findings."""
        return {
            "hallucination": [one.as_dict() for one in self.hallucination],
            "verdicts": [asdict(one) for one in self.verdicts],
            "acceptance": [asdict(one) for one in self.acceptance.rows],
            "record": self.record,
        }


def validate(
    references: Sequence[str | Path],
    recipe: StudyRecipe,
    folder: Path | None = None,
    *,
    pairs: Sequence[Pair] = (),
    facts: Mapping[str, dict[str, str]] | None = None,
    on_case: OnCase | None = None,
    division: Division = WHOLE,
) -> Study:
    """Measure every reference under every task, and every real pair; what is finished already is not done again.

    Args:
        references: High-resolution scans: NIfTI files, DICOM series, folders of both.
        recipe: Tasks, methods, gates, what else is measured, and the number of worker processes.
        folder: Folder that keeps finished cases and gets the report when all have ended; None keeps nothing.
        pairs: Real pairs of `read_pairs`.
        facts: Entries of a manifest, by name of the scan.
        on_case: Called with each case that ends.
        division: Part of the cases that is worked on, and where; runs on one folder share the work.

    Returns:
        Scores, hallucination tests, verdicts and the record of the run. A case that fails beside others is listed in
        `findings.unmeasured`, and a gate that fails is a verdict; `check_study` turns both into errors.

    Raises:
        MedsrError: the study can't begin, its only case failed, or a gate is on something that is not measured.
    """
    began = time.monotonic()
    check_gates(recipe.limits, gate_columns(recipe.methods))
    sheet = recipe.sheet
    if folder is None and (division.shard is not None or division.engine != DEFAULT):
        raise UsageError("parts of a study and engines of a cluster need a folder that keeps its cases; name one")
    if recipe.stacked or not all(pair.registered for pair in pairs):
        check_installed()
    model = model_facts(recipe.enhance.model) if recipe.needs_model else {}
    sources = [Path(path).absolute() for path in references]  # so that a name in a message is found, and taken out
    leader = recipe.enhance.classifier if recipe.needs_model else None
    weights = model.get("sha256", "") + ("" if leader is None else model_facts(leader)["sha256"])
    planned = plan_trials(sources, recipe, weights, pairs=pairs, facts=facts, without=folder)
    if not planned:
        raise UsageError("no case to measure: no scan, or none that the tasks are meant for")
    ended, n_before = _ended(planned, recipe, model, folder, division, _telling(on_case))
    failed = [(one, came) for one, came in zip(planned, ended, strict=True) if isinstance(came, Exception)]
    if len(planned) == 1 and failed and division.shard is None:
        raise failed[0][1]
    done = [(one, came) for one, came in zip(planned, ended, strict=True) if isinstance(came, Part)]
    n_left = len(planned) - len(done) - len(failed)
    findings = _together(planned, ended, model, recipe)
    hallucination = tuple(tests for _, came in done for tests in came.hallucination)
    acceptance = acceptance_of(sheet, findings, hallucination)
    criteria = sheet_verdicts(acceptance.rows) if sheet.asked else ()
    found = Study(
        findings=findings,
        hallucination=hallucination,
        verdicts=() if n_left else (*_verdicts(findings, recipe), *criteria),
        acceptance=acceptance,
        reading=recipe.reading,
        views={} if folder is None else {(one.scan, one.task.name): Parts(folder).views(one.key) for one, _ in done},
        record={
            "versions": Record.versions_here(),
            "model": model,
            "recipe": recipe.as_dict(),
            "cases": len(planned),
            "failed": len(failed),
            "measured_before": n_before,
            "seconds": round(time.monotonic() - began, 3),
            "notice": NOTICE,
        },
        failures=tuple(f"{one.scan}, {one.task.name}: {_said(came)}" for one, came in failed if division.has(one)),
        left=n_left,
    )
    if folder is not None and not n_left:
        write_study(found, folder)
    return found


def write_study(found: Study, folder: Path) -> Path:
    """Write the report of a study: index.html, a page per case, and the numbers for machines.

    Returns:
        The page to open.

    Raises:
        OutputError: it can't be written.
    """
    return write_report(
        StudyReport(
            *(found.findings, found.hallucination, found.verdicts, found.views, found.record),
            acceptance=found.acceptance,
            reading=found.reading,
        ),
        folder,
    )


def check_study(found: Study, *, whole: bool = True) -> None:
    """Nothing where every case was measured and every gate is kept.

    Args:
        found: The study, or a part of it.
        whole: Whether gates are asked as well; they judge the study, and no part of it.

    Raises:
        GateError: a gate is not kept; this says more than a case that failed.
        CasesFailedError: some cases could not be measured.
    """
    missing = found.failures
    failed = [verdict.gate for verdict in found.verdicts if whole and not verdict.passed]
    without = f"; {len(missing)} cases could not be measured" if missing else ""
    if failed:
        raise GateError(f"{len(failed)} of {len(found.verdicts)} gates failed: {', '.join(failed)}{without}")
    if missing:
        raise CasesFailedError(
            f"{len(missing)} of {found.record['cases']} cases could not be measured, the first {missing[0]}"
        )


def _ended(
    planned: Sequence[PlannedTrial],
    recipe: StudyRecipe,
    model: Mapping[str, str],
    folder: Path | None,
    division: Division,
    on_end: OnEnd,
) -> tuple[Sequence[Ending | None], int]:
    """What came of each case, now or in an earlier run; and how many earlier ones were taken over."""
    if folder is None and not recipe.workers:
        return run_here(planned, recipe, on_end), 0
    with nullcontext(folder) if folder is not None else TemporaryDirectory(prefix="medsr-") as place:
        return run_kept(planned, recipe, model.get("sha256", ""), Path(place), division, on_end)


def _telling(on_case: OnCase | None) -> OnEnd:
    def on_end(one: PlannedTrial, came: Ending, n_ended: int, n_cases: int) -> None:
        if on_case is not None:
            outcome = _said(came) if isinstance(came, Exception) else came.findings
            on_case(one.scan, one.task.name, outcome, n_ended, n_cases)

    return on_end


def _together(
    planned: Sequence[PlannedTrial], ended: Sequence[Ending | None], model: Mapping[str, str], recipe: StudyRecipe
) -> Findings:
    """One set of findings; facts of a manifest are those of this run, whenever a case was measured."""
    cases = list(zip(planned, ended, strict=True))
    findings = Findings.merged([came.findings for _, came in cases if isinstance(came, Part)])
    facts = {one.scan: one.facts for one in planned}
    return replace(
        findings,
        model=dict(model),
        convention=f"{findings.convention} {PAIR_CONVENTION}" if findings.fits else findings.convention,
        seed=recipe.bootstrap_seed,
        cases=tuple(replace(case, facts=facts[case.scan]) for case in findings.cases),
        unmeasured=tuple(
            Unmeasured(one.scan, one.task.name, _reason(one, came))
            for one, came in cases
            if isinstance(came, Exception)
        ),
    )


def _verdicts(findings: Findings, recipe: StudyRecipe) -> tuple[Verdict, ...]:
    if not findings.scores:
        return tuple(Verdict(gate.text, passed=False, checked=0) for gate in recipe.limits)
    return judge(recipe.limits, findings.rows())


def _reason(planned: PlannedTrial, error: Exception) -> str:
    """Why a case failed, without the names of files."""
    return nameless(_said(error), planned.paths)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, MedsrError) else f"an error of medsr ({type(error).__name__}: {error})"
