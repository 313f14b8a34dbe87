"""The verdict on a finished case: what was measured of it against the gates of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from medsr.engine.outcome import Outcome
from medsr.metrics.gates import BY_RECORD, BY_REFERENCE, Gate, judge

NO_REFERENCE = "no reference on the result's grid"
UNMEASURED = {
    "psnr_interior": f"{NO_REFERENCE}, or a body that is nowhere deep enough",
    "psnr": NO_REFERENCE,
    "ssim": NO_REFERENCE,
    "uncertainty_rms": 'only mode "uncertainty" computes it',
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
