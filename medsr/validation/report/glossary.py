"""What each number of a validation is, and what to beware of; docs/reference/metrics.md has the formulas."""

from __future__ import annotations

from medsr.metrics.metric import WHERE, Term
from medsr.metrics.table import COVERAGE, METRICS, UNCERTAINTY_METRICS

CEILING = Term(
    label="ceiling",
    what="PSNR that no method can pass, because the reference's own noise can't be predicted",
    beware="is an estimate: the true one may lie higher",
)
PARTS = Term(
    label=", ".join(WHERE),
    what="; ".join(f"{part}: {place}" for part, place in WHERE.items()),
    beware="the interior of a head holds more than the brain",
)
GLOSSARY: tuple[Term, ...] = (
    *(metric for metric in METRICS if metric.part is None),
    *(PARTS, CEILING, COVERAGE),
    *UNCERTAINTY_METRICS,
)
