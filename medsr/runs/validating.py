"""References to findings, harm and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from medsr.acquisition import Task
from medsr.calibration import measure
from medsr.enhancement import EnhanceSettings
from medsr.errors import GateError
from medsr.findings import Findings, Score, Uncertainty
from medsr.gates import Gate, Verdict, judge
from medsr.harm import METHOD_NAMES, Harm, harm_of, restorers
from medsr.io import load
from medsr.io.bids import scan_name
from medsr.models import Model
from medsr.validation import Trial, validate
from medsr.volume import Volume

MEASURED_BY_DRAWS = ("coverage50", "coverage80", "coverage90", "coverage95", "auroc", "crps")


@dataclass(frozen=True)
class ValidationCase:
    """What to measure.

    Attributes:
        tasks: that every reference is degraded by.
        methods: names out of `medsr.validation.ALL_METHODS`.
        settings: of the learned methods.
        gates: limits to judge by.
        uncertainty: measure the spread; a gate on it does so as well.
        harm: run the tests of `medsr.harm` for those of the methods that it knows.
        facts: of a manifest, by scan.
    """

    tasks: tuple[Task, ...]
    methods: tuple[str, ...]
    settings: EnhanceSettings
    gates: tuple[Gate, ...] = ()
    uncertainty: bool = False
    harm: bool = False
    facts: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def measures_uncertainty(self) -> bool:
        """Whether draws are needed."""
        return self.uncertainty or any(gate.metric in MEASURED_BY_DRAWS for gate in self.gates)


@dataclass(frozen=True)
class Validation:
    """What came of it."""

    findings: Findings
    harms: tuple[Harm, ...]
    verdicts: tuple[Verdict, ...]

    def further(self) -> dict[str, object]:
        """What goes into the JSON beside the findings."""
        return {"harm": [one.as_dict() for one in self.harms], "verdicts": [asdict(one) for one in self.verdicts]}


def validate_files(
    references: Sequence[Path],
    case: ValidationCase,
    model: Model | None,
    on_score: Callable[[Score], None] | None = None,
) -> Validation:
    """Measure every reference and judge.

    Args:
        references: fine scans.
        case: what to measure.
        model: for the learned methods and the uncertainty.
        on_score: called after each score.

    Raises:
        InputError: a scan that can't be read.
        UsageError: an unknown method, a scan too coarse for a task, or a gate on something that is not measured.
    """
    harms: list[Harm] = []

    def scans() -> Iterator[tuple[str, Volume]]:
        for path in references:
            reference, name = load(path), scan_name(path.name)
            yield name, reference
            if case.harm:
                methods = restorers(model, case.settings, [name for name in METHOD_NAMES if name in case.methods])
                for task in case.tasks:
                    harms.extend(harm_of(name, reference, task, methods, case.settings.seed))

    def trust(name: str, task: str, trial: Trial) -> Sequence[Uncertainty]:
        assert model is not None
        return measure(trial, name, task, model, case.settings)[0]

    measured = trust if case.measures_uncertainty and model is not None else None
    findings = validate(
        scans(), case.tasks, model, case.methods, case.settings, on_score, facts=case.facts, measure_trust=measured
    )
    return Validation(findings, tuple(harms), judge(case.gates, findings.rows()))


def check_gates(verdicts: Sequence[Verdict]) -> None:
    """Nothing where every gate is kept.

    Raises:
        GateError: one is not.
    """
    failed = [verdict.gate for verdict in verdicts if not verdict.passed]
    if failed:
        raise GateError(f"{len(failed)} of {len(verdicts)} gates failed: {', '.join(failed)}")
