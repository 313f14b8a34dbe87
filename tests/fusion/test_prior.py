"""What is expected of the image is in the brightness of the first stack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fusion_stacks import at, stack, truth
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.fusion.grid import Grid
from medsr.fusion.prior import AGREEMENT, prior_of
from medsr.fusion.stack import UNIT, Stack, covered_by, operator
from medsr.registration.rigid import Rigid

SCAN = truth(24)


def alone_on_its_grid() -> tuple[Stack, Grid]:
    """A stack in its place, and the grid of its result."""
    settings = EnhanceSettings(mode="uncertainty", flips=0, force=True)
    alone = enhance(stack(SCAN, 1), tiny_model(silent=True), settings)
    target = Grid(alone.acquisition.fine_shape, alone.acquisition.fine_affine)
    pose: Rigid = at(np.eye(4))
    op = operator(alone.acquisition, pose, target)
    return Stack(alone, pose, UNIT, op, covered_by(op), np.zeros(alone.residual.shape[1], np.bool_)), target


def test_stacks_that_agree_leave_less_open_but_not_as_if_their_errors_were_independent():
    one, target = alone_on_its_grid()
    whole = prior_of([one], target, 1e-6)
    middle = (slice(4, -4),) * 3
    for count in (2, 3):
        found = prior_of([one] * count, target, 1e-6)
        np.testing.assert_allclose(found.deviation[middle], whole.deviation[middle], rtol=1e-3)
        share = (found.combined / whole.combined)[middle]
        assert count**-0.5 < share.min() <= share.max() < 1
        np.testing.assert_allclose(share, count**-AGREEMENT, rtol=2e-3)


def test_a_stack_that_is_alone_counts_fully_up_to_its_faces_and_not_beyond():
    one, target = alone_on_its_grid()
    expected = prior_of([one], target, 1e-6)
    wide, inner = target.widened(3.0)
    assert wide.shape == tuple(n + 6 for n in target.shape)
    np.testing.assert_allclose(wide.affine @ [3, 3, 3, 1], target.affine @ [0, 0, 0, 1])
    beyond = replace(one, op=operator(one.alone.acquisition, one.pose, wide))
    found = prior_of([beyond], wide, 50.0)
    for name in ("mean", "deviation", "combined"):
        np.testing.assert_allclose(
            getattr(found, name)[inner], getattr(expected, name) + 0.05 * (name != "mean"), rtol=2e-3, err_msg=name
        )
    assert found.shown[inner].all()
    assert found.shown.sum() == np.prod(target.shape)
    np.testing.assert_array_equal(found.mean[:3], np.broadcast_to(found.mean[3], found.mean[:3].shape))
    assert found.combined[~found.shown].unique().tolist() == [50.0]


def test_the_gain_of_a_stack_holds_for_its_result_and_its_uncertainty():
    even, target = alone_on_its_grid()
    ramp = np.broadcast_to(
        np.linspace(0.8, 1.2, SCAN.shape[0], dtype=np.float32)[:, None, None], even.alone.residual.shape
    )
    uneven = replace(even, line=replace(UNIT, gain=ramp))
    expected, found = (prior_of([one], target, 1e-6) for one in (even, uneven))
    for name in ("mean", "deviation", "combined"):
        ratio = getattr(found, name) / getattr(expected, name)
        np.testing.assert_allclose(ratio[2:-2, 2:-2, 2:-2].mean((1, 2)), ramp[2:-2, 0, 0], rtol=1e-3, err_msg=name)
