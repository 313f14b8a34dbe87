"""Stages of a cascade in training: what their references are, and where the patch lies in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import head
from small_scans import small_scans

from medsr.enhancement.cascade import stages_of
from medsr.physics.ops import AxisSampling, Separable
from medsr.physics.tasks import Task, degrade
from medsr.training.batches import make_batch
from medsr.training.extras import Extras
from medsr.training.scans import training_scans
from medsr.training.stages import COARSER, NO_STAGE, Stage, coarsened, sample_stage

ISOTROPIC = next(scan for versions in training_scans(small_scans()) for scan in versions if all(scan.degradable))
X = torch.rand(20, 24, 18, generator=torch.Generator().manual_seed(0))
PLACE = (slice(3, 15), slice(4, 20), slice(2, 14))


def test_a_reference_is_what_a_gaussian_as_wide_as_its_voxels_acquires():
    x, inner = coarsened(X, PLACE, Stage(1, 4))
    acquired = Separable((None, AxisSampling(24, 6, "gaussian", 4.0), None))(X[None, None])[0, 0]
    torch.testing.assert_close(x, acquired)
    assert inner == (PLACE[0], slice(1, 5), PLACE[2])  # the same part of the body


def test_the_last_stage_is_the_scan_itself():
    x, inner = coarsened(X, PLACE, NO_STAGE)
    assert x is X
    assert inner == PLACE
    assert NO_STAGE.spacing_mm((1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)


def test_a_place_that_starts_within_a_voxel_of_the_stage_keeps_its_size():
    place = (slice(3, 15), slice(5, 21), slice(2, 14))
    _, inner = coarsened(X, place, Stage(1, 4))
    assert inner[1] == slice(1, 5)


@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 12, 8)])
def test_patches_are_stages_on_grids_of_one_two_and_four_times_the_spacing(shape):
    """Numbers of each axis: log2 of the factor, width, log2 of the spacing; the coarser axis is the one refined."""
    ratios = set()
    for step in range(12):
        batch = make_batch([[ISOTROPIC]], (3, step), 4, shape, 1.0, Extras(stages=1.0))
        assert sorted(batch.detail.shape[-3:]) == sorted(shape)
        assert torch.isfinite(batch.detail).all()
        for numbers in batch.scan[:, :9].reshape(4, 3, 3):
            refined = numbers[:, 0] > 0
            assert refined.sum() == 1
            assert 1.05 < 2 ** float(numbers[refined, 0]) < 2.4
            scan_mm = ISOTROPIC.spacing_mm[0]
            assert numbers[~refined, 2].tolist() == pytest.approx([np.log2(scan_mm)] * 2, abs=1e-6)
            ratios.add(round(2 ** float(numbers[refined, 2]) / scan_mm, 4))
    assert ratios == set(COARSER)


def test_a_share_of_the_patches_are_stages():
    batches = [make_batch([[ISOTROPIC]], (3, step), 8, (16, 16, 16), 1.0, Extras(stages=0.5)) for step in range(12)]
    spacings = torch.cat([batch.scan[:, :9].reshape(-1, 3, 3)[:, :, 2] for batch in batches])
    coarser = (spacings.amax(1) > spacings.amin(1) + 0.5).float().mean()
    assert coarser == pytest.approx(0.5 * 2 / 3, abs=0.12)  # one stage in three is on the grid of the scan


def test_stages_lie_along_axes_that_may_be_degraded():
    found = [sample_stage(np.random.default_rng(seed), (True, False, True)) for seed in range(200)]
    assert {stage.axis for stage in found} == {0, 2}
    assert {stage.coarser for stage in found} == set(COARSER)


def test_a_cascade_of_factor_eight_has_the_grids_that_are_trained():
    reference = head((24, 24, 64))
    _, acquisition = degrade(reference, Task("thick8", thick_mm=8))
    grids = [stage.fine_shape[2] for stage in stages_of(acquisition)]
    assert [64 / n for n in grids] == sorted(COARSER, reverse=True)
