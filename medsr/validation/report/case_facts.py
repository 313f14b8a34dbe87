"""What the page of a case says of it in words."""

from __future__ import annotations

from medsr.validation.findings import Findings


def case_facts(findings: Findings, key: tuple[str, str]) -> dict[str, str]:
    """What is known of a scan under a task, by name; empty where nothing is."""
    case = next((case for case in findings.cases if (case.scan, case.task) == key), None)
    if case is None:
        return {}
    known = {
        "subject": case.subject,
        "modality": case.modality,
        "contrast": case.contrast,
        "degraded axes": case.axes,
        "factor": f"{case.factor:.3g}",
        "spacing": f"{' x '.join(f'{h:.3g}' for h in case.spacing_mm)} mm",
        "profile": case.profile,
        "degraded by": case.degraded_by,
        "range R": f"{case.range:.5g}{unit_of(findings, key)}",
        "noise of the reference": f"{case.reference_noise:.3g}{unit_of(findings, key)}",
        "ceiling": f"{case.ceiling_db:.2f} dB",
        **case.facts,
    }
    return {name: value for name, value in known.items() if value}


def unit_of(findings: Findings, key: tuple[str, str]) -> str:
    """The unit with a space before it for CT, else nothing."""
    return next((" HU" for c in findings.cases if (c.scan, c.task) == key and c.modality == "CT"), "")
