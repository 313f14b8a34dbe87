"""Which figures a report has, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from medsr.metrics.table import HEADLINE
from medsr.report.blocks import Figure
from medsr.validation.findings import Findings
from medsr.validation.report.plots import forest, paired, residual, shells
from medsr.validation.report.uncertainty_plots import blend, blocks, coverage, reliability_curve
from medsr.validation.subjects import Stratum


def figures_of(findings: Findings, strata: Sequence[Stratum]) -> tuple[Figure, ...]:
    """Every figure that these findings have numbers for."""
    found = (
        *(paired(findings, metric) for metric in HEADLINE),
        forest(strata),
        shells(findings.shells),
        blend(findings),
        coverage(findings.uncertainties),
        blocks(findings.uncertainties),
        reliability_curve(findings.uncertainties),
        residual(findings),
    )
    return tuple(figure for figure in found if figure is not None)
