"""What each number of a validation is, and what to beware of; docs/reference/metrics.md has the formulas."""

from __future__ import annotations

from medsr.metrics.table import COVERAGE, METRICS, UNCERTAINTY_METRICS, Term

CEILING = Term(
    label="ceiling",
    what="PSNR that no method can pass, because the reference's own noise can't be predicted",
    beware="is an estimate: the true one may lie higher",
)
GLOSSARY: tuple[Term, ...] = (*METRICS, CEILING, COVERAGE, *UNCERTAINTY_METRICS)
