"""Laws of the network's input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medsr.diffusion import N_NOISE_FEATURES
from medsr.model.conditioning import (
    CENTRE,
    DETAIL_PER_OCTAVE,
    PHASE_GAIN,
    conditioned,
    expected_detail,
    flip_averaged,
    roughness,
    scan_conditions,
    scan_maps,
)
from medsr.model.inputs import N_CONDITIONS, N_MAPS, N_SCAN_CONDITIONS
from medsr.physics.ops import PROFILES, AxisSampling, Separable

MM = (1.0, 1.0, 1.0)
PHASES = -6  # the last maps: cosine and sine per axis


def axis(n, m, profile="gaussian", width=1.0):
    return AxisSampling(n, m, profile, width * n / m)


def operator(*factors, n=24, profile="gaussian"):
    """An operator with those factors along a cube of `n` voxels; 1 leaves an axis alone."""
    axes = [None if f == 1 else axis(n, round(n / f), profile) for f in factors]
    return Separable((axes[0], axes[1], axes[2]))


def volume(n=24, seed=0, batch=1):
    return torch.rand(batch, 1, n, n, n, generator=torch.Generator().manual_seed(seed))


@st.composite
def operators(draw, n=24):
    axes = []
    for _ in range(3):
        m = draw(st.integers(2, n))
        axes.append(None if m == n else axis(n, m, draw(st.sampled_from(PROFILES)), draw(st.floats(0.5, 1.6))))
    return Separable((axes[0], axes[1], axes[2]))


@given(operators(), st.floats(0, 10), st.tuples(*[st.floats(0.1, 8.0)] * 3))
def test_numbers_are_as_many_as_declared_finite_and_not_large(op, noise, spacing):
    numbers = scan_conditions(op, spacing, noise)
    assert numbers.shape == (N_SCAN_CONDITIONS,)
    assert numbers.dtype == torch.float32
    assert torch.isfinite(numbers).all()
    assert numbers.abs().max() < 10


@given(operators(), st.integers(1, 2))
def test_maps_are_as_many_as_declared_and_finite(op, batch):
    maps = scan_maps(op, volume(batch=batch), MM)
    assert maps.shape == (batch, N_MAPS - 1, 24, 24, 24)
    assert torch.isfinite(maps).all()


def test_the_network_gets_noisy_detail_first_and_noise_features_last():
    seen = {}

    def net(maps, conditions):
        seen.update(maps=maps, conditions=conditions)
        return maps[:, :2]

    op = operator(2, 2, 2)
    raw = conditioned(net, scan_maps(op, volume(), MM), scan_conditions(op, MM, 0.01)[None])
    noisy, features = torch.full((1, 1, 24, 24, 24), 7.0), torch.full((1, N_NOISE_FEATURES), 9.0)
    raw(noisy, features)
    assert seen["maps"].shape[1] == N_MAPS
    assert seen["conditions"].shape[1] == N_CONDITIONS
    assert torch.equal(seen["maps"][:, :1], noisy)
    assert torch.equal(seen["conditions"][:, -N_NOISE_FEATURES:], features)


@pytest.mark.parametrize("dim", range(3))
def test_phases_are_even_and_odd_under_a_flip(dim):
    """Cosines stay, sines change sign; so a flipped scan is described as a flipped scan."""
    op = operator(2.4, 3, 1.5)
    maps, flipped = scan_maps(op, volume(), MM), scan_maps(op, volume().flip(dim + 2), MM).flip(dim + 2)
    signs = torch.ones(N_MAPS - 1)
    signs[PHASES + 2 * dim + 1] = -1
    torch.testing.assert_close(flipped, maps * signs[:, None, None, None], atol=1e-5, rtol=0)


@pytest.mark.parametrize("dim", range(3))
def test_phases_say_where_the_slices_were(dim):
    factors = [1, 1, 1]
    factors[dim] = 3  # odd: each slice is centred on a voxel
    phases = scan_maps(operator(*factors), volume(), MM)[0, PHASES:].unflatten(0, (3, 2)) / PHASE_GAIN
    cosine, sine = phases[dim].movedim(dim + 1, 1)
    torch.testing.assert_close(cosine[1::3], torch.ones_like(cosine[1::3]), atol=1e-4, rtol=0)
    torch.testing.assert_close(sine[1::3], torch.zeros_like(sine[1::3]), atol=1e-4, rtol=0)
    torch.testing.assert_close(cosine[::3], torch.full_like(cosine[::3], -0.5), atol=1e-4, rtol=0)
    others = [number for number in range(3) if number != dim]
    assert not phases[others].any()


def test_the_ibp_estimate_is_centred_and_its_curvature_leaves_constants_out():
    op = operator(2, 2, 2)
    flat = scan_maps(op, torch.full((1, 1, 24, 24, 24), 0.8), MM)
    torch.testing.assert_close(flat[0, 0], torch.full((24, 24, 24), 0.8 - CENTRE))
    torch.testing.assert_close(flat[0, 1:PHASES], torch.zeros(3, 24, 24, 24), atol=1e-4, rtol=0)
    x = volume()
    brighter, before = scan_maps(op, x + 0.5, MM), scan_maps(op, x, MM)
    torch.testing.assert_close(brighter[:, 1:PHASES], before[:, 1:PHASES], atol=1e-3, rtol=0)


@pytest.mark.parametrize("dim", range(3))
def test_curvature_is_seen_along_its_own_axis_and_less_where_that_is_coarse(dim):
    n = torch.arange(24.0)
    shape = [1, 1, 1, 1, 1]
    shape[dim + 2] = 24
    x = torch.cos(1.3 * n).reshape(shape).expand(1, 1, 24, 24, 24)
    spacing = [1.0, 1.0, 1.0]
    spacing[dim] = 4.0
    op = operator(2, 2, 2)
    fine, coarse = (scan_maps(op, x, tuple(h))[0, 1:PHASES] for h in (MM, spacing))
    assert [bool(part.abs().max() > 1e-4) for part in fine] == [axis == dim for axis in range(3)]
    torch.testing.assert_close(coarse[dim], fine[dim] / 4)


def test_the_curvature_does_not_depend_on_the_unit_of_length():
    """What counts is how much coarser an axis is than the finest one."""
    op, x = operator(2, 3, 1.5), volume()
    near, far = (scan_maps(op, x, (h, 1.5 * h, 3 * h)) for h in (0.5, 2.0))
    torch.testing.assert_close(near, far)


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_averaged_over_flips_a_flipped_scan_gives_the_flipped_answer(axes):
    """Whatever the network says of the slices' phases: it is told of a flipped scan as of one that was flipped."""
    op, x = operator(2.4, 3, 1.5, n=12), volume(12)
    shift = torch.linspace(0.5, 1.5, 12)

    def net(maps, conditions):
        return (maps * torch.arange(1.0, maps.shape[1] + 1)[:, None, None, None]).sum(1, keepdim=True).tanh() * shift

    averaged = flip_averaged(net, axes)
    noisy = volume(12, seed=1)
    conditions = torch.zeros(1, N_CONDITIONS)
    ours, theirs = (
        averaged(torch.cat([part, scan_maps(op, scan, MM)], dim=1), conditions)
        for part, scan in ((noisy, x), (noisy.flip(axes[0] + 2), x.flip(axes[0] + 2)))
    )
    torch.testing.assert_close(theirs.flip(axes[0] + 2), ours, atol=1e-5, rtol=1e-4)
    assert (theirs - ours).abs().max() > 1e-2


@given(st.integers(3, 30), st.integers(0, 2))
def test_more_detail_is_expected_of_larger_factors_and_of_more_axes(m, others):
    def detail(count, n_axes):
        return expected_detail(Separable(tuple(axis(40, count) if a < n_axes else None for a in range(3))))

    assert detail(m, others + 1) <= detail(m - 1, others + 1)
    assert detail(m, others) <= detail(m, others + 1)


def test_a_doubling_of_one_axis_misses_an_octave():
    assert expected_detail(operator(1, 1, 2)) == pytest.approx(DETAIL_PER_OCTAVE)
    assert expected_detail(operator(2, 2, 2)) == pytest.approx(math.sqrt(3) * DETAIL_PER_OCTAVE)
    assert expected_detail(operator(1, 8, 1)) == pytest.approx(3 * DETAIL_PER_OCTAVE)
    assert expected_detail(Separable((None, None, None))) > 0


def test_numbers_follow_their_axes():
    mixed = Separable((axis(24, 12), None, axis(24, 6, width=1.25)))
    per_axis = scan_conditions(mixed, (1.0, 2.0, 0.5), 0.0)[:9].reshape(3, 3)
    assert per_axis.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [2.0, 1.0, -1.0]]


@pytest.mark.parametrize(
    ("profile", "flags"), [("gaussian", [0, 0]), ("box", [1, 0]), ("trapezoid", [1, 0]), ("kspace", [0, 1])]
)
def test_flags_name_the_profile_and_a_single_axis(profile, flags):
    assert scan_conditions(operator(1, 1, 3, profile=profile), MM, 0.0)[11:].tolist() == [*flags, 1]
    assert scan_conditions(operator(3, 1, 3, profile=profile), MM, 0.0)[11:].tolist() == [*flags, 0]


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_noise_smooths_the_ibp_estimate_more(a, b):
    low, high = sorted((a, b))
    assert 0 <= roughness(low) <= roughness(high)
    assert roughness(0.0) == 0
