"""Checks and verdicts of finished cases."""

from dataclasses import replace

import numpy as np
from phantoms import head

from medsr.batch.checks import blind_checks, blind_words, reference_checks, verdict
from medsr.batch.outcome import Outcome, Written
from medsr.metrics.gates import case_gates
from medsr.record import Record

FINE = head((16, 18, 12))
DONE = Outcome("0" * 16, "done", written=(Written("x", 1, 1, "0"),), checks={"residual": 1.2, "drift": 0.001})


def test_the_reference_itself_is_perfect_and_another_grid_says_nothing():
    checks = reference_checks(FINE, FINE)
    assert checks["psnr_db"] == checks["psnr_interior_db"] == float("inf")
    assert abs(checks["ssim"] - 1) < 1e-6
    assert checks["drift"] == 0
    assert reference_checks(FINE, head((16, 18, 6), (1, 1, 2))) == {}


def test_orientation_does_not_matter():
    turned = FINE.with_data(
        np.ascontiguousarray(FINE.data[::-1]),
        FINE.affine @ np.array([[-1, 0, 0, 15], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    )
    assert reference_checks(turned, FINE)["psnr_db"] == float("inf")


def record(**measured):
    return Record({}, {}, {}, {}, **measured)


def test_of_several_volumes_the_worst_counts_and_drift_either_way():
    first = record(residual=1.0, drift=-0.02, envelope="edge", uncertainty={"calibrated": True})
    second = record(residual=1.2, drift=0.01, envelope="inside", uncertainty={"calibrated": False})
    assert blind_checks([first, second]) == {"residual": 1.2, "drift": 0.02}
    assert blind_words([first, second]) == {"envelope": "edge", "calibrated": "no"}
    assert blind_checks([first, record(uncertainty_rms=0.03)])["uncertainty_rms"] == 0.03


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
