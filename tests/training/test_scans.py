"""Laws of the scans that patches are cut from."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import head
from small_scans import small_scans

from medsr.training.packs import packed
from medsr.training.scans import COARSER, training_scans

SCANS = training_scans(small_scans())


def test_a_scan_is_also_used_at_coarser_resolutions():
    versions = SCANS[0]
    assert len(versions) == 1 + sum(coarser <= 1.5 for coarser in COARSER[1:])
    for version in versions:
        assert version.data.shape == pytest.approx([n / version.spacing_mm[0] for n in (36, 40, 32)], abs=0.6)
    slices = SCANS[1]
    assert all(version.spacing_mm[2] == 4.0 and version.data.shape[2] == 10 for version in slices)
    assert [versions[0].group for versions in SCANS] == ["MR3", "MR2", "CT"]


def test_patches_lie_in_the_foreground():
    for versions in SCANS:
        for version in versions:
            assert version.shares.sum() == pytest.approx(1)
            assert (version.shares > 0).all()
            assert (version.centres >= 0).all()
    data = np.zeros((48, 48, 48), np.float32)
    data[:16, :16, :16] = 500 + 50 * np.random.default_rng(0).normal(size=(16, 16, 16))
    ((version, *_),) = training_scans([packed(head((48, 48, 48)).with_data(data), "sub-1", "sub-1")])
    assert version.centres.max() < 16 + 8
