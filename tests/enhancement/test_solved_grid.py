"""The network's grid is at most five times as fine as the scan, and what lies on it reaches the result unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.estimate import estimate
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.solved_grid import MOST_PER_SLICE, onto_result, solved_grid
from medsr.physics.acquisition import acquisition_of

THICK = head((20, 22, 12), (1.0, 1.0, 8.0))
MODEL = tiny_model()
QUICK = EnhanceSettings(flips=0, noise=2.0, force=True, profile="trapezoid")


def test_a_grid_that_is_not_too_fine_is_solved_as_it_is():
    for factors in ((1, 1, 5), (2, 2, 2), (1, 1, 3.3)):
        acquisition = acquisition_of(THICK, factors=factors)
        solved = solved_grid(acquisition)
        assert solved.op == acquisition.op
        np.testing.assert_array_equal(solved.fine_affine, acquisition.fine_affine)
        assert onto_result(solved, acquisition).axes == (None, None, None)


@pytest.mark.parametrize("factor", [6, 8, 11.1])
def test_a_finer_one_is_solved_at_five_voxels_a_slice_with_the_same_profile_in_mm(factor):
    acquisition = acquisition_of(THICK, factors=(1, 1, factor), profile="trapezoid", thickness_mm=7.0)
    solved = solved_grid(acquisition)
    assert solved.fine_shape == (20, 22, 12 * MOST_PER_SLICE)
    assert solved.op.axes[2].fwhm * solved.fine_spacing_mm[2] == pytest.approx(7.0)
    assert solved.op.axes[2].profile == "trapezoid"
    corner = np.array([-0.5, -0.5, -0.5, 1.0])
    np.testing.assert_allclose(solved.fine_affine @ corner, acquisition.fine_affine @ corner, atol=1e-9)


def test_three_axes_in_k_space_are_solved_at_two_voxels_each():
    cube = head((20, 22, 24), (2.0, 2.0, 2.0))
    assert solved_grid(acquisition_of(cube, factors=(3,), profile="kspace")).fine_shape == (40, 44, 48)
    assert solved_grid(acquisition_of(cube, factors=(3,), profile="gaussian")).fine_shape == (60, 66, 72)
    assert solved_grid(acquisition_of(THICK, factors=(1, 1, 4), profile="kspace")).fine_shape == (20, 22, 48)


def test_what_is_interpolated_stays_in_its_place():
    acquisition = acquisition_of(THICK, factors=(1, 1, 10))
    solved = solved_grid(acquisition)
    along = torch.arange(solved.fine_shape[2], dtype=torch.float64)
    waves = torch.sin(along / 4).expand(1, 1, 20, 22, -1)
    found = onto_result(solved, acquisition).cubic(waves)
    assert tuple(found.shape[2:]) == acquisition.fine_shape
    expected = torch.sin(((torch.arange(120, dtype=torch.float64) + 0.5) / 2 - 0.5) / 4)
    torch.testing.assert_close(found[0, 0, 0, 0, 8:-8], expected[8:-8], atol=2e-3, rtol=0)


def test_the_result_lies_on_the_grid_that_was_asked_for_in_every_field():
    settings = replace(QUICK, factors=(1, 1, 8), mode="uncertainty", samples=2, steps=2)
    result = enhance(THICK, MODEL, settings)
    assert result.volume.shape == result.uncertainty.shape == (20, 22, 96)
    assert result.residual.shape == THICK.shape
    assert result.uncertainty.data.min() >= 0
    assert result.record.task["fine_shape"] == [20, 22, 96]
    coarser = enhance(THICK, MODEL, replace(settings, factors=(1, 1, 5)))
    at_slices = result.volume.data.reshape(20, 22, 12, 8).mean(-1)
    np.testing.assert_allclose(at_slices, coarser.volume.data.reshape(20, 22, 12, 5).mean(-1), atol=12.0)


@pytest.mark.parametrize(("mode", "most"), [("mean", 2.5e-3), ("sample", 2.7e-3)])
def test_a_region_is_the_part_of_the_whole_where_it_lies(mode, most):
    settings = replace(QUICK, factors=(1, 1, 8), mode=mode, steps=2, blend=1.0)
    tall = head((20, 22, 20), (1.0, 1.0, 8.0))
    whole = enhance(tall, MODEL, settings).volume
    part = enhance(tall, MODEL, replace(settings, region=((4, 4, 12), (16, 18, 18)))).volume
    place = tuple(slice(a, b) for a, b in zip((4, 4, 96), (16, 18, 144), strict=True))
    assert part.shape == whole.data[place].shape
    np.testing.assert_allclose(part.data, whole.data[place], atol=most * np.ptp(tall.data))


def test_the_network_sees_no_more_than_its_grid():
    fine, coarse = (
        estimate(acquisition_of(THICK, factors=(1, 1, factor)), "MR", MODEL, QUICK, 1e6) for factor in (10, 5)
    )
    assert fine.shape == coarse.shape == (20, 22, 60)
