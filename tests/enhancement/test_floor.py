"""Laws of the floor: a mean is raised to the darkest value of its scan, and what was measured stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.floor import floor_of, raised_to
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.whole import Whole
from medsr.physics.acquisition import acquisition_of

SLICES = head((18, 20, 10), (1.0, 1.0, 4.0))
ACQUISITION = acquisition_of(SLICES)
QUICK = EnhanceSettings(flips=0, noise=0.0, profile="trapezoid", force=True)


def undershooting():
    """A sharp block and its back-projection, which falls below the block's surroundings beside the border."""
    op = ACQUISITION.op
    block = torch.zeros(1, 1, *ACQUISITION.fine_shape, dtype=torch.float64)
    block[..., 5:13, 5:15, 12:28] = 1.0
    return op, block, op.ibp(op(block))


def test_what_is_measured_stays_as_it_is():
    op, block, x = undershooting()
    torch.testing.assert_close(op(raised_to(0.0, x, op)), op(block), atol=1e-9, rtol=0)


def test_what_lies_below_the_floor_is_raised_and_the_image_comes_nearer_to_the_truth():
    op, block, x = undershooting()
    raised = raised_to(0.0, x, op)
    assert x.min() < -0.05
    assert raised.min() > 0.4 * x.min()
    assert raised.clamp_max(0).square().sum() < 0.1 * x.clamp_max(0).square().sum()
    assert (raised - block).square().sum() < (x - block).square().sum()


def test_an_image_above_the_floor_is_left_alone():
    op, _, x = undershooting()
    assert torch.equal(raised_to(float(x.min()), x, op), x)


@pytest.mark.parametrize(
    ("modality", "values", "floor"),
    [
        ("MR", (7.0, 900.0), 7.0),
        ("MR", (-3.5, 4.0), -3.5),
        ("CT", (-80.0, 300.0), -1000.0),
        ("CT", (-1024.0, 5.0), -1024.0),
    ],
)
def test_the_floor_is_the_darkest_value_of_the_scan_and_of_ct_no_more_than_air(modality, values, floor):
    data = np.linspace(*values, SLICES.data.size, dtype=np.float32).reshape(SLICES.shape)
    assert floor_of(replace(SLICES, data=data, modality=modality)) == floor


def test_a_part_has_the_floor_of_the_whole():
    whole = Whole.of(SLICES, QUICK, ACQUISITION)
    assert whole.floor == pytest.approx((SLICES.data.min() - whole.scale.low) / whole.scale.width)
    assert replace(whole.at((4, 0, 8)), origin=(0, 0, 0)) == whole


def test_a_region_is_raised_to_the_darkest_voxel_of_the_whole_scan_and_not_to_its_own():
    region = replace(QUICK, region=((6, 6, 4), (14, 16, 10)))
    data = np.array(SLICES.data)
    data[0, 0, 0] = -2000.0
    scans = (SLICES, SLICES.with_data(data))
    raised, free = (enhance(scan, tiny_model(silent=True), region).volume.data.min() for scan in scans)
    assert free < 2 * raised < -4.0


@pytest.mark.parametrize("mode", ["mean", "uncertainty"])
def test_the_mean_is_not_much_darker_than_its_scan_and_still_agrees_with_it(mode):
    op, block, ibp = undershooting()
    scan = SLICES.with_data((100.0 + 500.0 * op(block))[0, 0].numpy().astype(np.float32))
    result = enhance(scan, tiny_model(silent=True), replace(QUICK, mode=mode, samples=2, steps=2), ACQUISITION)
    assert result.volume.data.min() > 100.0 + 0.5 * 500.0 * float(ibp.min())
    assert np.abs(result.residual.data).max() < 0.1
