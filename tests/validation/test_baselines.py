"""The methods that need no learning, and the numbers they give on real scans."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import head
from samplings import fine_shape, operators
from scipy import fft

from medsr.metrics.error import data_range, foreground_mask, psnr
from medsr.physics.ops import AxisSampling, Separable
from medsr.physics.ops.noise import add_gaussian
from medsr.validation.baselines import METHODS, band_limited, cubic, ibp, linear, tv, wiener
from medsr.volume import Volume

SHAPE = (32, 36, 30)
THICK = Separable((None, None, AxisSampling(30, 6, "gaussian", 5.0)))
FINE = Separable(tuple(AxisSampling(n, n // 2, "gaussian", 2.0) for n in SHAPE))


def phantom(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A head in the model's range."""
    return torch.from_numpy(head(SHAPE).data.copy()).to(dtype) / 700


def rms(x: torch.Tensor) -> float:
    return x.square().mean().sqrt().item()


def total_variation(x: torch.Tensor) -> float:
    return sum(torch.diff(x, dim=dim).abs().sum().item() for dim in range(3))


def test_the_table_is_in_order():
    assert list(METHODS) == ["nearest", "linear", "cubic", "ibp", "wiener", "tv"]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_keeps_type_and_leading_axes_and_leaves_its_input_alone(name, dtype):
    y = THICK(phantom(dtype))[None]
    kept = y.clone()
    x = METHODS[name](THICK, y, 0.01)
    assert (x.shape, x.dtype) == ((1, *SHAPE), dtype)
    assert torch.equal(y, kept)


@settings(max_examples=20)
@given(operators(), st.sampled_from(list(METHODS)), st.sampled_from([0.0, 0.01]))
def test_each_keeps_constants(op, name, noise_sigma):
    x = torch.full(fine_shape(op), 0.4, dtype=torch.float64)
    torch.testing.assert_close(METHODS[name](op, op(x), noise_sigma), x, rtol=0, atol=1e-6)


@settings(max_examples=20)
@given(operators(), st.sampled_from(list(METHODS)), st.sampled_from([0.0, 0.02]), st.integers(0, 1000))
def test_each_gives_finite_values_for_any_sampling(op, name, noise_sigma, seed):
    y = op(torch.rand(fine_shape(op), generator=torch.Generator().manual_seed(seed)))
    assert METHODS[name](op, y, noise_sigma).isfinite().all()


@pytest.mark.parametrize("op", [THICK, FINE])
def test_better_models_give_smaller_errors(op):
    x = phantom()
    errors = [rms(method(op, op(x), 0.0) - x) for method in (linear, cubic, ibp)]
    assert errors == sorted(errors, reverse=True)


def test_ibp_is_the_plain_start_whatever_the_noise():
    y = FINE(phantom())
    assert torch.equal(ibp(FINE, y, 0.3), FINE.ibp(y))


@pytest.mark.parametrize("op", [THICK, FINE])
def test_wiener_reproduces_a_measurement_without_noise(op):
    y = op(phantom(torch.float64))
    torch.testing.assert_close(op(wiener(op, y, 0.0)), y, rtol=0, atol=1e-8)


@pytest.mark.parametrize("op", [THICK, FINE])
def test_wiener_is_near_ibp_without_noise_and_better_with_it(op):
    x = phantom()
    assert rms(wiener(op, op(x), 0.0) - x) < 1.05 * rms(ibp(op, op(x), 0.0) - x)
    noisy = add_gaussian(op(x), 0.05, torch.Generator().manual_seed(0))
    assert rms(wiener(op, noisy, 0.05) - x) < 0.96 * rms(ibp(op, noisy, 0.05) - x)


def test_wiener_trusts_the_mean_where_all_is_noise():
    y = FINE(phantom())
    torch.testing.assert_close(wiener(FINE, y, 1e4), torch.full(SHAPE, y.mean().item()), rtol=0, atol=1e-3)


@settings(max_examples=8)
@given(st.floats(0.1, 1000), st.floats(-1000, 1000))
def test_the_unit_goes_through_wiener(factor, offset):
    y = THICK(phantom(torch.float64))
    changed = wiener(THICK, factor * y + offset, factor * 0.02)
    torch.testing.assert_close(changed, factor * wiener(THICK, y, 0.02) + offset, rtol=1e-5, atol=1e-4 * factor)


@pytest.mark.parametrize("op", [THICK, FINE])
@pytest.mark.parametrize("noise_sigma", [0.0, 0.03])
def test_tv_is_nearer_to_a_piecewise_constant_truth_than_ibp_and_flatter(op, noise_sigma):
    x = (phantom() * 3).round() / 3
    y = add_gaussian(op(x), noise_sigma, torch.Generator().manual_seed(0))
    result, plain = tv(op, y, noise_sigma), ibp(op, y, noise_sigma)
    assert rms(result - x) < 0.99 * rms(plain - x)
    assert total_variation(result) < total_variation(plain)
    assert rms(op(result) - y) < max(0.01, 1.1 * noise_sigma)


@given(operators(max_fine=20), st.integers(0, 1000))
def test_the_band_limited_reference_is_a_projection_of_the_reference(op, seed):
    x = torch.randn(2, *fine_shape(op), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    y = op(x)
    kept = band_limited(op, y, 0.0, x)
    torch.testing.assert_close(band_limited(op, y, 0.0, kept), kept, rtol=0, atol=1e-10)
    torch.testing.assert_close((kept * (x - kept)).sum(), torch.zeros((), dtype=x.dtype), rtol=0, atol=1e-8)


def test_the_band_limited_reference_keeps_what_lies_below_the_coarse_nyquist_frequency():
    x = torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = fft.dct(x.numpy(), axis=2, norm="ortho")
    after = fft.dct(band_limited(THICK, THICK(x), 0.0, x).numpy(), axis=2, norm="ortho")
    np.testing.assert_allclose(after[..., :6], before[..., :6], atol=1e-12)
    np.testing.assert_allclose(after[..., 6:], 0, atol=1e-12)


def test_nothing_inside_the_band_is_nearer_than_the_band_limited_reference():
    x = phantom()
    for op in (THICK, FINE):
        ceiling = rms(band_limited(op, op(x), 0.0, x) - x)
        results = [METHODS[name](op, op(x), 0.0) for name in ("linear", "cubic", "ibp", "wiener")]
        assert all(ceiling <= rms(band_limited(op, op(x), 0.0, result) - x) for result in results)


def gaussian(n: int, n_coarse: int) -> AxisSampling:
    return AxisSampling(n, n_coarse, "gaussian", n / n_coarse)


@pytest.mark.parametrize(
    ("name", "factors", "cubic_db", "ibp_db"),
    [
        ("bchadult01_T1w", (2, 2, 2), 22.95, 24.95),
        ("bchadult01_T1w", (4, 4, 4), 19.37, 20.76),
        ("openms12_T1w", (2, 2, None), 25.77, 28.50),
        ("openms12_T1w", ("5 mm", None, None), 20.90, 21.67),
        ("cmbcrc01_CT", ("5 mm", None, None), 20.47, 21.13),
    ],
)
def test_the_numbers_of_the_convention(shared_data, name, factors, cubic_db, ibp_db):
    """Scans, tasks and numbers that an independent implementation of the convention gave."""
    image = nib.load(shared_data / "validation" / f"sub-{name}.nii.gz")
    modality = "CT" if name.endswith("CT") else "MR"
    scan = Volume(np.asarray(image.dataobj, dtype=np.float32), image.affine, modality=modality).to_ras()
    axes = []
    for factor, n, spacing in zip(factors, scan.shape, scan.spacing_mm, strict=True):
        if factor == "5 mm":
            axes.append(gaussian(n, round(n * spacing / 5)))
        else:
            axes.append(None if factor is None else AxisSampling(n, round(n / factor), "gaussian", float(factor)))
    op, x = Separable(tuple(axes)), torch.from_numpy(scan.data.copy())
    mask = foreground_mask(scan.data, modality)
    peak = data_range(scan.data, mask, modality)
    assert psnr(cubic(op, op(x), 0.0), x, mask, peak) == pytest.approx(cubic_db, abs=0.05)
    assert psnr(ibp(op, op(x), 0.0), x, mask, peak) == pytest.approx(ibp_db, abs=0.05)
