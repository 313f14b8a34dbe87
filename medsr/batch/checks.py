"""Checks of a finished case: against a reference as validation does it, or by its records; and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from medsr.batch.outcome import Outcome
from medsr.enhancement.envelope import Level
from medsr.metrics.error import data_range, foreground_mask, mean_drift, psnr
from medsr.metrics.gates import BY_RECORD, BY_REFERENCE, Gate, judge, row_of
from medsr.metrics.parts import parts_of
from medsr.metrics.structure import ssim
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.record import Record
from medsr.volume import Volume

SAME_GRID_MM = 1e-2
NUMBERS = ("residual", "drift", "uncertainty_rms")
WORST_LAST: dict[str, tuple[str, ...]] = {"calibrated": ("yes", "no"), "envelope": get_args(Level)}
NO_REFERENCE = "no reference on the result's grid"
UNMEASURED = {
    "psnr_interior": f"{NO_REFERENCE}, or a body that is nowhere deep enough",
    "psnr": NO_REFERENCE,
    "ssim": NO_REFERENCE,
    "uncertainty_rms": 'only mode "uncertainty" computes it',
}


def blind_checks(records: Sequence[Record]) -> dict[str, float]:
    """The worst residual, drift and uncertainty of a case's volumes, as far as their records hold them."""
    rows = [row_of(record) for record in records]
    found = {name: [value for row in rows if isinstance(value := row[name], float)] for name in NUMBERS}
    return {name: max(values) for name, values in found.items() if values}


def blind_words(records: Sequence[Record]) -> dict[str, str]:
    """Verdict of the envelope and whether the uncertainty is calibrated: the worst of a case's volumes."""
    rows = [row_of(record) for record in records]
    found = {name: [str(row[name]) for row in rows] for name in WORST_LAST}
    return {name: max(found[name], key=order.index) for name, order in WORST_LAST.items()}


def reference_checks(result: Volume, reference: Volume) -> dict[str, float]:
    """PSNR, SSIM and drift in the convention of validation; empty where the reference lies on another grid.

    PSNR of the interior is left out where the body is nowhere deep enough to have one.
    """
    x, y = result.to_ras(), reference.to_ras()
    if x.shape != y.shape or not np.allclose(x.affine, y.affine, atol=SAME_GRID_MM):
        return {}
    mask = foreground_mask(y.data, y.modality)
    R = data_range(y.data, mask, y.modality)
    interior = parts_of(y.data, mask, y.modality, y.spacing_mm.tolist())["interior"]
    inside = {INTERIOR.name: psnr(x.data, y.data, interior, R)} if interior.any() else {}
    return {
        **inside,
        WHOLE.name: psnr(x.data, y.data, mask, R),
        "ssim": ssim(x.data, y.data, mask, R),
        "drift": abs(mean_drift(x.data, y.data, mask)) / R,
    }


def verdict(outcome: Outcome, gates: Sequence[Gate]) -> Outcome:
    """A finished case as done or, where a gate refuses it, as failed; its files stay either way.

    Args:
        outcome: Outcome of the case.
        gates: Gates that judge a single case, from `gates.case_gates`.
    """
    if not outcome.written:
        return outcome
    known = {name: outcome.facts.get(name) for name in BY_RECORD} | outcome.checks
    row = dict.fromkeys((*BY_REFERENCE, *BY_RECORD)) | known
    pairs = zip(gates, judge(gates, [row]), strict=True)
    faults = [_fault(gate, failure.value) for gate, found in pairs for failure in found.failures]
    if not faults:
        return replace(outcome, state="done", kind="", reason="", stage="")
    return replace(outcome, state="failed", kind="limit", reason="; ".join(faults), stage="check")


def _fault(gate: Gate, value: object) -> str:
    if value is not None:
        return f"{gate.text}: it is {value:.4g}" if isinstance(value, float) else f"{gate.text}: it is {value}"
    name = gate.metric.removesuffix("_db")
    return f"{gate.text}: it could not be measured: {UNMEASURED.get(name, 'the record says nothing of it')}"
