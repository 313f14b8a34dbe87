"""A scan that was moved is brought back, whatever its contrast and its slices; scans that share nothing are refused."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from medsr.enhancement.region import Box, crop
from medsr.errors import InputError
from medsr.io import load
from medsr.physics.tasks import TASKS, degrade
from medsr.registration.rigid import Rigid, check_installed, register
from medsr.samples import sample_path
from medsr.volume import Volume

SCAN = load(sample_path()).to_ras()
CORNERS = np.array([[i * (n - 1) for i, n in zip(bits, SCAN.shape, strict=True)] + [1] for bits in np.ndindex(2, 2, 2)])
TURN_DEG, SHIFT_MM = (4.0, -2.0, 3.0), (3.0, -4.0, 2.0)


def motion(turn_deg: tuple[float, ...] = TURN_DEG, shift_mm: tuple[float, ...] = SHIFT_MM) -> NDArray[np.float64]:
    """(4, 4): a turn about the middle of the scan, and a shift."""
    matrix = np.eye(4)
    middle = (SCAN.affine @ [*(np.array(SCAN.shape) - 1) / 2, 1])[:3]
    matrix[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    matrix[:3, 3] = middle + shift_mm - matrix[:3, :3] @ middle
    return matrix


def error_mm(found: Rigid, moved: NDArray[np.float64]) -> float:
    """Root mean square distance over the corners of the scan from where they belong."""
    corners = CORNERS @ SCAN.affine.T
    return float(np.sqrt(np.mean(np.sum(((found.matrix @ moved @ corners.T).T - corners)[:, :3] ** 2, axis=1))))


def noisy(scan: Volume, seed: int) -> Volume:
    noise = np.random.default_rng(seed).normal(0, 8, scan.shape)
    return scan.with_data((scan.data + noise).astype(np.float32))


@pytest.fixture(scope="module")
def thick() -> Volume:
    return noisy(degrade(SCAN, TASKS["thick5"], 0)[0], 0)


@pytest.fixture(scope="module")
def found(thick: Volume) -> Rigid:
    return register(thick, replace(noisy(SCAN, 1), affine=motion() @ SCAN.affine))


def test_a_scan_that_was_turned_and_shifted_is_brought_back_to_thick_slices(found: Rigid) -> None:
    moved = motion()
    assert error_mm(found, moved) < 0.3
    assert found.turn_deg == pytest.approx(np.degrees(Rotation.from_matrix(moved[:3, :3]).magnitude()), abs=0.1)
    assert found.shift_mm == pytest.approx(np.linalg.norm(SHIFT_MM), abs=0.3)
    assert 0 < found.error_mm < 0.3
    assert found.error_mm == pytest.approx(error_mm(found, moved), abs=0.05)  # what it says is about what it is


def test_brightness_that_varies_slowly_does_not_pull_a_scan_away(thick: Volume, found: Rigid) -> None:
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in SCAN.shape), indexing="ij")
    uneven = SCAN.with_data((SCAN.data * np.exp(0.25 * (i - j + k**2))).astype(np.float32))
    moved = replace(noisy(uneven, 1), affine=motion() @ SCAN.affine)
    assert error_mm(register(thick, moved), motion()) < error_mm(found, motion()) + 0.2


def test_the_unit_of_a_scan_does_not_matter(thick: Volume, found: Rigid) -> None:
    scaled = replace(thick, data=(0.01 * thick.data).astype(np.float32))
    again = register(scaled, replace(noisy(SCAN, 1), affine=motion() @ SCAN.affine))
    np.testing.assert_allclose(again.matrix, found.matrix, atol=0.02)


def test_the_other_contrast_is_no_obstacle(thick: Volume) -> None:
    moved = motion()
    inverted = SCAN.with_data(np.where(SCAN.data > 100, 900 - SCAN.data, SCAN.data).astype(np.float32))
    assert error_mm(register(thick, replace(noisy(inverted, 1), affine=moved @ SCAN.affine)), moved) < 0.4


def test_a_scan_in_its_place_stays_there(thick: Volume) -> None:
    found = register(thick, SCAN)
    assert error_mm(found, np.eye(4)) < 0.2
    assert found.turn_deg < 0.2


def test_the_same_scans_give_the_same_answer(thick: Volume, found: Rigid) -> None:
    again = register(thick, replace(noisy(SCAN, 1), affine=motion() @ SCAN.affine))
    np.testing.assert_array_equal(again.matrix, found.matrix)
    assert again.error_mm == found.error_mm


def test_the_order_of_the_axes_does_not_matter(thick: Volume) -> None:
    moved = motion()
    turned = Volume(
        np.ascontiguousarray(np.flip(SCAN.data.transpose(2, 0, 1), axis=1)),
        moved @ SCAN.affine @ np.array([[0, -1, 0, SCAN.shape[0] - 1], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]),
    )
    assert error_mm(register(thick, turned), moved) < 0.3


def test_moving_a_scan_changes_its_place_and_not_its_voxels() -> None:
    rigid = Rigid(motion(), 1.0, 1.0, 0.1)
    moved = rigid.moved(SCAN)
    np.testing.assert_array_equal(moved.data, SCAN.data)
    np.testing.assert_allclose(moved.affine, rigid.matrix @ SCAN.affine)


def test_a_slab_within_the_other_scan_is_enough(thick: Volume) -> None:
    """It covers 15 % of the field of view."""
    moved, slab = motion(), crop(noisy(SCAN, 1), Box((0, 0, 55), (*SCAN.shape[:2], 75)))
    found = register(thick, replace(slab, affine=moved @ slab.affine))
    assert error_mm(found, moved) < 1


def test_scans_that_share_too_little_are_refused() -> None:
    far = replace(SCAN, affine=motion((0, 0, 0), (125, 0, 0)) @ SCAN.affine)
    with pytest.raises(InputError, match=r"share \d+% of the smaller field of view; expected at least 20%"):
        register(SCAN, far)


def test_without_simpleitk_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    for call in (check_installed, lambda: register(SCAN, SCAN)):
        with pytest.raises(InputError, match=r'SimpleITK: pip install "medsr\[formats\]"$'):
            call()


def test_a_scan_that_shows_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="shows too little"):
        register(SCAN, SCAN.with_data(np.full(SCAN.shape, 5, np.float32)))
