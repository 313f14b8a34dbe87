"""Checks of finished cases."""

import numpy as np
from phantoms import head

from medsr.batch.checks import blind_checks, blind_words, reference_checks
from medsr.record import Record

FINE = head((16, 18, 12))


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
