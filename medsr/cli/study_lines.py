"""What `medsr validate` prints: a line for each case that ends, and the study when all have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from medsr.validation.findings import Findings
    from medsr.validation.scores import PairFit
    from medsr.validation.study import Study


def print_case(scan: str, task: str, came: Findings | str, n_ended: int, n_cases: int) -> None:
    """What came of one case, on standard error; arguments as of `medsr.validation.study.OnCase`."""
    if isinstance(came, str):
        typer.echo(f"[{n_ended}/{n_cases}] {scan} {task}: FAILED: {came}", err=True)
        return
    from medsr.metrics.table import INTERIOR
    from medsr.report.text import digits

    levels = ", ".join(f"{score.method} {digits(score[INTERIOR.name], INTERIOR.pattern)}" for score in came.scores)
    typer.echo(f"[{n_ended}/{n_cases}] {scan} {task}: interior {levels} dB", err=True)


def print_study(found: Study) -> None:
    """Tables, hallucination tests, pairs and verdicts on standard output, failures on standard error."""
    from medsr.validation.report import export as tables
    from medsr.validation.report.anatomy import anatomy_text
    from medsr.validation.report.summary import hallucination_text

    typer.echo(tables.text_of(found.findings), nl=False)
    if found.hallucination:
        typer.echo(f"\n{hallucination_text(found.hallucination)}")
    if found.findings.structures or found.findings.unsegmented:
        typer.echo(f"\n{anatomy_text(found.findings)}")
    for fit in found.findings.fits:
        typer.echo(_of_pair(fit))
    for failure in found.failures:
        typer.echo(f"not measured: {failure}", err=True)
    for verdict in found.verdicts:
        typer.echo(str(verdict))


def _of_pair(fit: PairFit) -> str:
    moved = ""
    if fit.was_registered:
        moved = (
            f"high scan moved by {fit.moved_mm:.2f} mm and {fit.moved_deg:.2f} degrees, "
            f"estimated error {fit.registration_error_mm:.2f} mm; "
        )
    return (
        f"{fit.scan}: {moved}low scan times {fit.slope:.4g} plus {fit.offset:.4g}, correlation {fit.correlation:.3f}, "
        f"{fit.shift_mm:.2f} mm off; interpolated along {fit.interpolated or 'no axis'}"
    )
