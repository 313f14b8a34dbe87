"""HFEN and gradient similarity against dense convolutions, and on scans whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from phantoms import head
from scipy import ndimage

from medsr.metrics.edges import gradient_similarity, hfen

SHAPE = (24, 26, 22)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def pair() -> tuple[np.ndarray, np.ndarray]:
    reference = head(SHAPE).data.astype(np.float64)
    return reference + 30 * np.random.default_rng(0).standard_normal(SHAPE), reference


def log_kernel() -> np.ndarray:
    """The 15 x 15 x 15 Laplacian of a Gaussian of sigma 1.5, made to sum to zero, as image toolboxes build it."""
    i, j, k = np.mgrid[-7:8, -7:8, -7:8]
    squares = i**2 + j**2 + k**2
    gaussian = np.exp(-squares / (2 * 1.5**2))
    kernel = (squares - 3 * 1.5**2) / 1.5**4 * gaussian / gaussian.sum()
    return kernel - kernel.mean()


def test_hfen_is_that_of_a_dense_kernel():
    x, reference = pair()
    ours, truth = (ndimage.convolve(a, log_kernel(), mode="reflect") for a in (x - reference, reference))
    assert hfen(x, reference, EVERYWHERE) == pytest.approx(np.linalg.norm(ours) / np.linalg.norm(truth), rel=2e-3)


@given(st.floats(0.01, 3), st.floats(-500, 500))
@example(1.0, 500.0)
def test_hfen_of_scaled_detail_is_what_is_missing_and_a_constant_does_not_matter(share, offset):
    _, reference = pair()
    assert hfen(share * reference + offset, reference, EVERYWHERE) == pytest.approx(abs(1 - share), abs=1e-5)


def test_gradient_similarity_is_that_of_dense_prewitt_kernels():
    x, reference = pair()
    step, mean = np.array([-1, 0, 1]), np.ones(3) / 3
    kernels = [np.einsum("i,j,k", *[step if k == axis else mean for k in range(3)]) for axis in range(3)]

    def magnitude(scan: np.ndarray) -> np.ndarray:
        return np.sqrt(sum(ndimage.correlate(scan / 700, kernel, mode="reflect") ** 2 for kernel in kernels))

    a, b = magnitude(x), magnitude(reference)
    expected = np.mean((2 * a * b + 0.0026) / (a * a + b * b + 0.0026))
    assert gradient_similarity(x, reference, EVERYWHERE, 700.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("slope", "expected"), [(1.0, 1.0), (0.5, (0.5 + 0.0026) / (1.25 * 0.25 * 4 + 0.0026)), (0.0, 0.0)]
)
def test_gradient_similarity_of_ramps(slope, expected):
    """Differences over two voxels of a ramp of 0.5 a voxel are 1 and, after scaling, `slope`."""
    ramp = np.broadcast_to(0.5 * np.arange(12.0)[:, None, None], (12, 5, 5))
    inner = np.zeros(ramp.shape, dtype=bool)
    inner[1:-1] = True
    by_hand = (2 * slope + 0.0026) / (1 + slope**2 + 0.0026)
    found = gradient_similarity(slope * ramp, ramp, inner, 1.0)
    assert found == pytest.approx(by_hand)
    assert found == pytest.approx(expected, abs=0.4)


def test_both_look_at_the_mask_alone_and_take_tensors():
    x, reference = pair()
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:8] = True
    elsewhere = x.copy()
    elsewhere[17:] = 1e5
    assert hfen(elsewhere, reference, mask) == pytest.approx(hfen(x, reference, mask))
    tensors = [torch.from_numpy(a) for a in (x, reference)]
    assert gradient_similarity(*tensors, mask, 700.0) == gradient_similarity(elsewhere, reference, mask, 700.0)
