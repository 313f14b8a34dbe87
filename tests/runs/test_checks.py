"""Checks and verdicts of finished cases."""

import numpy as np
from phantoms import head

from medsr.batch_settings import Limits
from medsr.outcome import Outcome, Written
from medsr.runs.checks import blind_checks, reference_checks, verdict

FINE = head((16, 18, 12))
DONE = Outcome("0" * 16, "done", written=(Written("x", 1, 1, "0"),), checks={"residual": 1.2, "drift": 0.001})


def test_the_reference_itself_is_perfect_and_another_grid_says_nothing():
    checks = reference_checks(FINE, FINE)
    assert checks["psnr_db"] == float("inf")
    assert abs(checks["ssim"] - 1) < 1e-6
    assert checks["drift"] == 0
    assert reference_checks(FINE, head((16, 18, 6), (1, 1, 2))) == {}


def test_orientation_does_not_matter():
    turned = FINE.with_data(
        np.ascontiguousarray(FINE.data[::-1]),
        FINE.affine @ np.array([[-1, 0, 0, 15], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    )
    assert reference_checks(turned, FINE)["psnr_db"] == float("inf")


def test_drift_is_a_share_of_the_range():
    assert blind_checks(FINE, FINE) == {"drift": 0.0}
    assert blind_checks(FINE, FINE.with_data(FINE.data + 10))["drift"] > 0.005


def test_limits_decide_and_say_why():
    assert verdict(DONE, Limits(residual=1.5)) == DONE
    failed = verdict(DONE, Limits(residual=1.1, drift=0.01, psnr_db=20.0))
    assert (failed.state, failed.kind) == ("failed", "limit")
    assert (
        failed.reason
        == "psnr_db could not be measured: no reference on the result's grid; residual is 1.2; the limit is 1.1"
    )
    assert verdict(failed, Limits(residual=1.5)) == DONE
    outside = Outcome(**{**vars(DONE), "facts": {"envelope": "outside"}})
    assert verdict(outside, Limits(inside=True)).state == "failed"
    assert verdict(outside, Limits()).state == "done"
