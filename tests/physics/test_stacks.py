"""Stacks made of one scan: each is what its task makes of the body where it lay, and the first one lies where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import affine, blank, head
from scipy.spatial.transform import Rotation

from medsr.errors import UsageError
from medsr.physics.stacks import SCALE, SHIFT_MM, TURN_DEG, motion, seen, stacks_of
from medsr.physics.tasks import TASKS, Task, degrade

SCAN = head((40, 44, 36), (1.0, 1.1, 1.2), turn_deg=(10, -5, 20))
PLAIN = Task("thick", thick_mm=4, noise_share=0.02, noise_hu=20)
MOVED = replace(PLAIN, name="moved", stacks=3, moved=True)


def shift_and_turn(pose, scan):
    middle = scan.affine @ [*(np.array(scan.shape) - 1) / 2, 1]
    shift = np.linalg.norm((pose @ middle - middle)[:3])
    return shift, np.degrees(Rotation.from_matrix(pose[:3, :3]).magnitude())


@pytest.mark.parametrize("task", [*TASKS.values(), PLAIN, MOVED], ids=lambda task: task.name)
def test_the_first_stack_is_the_scan_of_the_plain_task(task):
    first = stacks_of(SCAN, task, 3)[0]
    scan, acquisition = degrade(SCAN, replace(task, stacks=1, moved=False), 3)
    np.testing.assert_array_equal(first.scan.data, scan.data)
    assert (first.acquisition.op, first.scan.slice_axis) == (acquisition.op, scan.slice_axis)
    assert (first.pose == np.eye(4)).all()
    assert first.scale == 1


def test_each_stack_lies_across_another_axis_on_the_grid_of_the_reference():
    made = stacks_of(SCAN, MOVED)
    assert [one.scan.slice_axis for one in made] == [2, 1, 0]
    for one in made:
        assert one.acquisition.degraded.index(True) == one.scan.slice_axis
        assert one.acquisition.fine_shape == SCAN.shape
        np.testing.assert_array_equal(one.acquisition.fine_affine, SCAN.affine)
        np.testing.assert_array_equal(one.acquisition.coarse_affine, one.scan.affine)


def test_without_noise_a_stack_is_its_operator_applied_to_what_was_seen():
    for one in stacks_of(SCAN, replace(MOVED, noise_share=0)):
        truth = torch.from_numpy(np.array(seen(SCAN, one.pose, one.scale).data))
        np.testing.assert_array_equal(one.scan.data, one.acquisition.op(truth).numpy())


def test_noise_is_in_the_unit_of_its_stack():
    sigma = 0.02 * np.percentile(SCAN.data, 99)
    for noisy, quiet in zip(stacks_of(SCAN, MOVED), stacks_of(SCAN, replace(MOVED, noise_share=0)), strict=True):
        bright = quiet.scan.data > 300 * quiet.scale
        assert (noisy.scan.data - quiet.scan.data)[bright].std() == pytest.approx(quiet.scale * sigma, rel=0.1)


def test_noise_differs_between_stacks():
    cube = head((36, 36, 36), modality="CT")
    noises = [
        (noisy.scan.data - quiet.scan.data).ravel()
        for noisy, quiet in zip(stacks_of(cube, MOVED), stacks_of(cube, replace(MOVED, noise_hu=0)), strict=True)
    ]
    assert abs(np.corrcoef(noises)[~np.eye(3, dtype=bool)]).max() < 0.1


def test_motions_and_scales_are_drawn_from_the_seed_within_their_limits():
    drawn = [stacks_of(SCAN, replace(MOVED, noise_share=0), seed)[1:] for seed in range(6)]
    for one in (one for made in drawn for one in made):
        shift, turn = shift_and_turn(one.pose, SCAN)
        assert SHIFT_MM / 2 <= shift <= SHIFT_MM
        assert TURN_DEG / 2 <= turn <= TURN_DEG
        assert SCALE**0.5 <= max(one.scale, 1 / one.scale) <= SCALE
    assert len({one.pose.tobytes() for made in drawn for one in made}) == 12
    assert {one.scale > 1 for made in drawn for one in made} == {True, False}
    again = stacks_of(SCAN, MOVED, 2)
    for one, other in zip(again, stacks_of(SCAN, replace(MOVED, stacks=2), 2), strict=False):
        np.testing.assert_array_equal(one.scan.data, other.scan.data)
        np.testing.assert_array_equal(one.pose, other.pose)


def test_stacks_that_are_not_moved_lie_where_the_reference_does():
    made = stacks_of(SCAN, replace(MOVED, moved=False))
    assert all((one.pose == np.eye(4)).all() and one.scale == 1 for one in made)


def test_ct_keeps_its_units():
    assert {one.scale for one in stacks_of(head((30, 30, 30), modality="CT"), MOVED)} == {1.0}


def test_a_pose_takes_a_place_in_the_stack_to_the_one_in_the_reference():
    """A scan whose voxels hold their own place: cubic splines keep straight lines."""
    scan = blank((30, 32, 34), affine((1.0, 1.2, 0.9), turn_deg=(20, 0, -10), origin_mm=(5, -40, 12)))
    places = np.einsum(
        "ab,bijk->aijk", scan.affine, np.concatenate([np.indices(scan.shape), np.ones((1, *scan.shape))])
    )
    pose = motion(scan, np.random.default_rng(1), 2.0, 2.0)
    inside = (slice(10, -10),) * 3
    for axis in range(3):
        found = seen(scan.with_data(places[axis].astype(np.float32)), pose, 2.0).data
        expected = 2 * np.einsum("b,bijk->ijk", pose[axis], places)
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-3)


def test_a_scan_that_is_coarse_along_an_axis_has_one_stack_only():
    thick = head((40, 44, 12), (1.0, 1.0, 3.0))
    assert len(stacks_of(thick, PLAIN)) == 1
    for n_stacks in (2, 3):
        with pytest.raises(UsageError, match=r"fine along every axis; this one has 1 x 1 x 3 mm"):
            stacks_of(thick, replace(MOVED, stacks=n_stacks))
    with pytest.raises(UsageError, match="needs slices finer than 4 mm; this one has 5 mm"):
        stacks_of(head((20, 20, 20), (4.0, 5.0, 3.5)), replace(MOVED, stacks=2))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"thick_mm": 4, "stacks": 0}, "has 0 stacks; expected 1 to 3"),
        ({"thick_mm": 4, "stacks": 4}, "has 4 stacks; expected 1 to 3"),
        ({"factor": 2, "stacks": 2}, "give the thickness of slices as thick_mm"),
        ({"thick_mm": 4, "moved": True}, "ask for stacks = 2 or 3"),
    ],
)
def test_a_task_without_a_meaning_is_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        Task("mine", **wrong)
