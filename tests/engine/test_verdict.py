"""Verdicts on finished cases."""

from dataclasses import replace

from medsr.engine.outcome import Outcome, Written
from medsr.engine.verdict import verdict
from medsr.metrics.gates import case_gates

DONE = Outcome("0" * 16, "done", written=(Written("x", 1, 1, "0"),), checks={"residual": 1.2, "drift": 0.001})


def judged(outcome, *gates):
    return verdict(outcome, case_gates(gates))


def test_gates_decide_and_say_why():
    assert judged(DONE, "residual<=1.5") == DONE
    failed = judged(DONE, "residual<=1.1, drift<=0.01", "psnr>=20", "uncertainty_rms<=0.1")
    assert (failed.state, failed.kind, failed.stage) == ("failed", "limit", "check")
    assert failed.reason == (
        "residual<=1.1: it is 1.2; psnr>=20: it could not be measured: no reference on the result's grid; "
        'uncertainty_rms<=0.1: it could not be measured: only mode "uncertainty" computes it'
    )
    assert judged(failed, "residual<=1.5") == DONE


def test_the_verdict_of_the_envelope_can_be_asked_for():
    edge = replace(DONE, facts={"envelope": "edge"})
    assert judged(edge, "envelope==inside").reason == "envelope==inside: it is edge"
    assert judged(edge).state == "done"


def test_a_case_without_files_keeps_its_own_failure():
    broken = Outcome("0" * 16, "failed", "unreadable", "no scan")
    assert judged(broken, "residual<=1") == broken
