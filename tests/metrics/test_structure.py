"""SSIM against two independent implementations, and the laws it holds to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics.regression import SSIMMetric, compute_ssim_and_cs
from phantoms import head
from skimage.metrics import structural_similarity

from medsr.metrics.structure import SLAB_PLANES, WINDOW_RADIUS_VOX, ms_ssim, ssim, ssim_map


def pair(shape=(24, 28, 20), seed=0, scale=1.0, offset=0.0) -> tuple[np.ndarray, np.ndarray]:
    reference = scale * head(shape).data.astype(np.float64) / 700 + offset
    return reference + 0.1 * scale * np.random.default_rng(seed).standard_normal(shape), reference


def map_of_scikit_image(x, reference, peak) -> np.ndarray:
    return structural_similarity(
        x, reference, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1]


@pytest.mark.parametrize("shape", [(11, 11, 11), (24, 28, 20), (SLAB_PLANES + 3, 12, 14), (2 * SLAB_PLANES, 11, 13)])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_it_equals_scikit_image_up_to_the_faces(shape, offset):
    x, reference = pair(shape, offset=offset)
    np.testing.assert_allclose(ssim_map(x, reference, 1.0), map_of_scikit_image(x, reference, 1.0), atol=1e-6)


def test_it_equals_scikit_image_for_hounsfield_units_in_float32():
    x, reference = (a.astype(np.float32) for a in pair(scale=2000.0, offset=-1000.0))
    expected = map_of_scikit_image(x.astype(np.float64), reference.astype(np.float64), 2000.0)
    np.testing.assert_allclose(ssim_map(x, reference, 2000.0), expected, atol=1e-6)


def test_it_equals_monai_away_from_the_faces():
    x, reference = pair()
    tensors = [torch.from_numpy(a[None, None].astype(np.float32)) for a in (x, reference)]
    expected = SSIMMetric(3, data_range=1.0, win_size=11, kernel_sigma=1.5)(*tensors).item()
    inner = (slice(WINDOW_RADIUS_VOX, -WINDOW_RADIUS_VOX),) * 3
    mask = np.zeros(x.shape, dtype=bool)
    mask[inner] = True
    assert ssim(x, reference, mask, 1.0) == pytest.approx(expected, abs=1e-4)


@given(st.floats(0.01, 100))
def test_the_unit_goes_out(factor):
    x, reference = pair((12, 13, 14))
    scaled = ssim_map(factor * x, factor * reference, factor)
    np.testing.assert_allclose(scaled, ssim_map(x, reference, 1.0), atol=1e-6)


@settings(max_examples=10)
@given(st.integers(2, 2 * SLAB_PLANES), st.integers(2, 12), st.sampled_from([0, 1, 2]))
def test_mirrored_scans_give_mirrored_maps_at_any_size(n, m, axis):
    x, reference = np.random.default_rng(0).random((2, n, m, 5))
    flipped = ssim_map(np.flip(x, axis), np.flip(reference, axis), 1.0)
    np.testing.assert_allclose(flipped, np.flip(ssim_map(x, reference, 1.0), axis), atol=1e-6)


def test_it_is_symmetric_and_1_for_equal_scans():
    x, reference = pair()
    np.testing.assert_allclose(ssim_map(x, reference, 1.0), ssim_map(reference, x, 1.0), atol=1e-6)
    np.testing.assert_allclose(ssim_map(x, x, 1.0), 1.0, atol=1e-6)


def test_more_noise_is_less_similar():
    x, reference = pair()
    everywhere = np.ones(x.shape, dtype=bool)
    values = [ssim(reference + k * (x - reference), reference, everywhere, 1.0) for k in (0, 0.5, 1, 2)]
    assert values == sorted(values, reverse=True)


def test_only_the_mask_counts():
    x, reference = pair()
    mask = np.zeros(x.shape, dtype=bool)
    mask[3, 4, 5] = True
    assert ssim(x, reference, mask, 1.0) == pytest.approx(float(ssim_map(x, reference, 1.0)[3, 4, 5]))


def test_tensors_are_taken_like_arrays():
    x, reference = pair()
    as_tensors = ssim_map(torch.from_numpy(x), torch.from_numpy(reference), 1.0)
    np.testing.assert_array_equal(as_tensors, ssim_map(x, reference, 1.0))


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        ssim_map(np.zeros((4, 5, 6)), np.zeros((4, 5, 7)), 1.0)


def of_monai(x: np.ndarray, reference: np.ndarray, mask: np.ndarray, n_scales: int) -> float:
    """MS-SSIM of MONAI's maps, on mirrored scans, averaged over masks that are halved with the scans."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:n_scales]
    share, value = mask.astype(np.float32), 1.0
    for scale, weight in enumerate(weights / weights.sum()):
        wide = [torch.from_numpy(np.pad(a, WINDOW_RADIUS_VOX, mode="symmetric"))[None, None] for a in (x, reference)]
        maps = [m[0, 0].numpy()[share >= 0.5] for m in compute_ssim_and_cs(*wide, 3, (11,) * 3, (1.5,) * 3)]
        value *= maps[0 if scale == n_scales - 1 else 1].mean() ** weight
        x, reference, share = (
            a[: n[0] * 2, : n[1] * 2, : n[2] * 2].reshape(n[0], 2, n[1], 2, n[2], 2).mean((1, 3, 5))
            for a in (x, reference, share)
            for n in [[m // 2 for m in a.shape]]
        )
    return float(value)


@pytest.mark.parametrize(("shape", "n_scales"), [((24, 28, 23), 2), ((48, 46, 44), 3), ((21, 30, 30), 1)])
def test_several_scales_equal_those_of_monai(shape, n_scales):
    x, reference = pair(shape)
    mask = reference > 0.1
    expected = of_monai(x.astype(np.float32), reference.astype(np.float32), mask, n_scales)
    assert ms_ssim(x, reference, mask, 1.0) == pytest.approx(expected, abs=1e-4)


def test_at_several_scales_equal_scans_are_1_and_one_scale_is_ssim():
    x, reference = pair((20, 21, 20))
    everywhere = np.ones(x.shape, dtype=bool)
    assert ms_ssim(x, x, everywhere, 1.0) == pytest.approx(1)
    assert ms_ssim(x, reference, everywhere, 1.0) == pytest.approx(ssim(x, reference, everywhere, 1.0))
