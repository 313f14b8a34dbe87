"""What is expected of the image is in the brightness of the first stack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fusion_stacks import at, stack, truth
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.fusion.grid import Grid
from medsr.fusion.prior import prior_of
from medsr.fusion.stack import UNIT, Stack, covered_by, operator
from medsr.registration.rigid import Rigid

SCAN = truth(24)


def test_the_gain_of_a_stack_holds_for_its_result_and_its_uncertainty():
    pose: Rigid = at(np.eye(4))
    settings = EnhanceSettings(mode="uncertainty", flips=0, force=True)
    alone = enhance(stack(SCAN, 1), tiny_model(silent=True), settings)
    target = Grid(alone.acquisition.fine_shape, alone.acquisition.fine_affine)
    op = operator(alone.acquisition, pose, target)
    even = Stack(alone, pose, UNIT, op, covered_by(op), np.zeros(alone.residual.shape[1], np.bool_))
    ramp = np.broadcast_to(np.linspace(0.8, 1.2, SCAN.shape[0], dtype=np.float32)[:, None, None], alone.residual.shape)
    uneven = replace(even, line=replace(UNIT, gain=ramp))
    expected, found = (prior_of([one], target, 1e-6) for one in (even, uneven))
    for name in ("mean", "deviation", "combined"):
        ratio = getattr(found, name) / getattr(expected, name)
        np.testing.assert_allclose(ratio[2:-2, 2:-2, 2:-2].mean((1, 2)), ramp[2:-2, 0, 0], rtol=1e-3, err_msg=name)
