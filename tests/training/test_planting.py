"""Laws of what is planted in patches: its size, its height, and what it counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medsr.training.degradations import LesionParameters
from medsr.training.planting import LESION_WEIGHT, with_lesions


def test_a_planted_lesion_has_its_size_in_mm_and_its_height():
    x = torch.full((40, 20, 40), 0.5)
    lesion = LesionParameters((0.5, 0.5, 0.5), (8.0, 12.0, 6.0), -0.2, 1.0)
    changed, _ = with_lesions(x, [lesion], (1.0, 2.0, 1.0), (0.5, 1.0, 0.5))
    change = changed - x
    assert change.min() == change[20, 10, 20] == pytest.approx(-0.2)
    assert change.max() == 0
    ellipsoid_mm3 = np.pi / 6 * 8 * 12 * 6
    assert float(change.sum()) * 2 / -0.2 == pytest.approx(ellipsoid_mm3, rel=0.15)
    for axis, (size_mm, h) in enumerate(zip(lesion.axes_mm, (1.0, 2.0, 1.0), strict=True)):
        line = change.movedim(axis, 0)[:, *[n // 2 for i, n in enumerate(x.shape) if i != axis]]
        assert float(line.sum()) * h / -0.2 == pytest.approx(size_mm, abs=h)


def test_no_lesion_is_planted_in_air():
    air = torch.zeros(8, 8, 8)
    lesion = LesionParameters((0.5, 0.5, 0.5), (4.0, 4.0, 4.0), 0.2, 1.0)
    unchanged, weight = with_lesions(air, [lesion], (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    assert torch.equal(unchanged, air)
    assert (weight == 1).all()


def test_voxels_within_half_a_low_resolution_voxel_of_a_lesion_count_more():
    x = torch.full((40, 40, 40), 0.5)
    lesion = LesionParameters((0.5, 0.5, 0.5), (8.0, 8.0, 8.0), 0.2, 1.0)
    changed, weight = with_lesions(x, [lesion], (1.0, 1.0, 1.0), (0.5, 0.5, 2.5))
    assert (weight[changed - x >= 0.1] == LESION_WEIGHT).all()
    counted = weight == LESION_WEIGHT
    assert [int(counted[:, 20, 20].sum()), int(counted[20, :, 20].sum()), int(counted[20, 20, :].sum())] == [9, 9, 13]
