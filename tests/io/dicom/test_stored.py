"""Voxels as 16-bit numbers: the scale of the source, and when it gives way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.io.dicom.frames import Frame
from medsr.io.dicom.stored import decimal, stored


def frame(slope: float = 1.0, intercept: float = 0.0) -> Frame:
    """A source slice of which only the scale matters."""
    values = dict.fromkeys(Frame.__dataclass_fields__)
    return Frame(**{**values, "slope": slope, "intercept": intercept})


def ramp(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 4096, dtype=np.float32).reshape(16, 16, 16)


def values(result) -> np.ndarray:
    return result.numbers.astype(np.float64) * result.slope + result.intercept


def test_whole_hounsfield_units_come_back_exactly():
    data = np.rint(ramp(-1024, 3071))
    result = stored(data, [frame(1, -1024)])
    np.testing.assert_array_equal(values(result), data)
    assert (result.slope, result.intercept, result.n_clipped) == (1.0, -1024.0, 0)
    assert result.is_signed


def test_the_finest_slope_of_the_source_counts():
    result = stored(ramp(0, 900), [frame(0.4), frame(0.1), frame(0.2)])
    assert result.slope == 0.1
    assert np.abs(values(result) - ramp(0, 900)).max() <= 0.0501


@pytest.mark.parametrize(("low", "high", "signed"), [(-50, 4000, True), (0, 32767, True), (0, 65535, False)])
def test_numbers_are_signed_unless_that_clips_more(low, high, signed):
    result = stored(ramp(low, high), [frame()])
    assert result.is_signed is signed
    assert result.n_clipped == 0


def test_a_few_voxels_too_bright_are_clipped_and_counted():
    data = ramp(0, 30000)
    data[0, 0, :3] = 70000
    result = stored(data, [frame()])
    assert result.n_clipped == 3
    assert result.slope == 1.0
    assert values(result).max() == 32767


def test_many_voxels_too_bright_widen_the_scale():
    data = ramp(0, 500_000)
    result = stored(data, [frame()])
    assert result.n_clipped == 0
    assert np.abs(values(result) - data).max() <= result.slope / 2 * 1.0001


@pytest.mark.parametrize("high", [0.004, 1.0, 100.0, 255.0])
def test_a_scan_of_few_steps_is_stored_more_finely(high):
    result = stored(ramp(0, high), [frame()])
    assert result.slope < high / 10_000
    assert np.abs(values(result) - ramp(0, high)).max() <= result.slope


def test_nothing_at_all_can_be_stored():
    result = stored(np.zeros((2, 2, 2), np.float32))
    assert (result.slope, result.n_clipped) == (1.0, 0)
    assert not result.numbers.any()


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_without_a_source_every_range_fits(low, width):
    data = np.linspace(low, low + width, 64, dtype=np.float32).reshape(4, 4, 4)
    result = stored(data)
    assert result.n_clipped <= 1
    assert np.abs(values(result) - data).max() <= 1.01 * result.slope + 1e-30
    assert decimal(result.slope) == result.slope
