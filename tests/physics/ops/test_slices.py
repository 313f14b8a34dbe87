"""Slices that moved: each is seen where it lay, and the adjoint is exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from medsr.physics.ops import AxisSampling, Posed, PosedSlices, Separable

TARGET, FINE = (14, 18, 12), (15, 12, 10)
IN_PLANE = AxisSampling(15, 10, "gaussian", 1.5)


def place(turn_deg: tuple[float, ...], shift: tuple[float, ...]) -> np.ndarray:
    """(4, 4): a turn about the middle of the target, and a shift, in voxels."""
    middle = (np.array(TARGET) - 1) / 2
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    matrix[:3, 3] = middle + shift - matrix[:3, :3] @ middle
    return matrix


INTO = place((4, -3, 5), (0.3, 1.2, 0.8))
MOVES = [place((1, 2, -2), (0.4, -0.3, 0.6)), place((-2, 0, 1), (-0.5, 0.2, 0.1))]
ACROSS = {
    0: Separable((AxisSampling(15, 5, "trapezoid", 2.7), None, None)),
    1: Separable((IN_PLANE, AxisSampling(12, 4, "gaussian", 3.3), None)),
    2: Separable((None, None, AxisSampling(10, 4, "box", 2.5))),
}


def normal(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("across", ACROSS)
def test_the_adjoint_is_the_adjoint(across):
    op = PosedSlices(Posed(ACROSS[across], INTO, TARGET, FINE), across, [2, 1], MOVES)
    x = normal(TARGET, 0)
    seen = op(x)
    y = normal(tuple(seen.shape), 1)
    torch.testing.assert_close((seen * y).sum(), (x * op.adjoint(y)).sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("across", ACROSS)
def test_a_slice_that_did_not_move_is_that_of_the_stack(across):
    whole = Posed(ACROSS[across], INTO, TARGET, FINE)
    x = normal(TARGET, 2)
    seen = PosedSlices(whole, across, [1, 3], [np.eye(4)] * 2)(x)
    torch.testing.assert_close(seen, whole(x).movedim(across, 0)[[1, 3]], rtol=0, atol=1e-3)


def test_a_slice_that_moved_is_that_of_a_stack_that_moved_as_a_whole():
    whole = Posed(ACROSS[1], INTO, TARGET, FINE)
    x = normal(TARGET, 3)
    seen = PosedSlices(whole, 1, [0, 2], MOVES)(x)
    for found, number, move in zip(seen, (0, 2), MOVES, strict=True):
        expected = Posed(ACROSS[1], move @ INTO, TARGET, FINE)(x)[:, number]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_an_axis_that_is_not_degraded_has_slices_of_one_row():
    whole = Posed(Separable((None, None, None)), INTO, TARGET, FINE)
    x = normal(TARGET, 4)
    seen = PosedSlices(whole, 2, [7], [np.eye(4)])(x)
    torch.testing.assert_close(seen[0], whole(x)[:, :, 7], rtol=0, atol=1e-9)
