"""A stack in any pose: its adjoint is exact, and a smooth image is sampled where it should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from medsr.physics.ops import AxisSampling, Posed, Separable

TARGET, FINE = (14, 18, 12), (15, 12, 10)
THICK = Separable((None, AxisSampling(12, 4, "trapezoid", 3.3), None))
NOTHING = Separable((None, None, None))
angles = st.floats(-180, 180)


def pose(turn_deg: tuple[float, ...], shift: tuple[float, ...] = (0.3, -1.2, 0.8)) -> NDArray[np.float64]:
    """From voxels of FINE to those of TARGET: a turn about the middle, and a shift in voxels."""
    into = np.eye(4)
    into[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    into[:3, 3] = (np.array(TARGET) - 1) / 2 + shift - into[:3, :3] @ ((np.array(FINE) - 1) / 2)
    return into


def normal(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@settings(deadline=None, max_examples=30)
@given(st.tuples(angles, angles, angles), st.integers(0, 1000))
def test_the_adjoint_is_the_adjoint(turn, seed):
    op = Posed(THICK, pose(turn), TARGET, FINE)
    x, y = normal(TARGET, seed), normal((15, 4, 10), seed + 1)
    torch.testing.assert_close((op(x) * y).sum(), (x * op.adjoint(y)).sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("turn", [(0, 0, 0), (90, 0, 0), (4, -3, 5)])
def test_the_adjoint_is_the_adjoint_in_float32(turn):
    op = Posed(THICK, pose(turn), TARGET, FINE)
    x, y = normal(TARGET, 0, torch.float32), normal((15, 4, 10), 1, torch.float32)
    assert op(x).dtype == op.adjoint(y).dtype == torch.float32
    assert float((op(x) * y).sum()) == pytest.approx(float((x * op.adjoint(y)).sum()), abs=1e-3)


@given(st.tuples(angles, angles, angles))
@settings(deadline=None, max_examples=10)
def test_a_constant_stays_that_constant(turn):
    op = Posed(THICK, pose(turn), TARGET, FINE)
    torch.testing.assert_close(op(torch.full(TARGET, 3.0)), torch.full((15, 4, 10), 3.0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("turn", "error"), [((0, 0, 0), 0.01), ((0, 90, 0), 0.01), ((4, -3, 5), 0.03)])
def test_a_smooth_image_is_sampled_at_its_places(turn, error):
    into = pose(turn)

    def image(places: NDArray[np.float64]) -> NDArray[np.float64]:
        middle = (np.array(TARGET)[:, None, None, None] - 1) / 2
        return np.exp(-np.sum((places - middle) ** 2, axis=0) / 8)

    fine = np.indices(FINE).reshape(3, -1)
    there = image((into[:3, :3] @ fine + into[:3, 3:]).reshape(3, *FINE))
    found = Posed(NOTHING, into, TARGET, FINE)(torch.from_numpy(image(np.indices(TARGET).astype(np.float64))))
    places = into[:3, :3] @ fine + into[:3, 3:]
    covered = np.all((places >= 0) & (places <= np.array(TARGET)[:, None] - 1), axis=0).reshape(FINE)
    assert covered.sum() > 500
    assert np.sqrt(np.mean((found.numpy() - there)[covered] ** 2) / np.mean(there[covered] ** 2)) < error


def test_voxels_that_coincide_are_copied():
    into = np.array([[0, 0, -1, 11], [1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 0, 1.0]])  # axes permuted, one flipped
    x = normal(TARGET, 0)
    found = Posed(NOTHING, into, TARGET, (15, 12, 10))(x)
    torch.testing.assert_close(found, x.permute(1, 2, 0).flip(2)[2:17, :12, 2:12], rtol=0, atol=1e-12)


def test_one_field_of_view_needs_no_interpolation():
    op = Posed(THICK, np.eye(4), FINE, FINE)
    x = normal(FINE, 0)
    torch.testing.assert_close(op(x), THICK(x), rtol=0, atol=1e-12)
