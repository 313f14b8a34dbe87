"""Noise that was added is found again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import head

from medsr.physics import noise_level
from medsr.physics.ops import AxisSampling, Separable
from medsr.physics.ops.noise import add_gaussian, add_rician


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def estimate_sigma(y: torch.Tensor, axes: tuple[int, ...] = (-3, -2, -1)) -> float:
    return noise_level.estimate_sigma(y.numpy(), axes)


def estimate_sigma_of_slices(y: torch.Tensor, axes: tuple[int, ...], acquired_apart: bool = True) -> float:
    return noise_level.estimate_sigma_of_slices(y.numpy(), axes, acquired_apart=acquired_apart)


def smooth_phantom(shape: tuple[int, ...]) -> torch.Tensor:
    """Waves as long as the field of view, between 0 and 1."""
    waves = [torch.sin(torch.linspace(0, torch.pi, n, dtype=torch.float64)) for n in shape]
    return waves[0][:, None, None] * waves[1][:, None] * waves[2]


@settings(max_examples=15)
@given(st.tuples(*[st.integers(20, 60)] * 3), st.floats(0.005, 0.2), st.integers(0, 2**31))
def test_noise_on_a_smooth_phantom_is_found(shape, sigma, seed):
    y = add_gaussian(smooth_phantom(shape), sigma, seeded(seed))
    assert estimate_sigma(y) == pytest.approx(sigma, rel=0.35 if min(shape) < 30 else 0.15)


@pytest.mark.parametrize("axes", [(-3, -2, -1), (-3, -2), (-2, -1), (0, 2), (-1,)])
def test_it_is_found_along_any_axes(axes):
    y = add_gaussian(smooth_phantom((40, 50, 60)), 0.05, seeded())
    assert estimate_sigma(y, axes) == pytest.approx(0.05, rel=0.05)


def test_white_noise_is_estimated_without_bias():
    estimates = [estimate_sigma(5 + torch.randn(60, 60, 60, generator=seeded(seed))) for seed in range(4)]
    assert sum(estimates) / 4 == pytest.approx(1, rel=0.03)


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_the_unit_goes_through(factor, offset):
    y = add_gaussian(smooth_phantom((24, 24, 24)), 0.05, seeded())
    assert estimate_sigma(factor * y + offset) == pytest.approx(factor * estimate_sigma(y), rel=1e-3)


@pytest.mark.parametrize("modality", ["MR", "CT"])
@pytest.mark.parametrize("sigma", [10.0, 30.0])
def test_anatomy_makes_it_an_upper_bound_but_a_close_one(modality, sigma):
    x = torch.from_numpy(head((80, 96, 72), modality=modality).data.copy())
    op = Separable(tuple(AxisSampling(n, n // 2, "gaussian", 2.0) for n in x.shape))
    add = add_rician if modality == "MR" else add_gaussian
    assert 0.95 * sigma <= estimate_sigma(add(op(x), sigma, seeded())) <= 1.3 * sigma


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_without_noise_it_is_small(modality):
    x = torch.from_numpy(head((80, 96, 72), modality=modality).data.copy())
    op = Separable(tuple(AxisSampling(n, n // 2, "gaussian", 2.0) for n in x.shape))
    assert estimate_sigma(op(x)) < 0.01 * float(x.max() - x.min())


def test_a_background_set_to_zero_does_not_hide_the_noise():
    x = torch.from_numpy(head((60, 60, 60)).data.copy())
    y = torch.where(x > 100, add_rician(x, 20.0, seeded()), 0.0)
    assert estimate_sigma(y) == pytest.approx(20, rel=0.2)


def test_slices_that_differ_are_not_noise_when_their_axis_is_left_out():
    y = add_gaussian(smooth_phantom((40, 60, 60)), 0.02, seeded())
    y = y + torch.randn(40, 1, 1, dtype=y.dtype, generator=seeded(1))
    assert estimate_sigma(y, (-2, -1)) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("shape", [(2, 2, 2), (8, 8, 8), (3, 40, 2)])
def test_too_little_tissue_gives_zero_or_a_number(shape):
    value = estimate_sigma(torch.randn(shape, generator=seeded()))
    assert 0 <= value < 2


def test_slices_of_one_row_hold_nothing_to_average():
    y = torch.randn((1, 50, 50), generator=seeded())
    assert estimate_sigma_of_slices(y, (0, 1)) == estimate_sigma(y, (0, 1))


def test_a_constant_scan_holds_no_noise():
    assert estimate_sigma(torch.full((30, 30, 30), 7.0)) == 0.0


def along_plane(noise, weights):
    """Noise filtered along the first two axes, with the standard deviation that it had."""
    for dim in (0, 1):
        noise = sum(w * noise.roll(shift, dim) for shift, w in enumerate(weights))
    return noise / noise.std()


def test_noise_that_is_correlated_in_the_plane_of_slices_is_found():
    for weights, least in (((1.0, 1.0), 0.027), ((1.0, 2.0, 1.0), 0.017)):
        noise = along_plane(torch.randn((80, 80, 16), generator=seeded(), dtype=torch.float64), weights)
        y = 1 + smooth_phantom((80, 80, 16)) + 0.05 * noise
        white, total = estimate_sigma(y, (0, 1)), estimate_sigma_of_slices(y, (0, 1))
        assert 1.4 * white < total
        assert least < total < 0.055


def texture(shared: float, shape: tuple[int, int, int] = (96, 96, 24)) -> torch.Tensor:
    """Detail of pairs of voxels in the plane, of which each slice shares a part with the one before."""
    one = torch.randn(shape, generator=seeded(), dtype=torch.float64)
    for k in range(1, shape[2]):
        one[..., k] = shared * one[..., k - 1] + (1 - shared**2) ** 0.5 * one[..., k]
    return 1 + smooth_phantom(shape) + 0.05 * along_plane(one, (1.0, 1.0))


@pytest.mark.parametrize("shared", [0.3, 0.8])
def test_fine_anatomy_that_the_next_slice_repeats_in_part_is_not_noise(shared):
    anatomy, chance = texture(shared), texture(0.0)
    assert estimate_sigma_of_slices(anatomy, (0, 1)) == estimate_sigma(anatomy, (0, 1))
    assert estimate_sigma_of_slices(chance, (0, 1)) > 1.4 * estimate_sigma(chance, (0, 1))
    assert estimate_sigma_of_slices(anatomy, (0, 1), acquired_apart=False) > 1.4 * estimate_sigma(anatomy, (0, 1))


def textured(share: float, least: float = 0.0) -> torch.Tensor:
    """Anatomy that slices share, from `least` on one side to 1 on the other, and a share of the noise of `texture`."""
    smooth = 1 + smooth_phantom((96, 96, 24))
    anatomy = (texture(0.8) - smooth) * torch.linspace(least, 1, 96)[:, None] ** 2
    return smooth + anatomy + share * (texture(0.0) - smooth)


def test_correlated_noise_beside_such_anatomy_is_found():
    quiet, noisy = (estimate_sigma_of_slices(textured(share), (0, 1)) for share in (0.0, 0.4))
    assert quiet < 0.003
    assert 0.008 < noisy < 0.02


def test_it_does_not_depend_on_which_axis_the_slices_are_apart_along():
    y = textured(0.6, least=0.5)
    found = estimate_sigma_of_slices(y, (0, 1))
    assert estimate_sigma(y, (0, 1)) < found < estimate_sigma_of_slices(y, (0, 1), acquired_apart=False)
    for order in ((2, 0, 1), (0, 2, 1)):
        axes = tuple(order.index(axis) for axis in (0, 1))
        assert estimate_sigma_of_slices(y.permute(order), axes) == pytest.approx(found, rel=1e-6)


def test_white_noise_of_slices_is_what_it_is_without_that():
    y = 1 + add_gaussian(smooth_phantom((80, 80, 16)), 0.05, seeded())
    assert estimate_sigma_of_slices(y, (0, 1)) == estimate_sigma(y, (0, 1))
    assert estimate_sigma_of_slices(3 * y, (0, 1)) == pytest.approx(3 * estimate_sigma(y, (0, 1)))


def test_slices_too_small_to_be_averaged_give_what_they_give():
    y = torch.randn((12, 12, 6), generator=seeded())
    assert estimate_sigma_of_slices(y, (0, 1)) >= 0.0
