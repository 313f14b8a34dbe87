"""Nodules in the lung of a CT: where they lie, how dense they are, and what methods that are known make of them."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine, head
from scipy import ndimage

from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.tasks import TASKS, degrade
from medsr.validation.hallucination import hallucination_tests, restorers
from medsr.validation.lesions import lesion_findings
from medsr.validation.nodules import (
    APART_MM,
    DIAMETERS_MM,
    SOFT_TISSUE_HU,
    choose_nodules,
    nodule_height,
    part_with_lung,
    slice_positions,
)
from medsr.validation.planting import AT_A_SLICE, BETWEEN_SLICES, IN_TISSUE, planted

SPACING = (1.5, 1.5, 1.25)
LUNG_HU = -850


def chest(inside_hu: float = LUNG_HU, smaller: float = 1.0, shift_mm: float = 0.0):
    """A body of soft tissue and fat with two lungs that a vessel runs through, and a spine of bone."""
    shape = (96, 64, 72)
    i, j, k = (np.arange(n) * h - n * h / 2 for n, h in zip(shape, SPACING, strict=True))
    x, y, z = np.meshgrid(i - shift_mm, j, k, indexing="ij")
    data = np.full(shape, -1000.0, np.float32)
    data[(x / 68) ** 2 + (y / 44) ** 2 < 1] = -90
    data[(x / 62) ** 2 + (y / 38) ** 2 < 1] = 40
    for side in (-28, 28):
        radii = np.array([22, 30, 38]) * smaller
        data[((x - side) / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2 < 1] = inside_hu
        data[((x - side) ** 2 + (y - 8) ** 2 < 3**2) & (abs(z) < 36)] = 40
    data[(x**2 + (y + 30) ** 2) < 5**2] = 400
    return head(shape, SPACING, modality="CT").with_data(data, affine(SPACING))


REFERENCE = chest()
PART, LUNG = part_with_lung(REFERENCE, 96)
TASK = TASKS["thick5"]
ACQUISITION = degrade(PART, TASK)[1]
NODULES = choose_nodules(PART, LUNG, ACQUISITION)


def test_there_are_nodules_of_every_size_at_slices_and_between_them():
    assert {nodule.diameter_mm for nodule in NODULES} == {4.0, 6.0, 8.0, 10.0} == set(DIAMETERS_MM)
    assert {nodule.shape for nodule in NODULES} == {AT_A_SLICE, BETWEEN_SLICES}
    assert choose_nodules(PART, LUNG, ACQUISITION) == NODULES
    assert choose_nodules(PART, LUNG, ACQUISITION, seed=1) != NODULES


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("task", ["thick5", "iso2", "gap"])
def test_they_touch_neither_the_chest_wall_nor_a_vessel_nor_each_other(task, seed):
    acquisition = degrade(PART, TASKS[task])[1]
    nodules = choose_nodules(PART, LUNG, acquisition, seed)
    assert nodules
    grown = ndimage.binary_dilation(planted(PART, nodules) > 0)
    np.testing.assert_array_equal(PART.data[grown], LUNG_HU)
    places = np.array([nodule.place for nodule in nodules]) * SPACING
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)[~np.eye(len(places), dtype=bool)]
    assert apart.min(initial=np.inf) > APART_MM - max(SPACING)  # before they were moved along the slices' axis
    assert apart.min(initial=np.inf) > max(DIAMETERS_MM) + 2


@pytest.mark.parametrize("task", ["thick5", "thick3", "iso2"])
def test_their_centres_lie_in_the_middle_of_a_slice_or_midway_between_two(task):
    acquisition = degrade(PART, TASKS[task])[1]
    axis = acquisition.coarsest_axis
    for nodule in choose_nodules(PART, LUNG, acquisition):
        assert nodule.axis == axis
        in_slices = (nodule.place[axis] + 0.5) / acquisition.factors[axis]  # n + 0.5 is the middle of slice n
        assert in_slices % 1 == pytest.approx(0.5 if nodule.shape == AT_A_SLICE else 0.0, abs=1e-9)
    at, between = slice_positions(acquisition).values()
    assert (len(at), len(between)) == (acquisition.coarse_shape[axis], acquisition.coarse_shape[axis] - 1)


def test_they_are_as_dense_as_soft_tissue():
    height = nodule_height(PART, LUNG)
    with_nodules = PART.data + height * planted(PART, NODULES)
    for nodule in NODULES:
        i, j, k = (round(p) for p in nodule.place)
        assert 0 < with_nodules[i, j, k] < 50
    assert LUNG_HU + height == SOFT_TISSUE_HU


@pytest.mark.parametrize(
    "scan",
    [
        pytest.param(chest(-1000), id="gas"),
        pytest.param(chest(-925), id="a bowel that was blown up"),
        pytest.param(chest(40), id="no air"),
        pytest.param(chest(smaller=0.5), id="pockets of 13 ml"),
        pytest.param(head((40, 40, 40), modality="CT"), id="head"),
        pytest.param(head((40, 40, 40)), id="MR"),
    ],
)
def test_a_scan_without_lung_gets_none(scan):
    assert part_with_lung(scan, 96) is None


def test_the_part_is_where_the_most_lung_is():
    scan = chest(shift_mm=12.0)
    part, lung = part_with_lung(scan, 32)
    assert part.shape == lung.shape == (32, 32, 32)
    np.testing.assert_array_equal(part.data[lung], LUNG_HU)
    assert lung.mean() > 0.4
    start = np.linalg.solve(scan.affine, part.affine[:, 3])[:3].round().astype(int)
    np.testing.assert_array_equal(part.data, scan.data[tuple(slice(s, s + 32) for s in start)])


def test_a_size_that_finds_no_room_is_left_out():
    narrow = np.zeros_like(LUNG)
    narrow[:, 20:27] = LUNG[:, 20:27]  # the nearest voxel outside is 6 mm from its middle
    found = choose_nodules(PART, narrow, ACQUISITION)
    assert {nodule.diameter_mm for nodule in found} == {4.0, 6.0}
    assert choose_nodules(PART, np.zeros_like(LUNG), ACQUISITION) == ()


def test_a_perfect_method_recovers_them_and_slices_in_the_middle_show_more_than_slices_to_either_side():
    def found(restore):
        return lesion_findings("any", restore, PART, ACQUISITION, NODULES, 130.0, [875 / 130])

    for one in found(lambda scan: scan.data):
        assert (one.recovered, one.least, one.worse_than_cubic) == (pytest.approx(1, abs=1e-4), one.least, 0)
        assert one.least == pytest.approx(1, abs=1e-4)
    cubic = restorers(None, EnhanceSettings(), ["cubic"])["cubic"]
    shares = {(one.shape, one.diameter_mm): one.recovered for one in found(lambda s: cubic(*degrade(s, TASK)))}
    assert 0.1 < shares[BETWEEN_SLICES, 4.0] < shares[AT_A_SLICE, 4.0] < 0.9
    assert shares[AT_A_SLICE, 4.0] < shares[AT_A_SLICE, 8.0]


def test_the_hallucination_tests_of_a_chest_hold_them_and_those_of_a_head_do_not():
    methods = restorers(None, EnhanceSettings(), ["cubic", "ibp"])
    for tests in hallucination_tests("sub-a_CT", REFERENCE, TASK, methods, contrasts=(0.5,)):
        nodules = [one for one in tests.lesions if one.shape not in IN_TISSUE]
        assert {one.shape for one in nodules} == {AT_A_SLICE, BETWEEN_SLICES}
        assert {one.contrast for one in nodules} == {875 / 130}
        assert {one.method for one in nodules} == {tests.method}
        assert all(0 < one.least <= one.recovered < 1.2 for one in nodules)
    faint = {"faint": lambda scan, acquisition: 0.5 * methods["cubic"](scan, acquisition)}
    (tests,) = hallucination_tests("sub-a_CT", REFERENCE, TASK, faint, contrasts=(0.5,))
    assert all(one.worse_than_cubic == one.n for one in tests.lesions if one.shape not in IN_TISSUE)
    (tests,) = hallucination_tests("sub-b_T1w", head((44, 48, 40)), TASK, {"ibp": methods["ibp"]}, contrasts=(0.5,))
    assert {one.shape for one in tests.lesions} <= set(IN_TISSUE)
