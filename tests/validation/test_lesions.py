"""Planted lesions: geometry, and recoveries that are known for methods that are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import head

from medsr.metrics.error import foreground_mask
from medsr.physics.tasks import TASKS, degrade
from medsr.validation.lesions import lesion_findings, null_lesion, summarised
from medsr.validation.planting import SHAPES, Lesion, choose_lesions, planted, tissue_contrast

REFERENCE = head((64, 72, 60))
MASK = foreground_mask(REFERENCE.data, "MR")
LESIONS = choose_lesions(REFERENCE, MASK, diameters_mm=(4.0, 8.0), shapes=("ball",))
THICK = TASKS["thick5"]
ACQUISITION = degrade(REFERENCE, THICK)[1]


def perfect(reference):
    return reference.data


def plain_start(reference):
    coarse, acquisition = degrade(reference, THICK)
    return acquisition.op.ibp(torch.from_numpy(np.array(coarse.data))).numpy()


def test_lesions_lie_in_tissue_apart_from_each_other_and_come_in_all_sizes():
    assert len(LESIONS) >= 4
    assert {lesion.diameter_mm for lesion in LESIONS} == {4.0, 8.0}
    places = np.array([lesion.place for lesion in LESIONS])
    assert all(REFERENCE.data[tuple(place)] > 100 for place in places)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert distances[~np.eye(len(places), dtype=bool)].min() > 16
    assert choose_lesions(REFERENCE, MASK, diameters_mm=(4.0, 8.0), shapes=("ball",)) == LESIONS
    assert choose_lesions(REFERENCE, MASK, seed=1, diameters_mm=(4.0, 8.0), shapes=("ball",)) != LESIONS


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.8, 2.0)])
def test_a_ball_has_its_volume_and_its_diameter(spacing):
    volume = head((48, 40, 24), spacing)
    ball = planted(volume, [Lesion((24, 20, 12), 8.0)])
    assert ball.sum() * np.prod(spacing) == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.06)
    assert ball[24, 20, 12] == 1
    assert ball[24 + round(4 / spacing[0]), 20, 12] == pytest.approx(0.5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_the_volume_of_the_ball_and_flat_ones_are_thin_along_the_slices_axis(shape, axis):
    volume = head((40, 40, 40))
    balls = planted(volume, [Lesion((20, 20, 20), 12.0, shape, axis)])
    assert balls.sum() == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.06)
    extents = [np.ptp(np.argwhere(balls >= 0.5)[:, k]) for k in range(3)]
    assert extents == pytest.approx(12 * np.roll(SHAPES[shape], axis), abs=2)


def test_shapes_are_taken_in_turn_after_every_size():
    chosen = choose_lesions(REFERENCE, MASK, diameters_mm=(4.0, 8.0), axis=1)
    assert [lesion.shape for lesion in chosen[:6]] == ["ball", "ball", "disc", "disc", "rod", "rod"][: len(chosen)]
    assert {lesion.axis for lesion in chosen} == {1}
    assert [lesion.place for lesion in chosen] == [lesion.place for lesion in LESIONS]


def test_a_contrast_that_cubic_interpolation_shows_better_counts_as_worse():
    def cubic(reference):
        return ACQUISITION.op.cubic(torch.from_numpy(np.array(degrade(reference, THICK)[0].data))).numpy()

    def faint(reference):
        return 0.5 * cubic(reference)

    for restore, worse in ((cubic, False), (faint, True), (perfect, False)):
        found = lesion_findings("any", restore, REFERENCE, ACQUISITION, LESIONS, 170.0, [-0.5, 0.5])
        assert {one.worse_than_cubic for one in found} == ({one.n for one in found} if worse else {0})
        if restore is cubic:
            assert [one.recovered for one in found] == pytest.approx([one.cubic for one in found], abs=1e-3)


def test_a_summary_counts_every_contrast_and_keeps_the_worst():
    mixed = [*LESIONS[:2], *choose_lesions(REFERENCE, MASK, diameters_mm=(4.0, 8.0), shapes=("rod",))[2:4]]
    found = lesion_findings("ibp", plain_start, REFERENCE, ACQUISITION, mixed, 170.0, [-0.5, 0.2])
    summary = summarised(found)
    assert [(one.shape, one.diameter_mm, one.n) for one in summary] == [
        (shape, size, 2) for shape in ("ball", "rod") for size in (4.0, 8.0)
    ]
    for one in summary:
        same = [f for f in found if (f.shape, f.diameter_mm) == (one.shape, one.diameter_mm)]
        assert one.least == min(f.least for f in same)
        assert min(f.recovered for f in same) <= one.recovered <= max(f.recovered for f in same)


def test_what_a_contrast_of_1_is():
    assert tissue_contrast(REFERENCE, MASK) == pytest.approx(620 - 450, rel=0.35)
    chest = head((40, 40, 40), modality="CT")
    assert tissue_contrast(chest, foreground_mask(chest.data, "CT")) == 130


@pytest.mark.parametrize("contrast", [-0.5, 0.2])
def test_a_perfect_method_recovers_everything(contrast):
    for found in lesion_findings("perfect", perfect, REFERENCE, ACQUISITION, LESIONS, 170.0, [contrast]):
        assert (found.recovered, found.least, found.total) == pytest.approx((1, 1, 1), abs=1e-4)
        assert found.displaced_mm < 1e-3
        assert 0.2 < found.visible < 1.1
        assert found.auroc >= 0.5


def test_strong_lesions_are_found_and_a_method_that_ignores_them_recovers_nothing():
    (strong,) = lesion_findings("perfect", perfect, REFERENCE, ACQUISITION, LESIONS[::2], 5000.0, [1.0])
    assert strong.auroc == 1
    (blind,) = lesion_findings("blind", lambda _: REFERENCE.data, REFERENCE, ACQUISITION, LESIONS[::2], 170.0, [1.0])
    assert (blind.recovered, blind.total, blind.auroc) == (0, 0, 0.5)


def test_a_linear_method_recovers_the_same_share_of_any_contrast():
    found = lesion_findings("ibp", plain_start, REFERENCE, ACQUISITION, LESIONS, 170.0, [-0.5, 0.2])
    dark, bright = ([one for one in found if one.contrast == c] for c in (-0.5, 0.2))
    for a, b in zip(dark, bright, strict=True):
        assert a.recovered == pytest.approx(b.recovered, abs=1e-3)
        assert 0.2 < a.recovered < 1.05
    small, large = dark
    assert small.recovered < large.recovered
    assert small.visible < large.visible


def test_what_the_scanner_can_not_see_changes_no_honest_result():
    honest = null_lesion("ibp", plain_start, REFERENCE, ACQUISITION, LESIONS, 170.0)
    assert abs(honest.response) < 1e-3
    assert 0.3 < honest.measured_share < 1
    assert null_lesion("band_limited", perfect, REFERENCE, ACQUISITION, LESIONS, 170.0).response == pytest.approx(
        1, abs=1e-3
    )
