"""Several stacks give more than the best of them alone, wherever they lie and whatever their unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fusion_stacks import at, error, motion, stack, truth
from scipy import ndimage
from tiny_models import tiny_model

import medsr
from medsr.affine import resized
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError, InputError, ResourceError, UsageError
from medsr.fusion.fusion import fuse
from medsr.fusion.grid import wanted_of
from medsr.fusion.slices import filled
from medsr.record import Record
from medsr.volume import Volume

SCAN = truth()
MODEL = tiny_model(silent=True)
AXIAL, CORONAL, SAGITTAL = (stack(SCAN, axis) for axis in (2, 1, 0))
IN_PLACE = [at(np.eye(4))] * 3
MAP = EnhanceSettings(mode="uncertainty", flips=0)


@pytest.fixture(scope="module")
def two() -> Enhancement:
    return fuse([AXIAL, CORONAL], MODEL, MAP, poses=IN_PLACE[:2])


@pytest.fixture(scope="module")
def three() -> Enhancement:
    return fuse([AXIAL, CORONAL, SAGITTAL], MODEL, MAP, poses=IN_PLACE)


@pytest.fixture(scope="module")
def alone() -> float:
    """Error of the best stack alone."""
    return min(error(enhance(one, MODEL, MAP).volume, SCAN) for one in (AXIAL, CORONAL, SAGITTAL))


def test_one_stack_is_enhanced_as_ever():
    expected = enhance(AXIAL, MODEL, MAP)
    found = fuse([AXIAL], MODEL, MAP)
    np.testing.assert_array_equal(found.volume.data, expected.volume.data)
    assert found.record.stacks == ()


def test_every_further_stack_adds_to_the_result(alone, two, three):
    assert error(two.volume, SCAN) < 0.85 * alone  # 1.4 dB
    assert error(three.volume, SCAN) < 0.7 * alone  # 3.1 dB
    assert three.volume.shape == SCAN.shape
    np.testing.assert_allclose(three.volume.affine, SCAN.affine, atol=1e-9)


def test_a_stack_outside_the_envelope_is_named_by_its_number():
    diffusion = replace(CORONAL, source=replace(CORONAL.source, contrast="dwi"))
    with pytest.raises(EnvelopeError, match=r"^stack 2: outside .*diffusion"):
        fuse([AXIAL, diffusion], MODEL, MAP, poses=IN_PLACE[:2])


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("factor", [2, 4])
def test_a_stack_that_was_interpolated_is_fused_from_its_samples(two, number, factor):
    given = [AXIAL, CORONAL]
    axis = given[number].slice_axis
    zoom = [factor if other == axis else 1 for other in range(3)]
    data = ndimage.zoom(given[number].data, zoom, order=1, mode="nearest", grid_mode=True)
    given[number] = given[number].with_data(data, resized(given[number].affine, given[number].shape, data.shape))
    found = fuse(given, MODEL, MAP, poses=IN_PLACE[:2])
    assert error(found.volume, SCAN) < 1.02 * error(two.volume, SCAN)
    assert [line[:8] for line in found.record.warnings if "stored on a finer grid" in line] == [f"stack {number + 1}:"]
    assert found.record.stacks[number]["input"]["shape"] == list(data.shape)
    assert fuse(given, MODEL, replace(MAP, profile="gaussian", spacing_mm=(0.9,)), poses=IN_PLACE[:2]).volume.shape


def test_stacks_that_agree_are_more_certain(two, three):
    assert two.uncertainty is not None
    assert three.uncertainty is not None
    alone = enhance(AXIAL, MODEL, MAP).uncertainty
    assert alone is not None
    assert three.uncertainty.data.mean() < two.uncertainty.data.mean() < alone.data.mean()
    assert fuse([AXIAL, CORONAL], MODEL, EnhanceSettings(flips=0), poses=IN_PLACE[:2]).uncertainty is None


def test_the_record_says_all_of_every_stack(three):
    record = three.record
    assert [one["input"]["shape"] for one in record.stacks] == [list(s.shape) for s in (AXIAL, CORONAL, SAGITTAL)]
    assert record.residual == pytest.approx(max(one["residual"] for one in record.stacks), abs=1e-3)
    assert record.settings["mode"] == "uncertainty"
    assert [one["covered"] for one in record.stacks] == [1.0, 1.0, 1.0]
    assert Record.from_json(record.to_json()) == record


def test_the_residual_is_that_of_the_first_stack(two):
    predicted = two.acquisition.op(torch.from_numpy(np.array(two.volume.data))).numpy()
    np.testing.assert_allclose(two.residual.data, AXIAL.data - predicted, atol=1e-3 * AXIAL.data.max())


def test_a_stack_that_was_moved_adds_as_much_where_its_place_is_known(alone, two):
    moved = motion(SCAN, (4, -3, 2), (1, -2, 1.5))
    found = fuse([AXIAL, stack(SCAN, 1, moved)], MODEL, MAP, poses=[IN_PLACE[0], at(moved)])
    assert alone - error(found.volume, SCAN) > 0.8 * (alone - error(two.volume, SCAN))


def test_the_place_of_a_stack_is_found(alone, two):
    moved = motion(SCAN, (2, -3, 2), (1, -2, 1.5))
    found = fuse([AXIAL, stack(SCAN, 1, moved)], MODEL, MAP)
    assert alone - error(found.volume, SCAN) > 0.7 * (alone - error(two.volume, SCAN))
    assert found.record.stacks[1]["turn_deg"] == pytest.approx(4.1, abs=0.6)
    assert 0 < found.record.stacks[1]["registration_error_mm"] < 0.6


def test_the_unit_of_a_stack_does_not_matter(two):
    other = CORONAL.with_data((1.4 * CORONAL.data + 30).astype(np.float32))
    found = fuse([AXIAL, other], MODEL, MAP, poses=IN_PLACE[:2])
    assert np.abs(found.volume.data - two.volume.data).max() < 0.02 * np.ptp(SCAN.data)
    doubled = fuse([one.with_data(2 * one.data) for one in (AXIAL, CORONAL)], MODEL, MAP, poses=IN_PLACE[:2])
    assert np.abs(doubled.volume.data - 2 * two.volume.data).max() < 1e-2 * np.ptp(SCAN.data)


def test_a_stack_whose_brightness_varies_slowly_is_evened_out(alone, two):
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in CORONAL.shape), indexing="ij")
    uneven = CORONAL.with_data((CORONAL.data * (1 + 0.2 * i - 0.15 * k * j + 0.1 * k**2)).astype(np.float32))
    found = fuse([AXIAL, uneven], MODEL, MAP, poses=IN_PLACE[:2])
    assert alone - error(found.volume, SCAN) > 0.8 * (alone - error(two.volume, SCAN))
    least, most = found.record.stacks[1]["gain"]
    assert least == pytest.approx(1 / 1.45, abs=0.1)
    assert most == pytest.approx(1 / 0.7, abs=0.15)
    assert two.record.stacks[1]["gain"] == [1.0, 1.0]


def test_the_uncertainty_of_a_stack_is_in_the_unit_of_the_first(two):
    """Else a stack in small numbers would pass for a precise one."""
    small = CORONAL.with_data((CORONAL.data / 8).astype(np.float32))
    found = fuse([AXIAL, small], MODEL, MAP, poses=IN_PLACE[:2])
    np.testing.assert_allclose(found.uncertainty.data, two.uncertainty.data, rtol=0.05)


def test_the_order_of_stacks_of_one_field_of_view_matters_little(two):
    found = fuse([CORONAL, AXIAL], MODEL, MAP, poses=IN_PLACE[:2])
    assert np.sqrt(np.mean((found.volume.data - two.volume.data) ** 2)) < 0.02 * np.ptp(SCAN.data)


def test_the_axes_as_stored_do_not_matter(two):
    turned = Volume(
        np.ascontiguousarray(CORONAL.data.transpose(2, 0, 1)[:, ::-1]),
        CORONAL.affine @ np.array([[0, -1, 0, CORONAL.shape[0] - 1], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]),
    )
    found = fuse([AXIAL, turned], MODEL, MAP, poses=IN_PLACE[:2])
    assert np.abs(found.volume.data - two.volume.data).max() < 1e-2 * np.ptp(SCAN.data)


def test_where_one_stack_ends_there_is_no_seam(two):
    """Half of the field of view is covered by both: beyond it the result passes into that of the first alone."""
    half = replace(CORONAL, data=np.ascontiguousarray(CORONAL.data[:24]))
    found = fuse([AXIAL, half], MODEL, MAP, poses=IN_PLACE[:2]).volume.data
    alone = enhance(AXIAL, MODEL, MAP).volume.data
    both = two.volume.data
    width = np.ptp(SCAN.data)
    assert np.abs(found[32:] - alone[32:]).mean() < 0.01 * width
    assert np.abs(found[:16] - both[:16]).mean() < 0.01 * width
    jump = np.abs(np.diff(found, axis=0)).mean(axis=(1, 2))
    assert jump[23] < 1.25 * max(jump[19:22].max(), jump[26:29].max())


def test_parallel_stacks_half_a_slice_apart_are_fused_too(alone):
    half_a_slice = SCAN.affine.copy()
    half_a_slice[2, 3] += 2 * SCAN.affine[2, 2]
    shifted = SCAN.with_data(np.ascontiguousarray(SCAN.data[:, :, 2:46]), half_a_slice)
    found = fuse([AXIAL, stack(shifted, 2)], MODEL, MAP, poses=IN_PLACE[:2])
    assert error(found.volume, SCAN) < 0.97 * error(enhance(AXIAL, MODEL, MAP).volume, SCAN)


def test_slices_that_lost_their_signal_are_left_out(alone, two):
    dark = np.array(CORONAL.data)
    dark[:, 5] *= 0.3
    dark[:, 6] *= 0.5
    found = fuse([AXIAL, CORONAL.with_data(dark)], MODEL, MAP, poses=IN_PLACE[:2])
    left = [AXIAL, filled(CORONAL.with_data(dark), np.isin(np.arange(12), (5, 6)))]
    assert error(found.volume, SCAN) < 0.95 * min(error(enhance(one, MODEL, MAP).volume, SCAN) for one in left)
    assert found.record.stacks[1]["slope"] == pytest.approx(two.record.stacks[1]["slope"], rel=0.02)
    assert [one["dark_slices"] for one in found.record.stacks] == [[], [5, 6]]
    assert any("stack 2: without signal and left out: slices 5, 6 (from 0)" in w for w in found.record.warnings)


def test_slices_that_moved_are_put_back(alone, three):
    """Two slices of the second stack lay elsewhere: with three stacks they are found there, within half a voxel."""
    moved = np.array(CORONAL.data)
    truly = {4: motion(SCAN, (0, 0, 0), (2, 0, -1)), 8: motion(SCAN, (0, 0, 0), (-1.5, 1, 1.5))}
    for k, matrix in truly.items():
        moved[:, k] = stack(SCAN, 1, matrix).data[:, k]
    found = fuse([AXIAL, CORONAL.with_data(moved), SAGITTAL], MODEL, MAP, poses=IN_PLACE)
    told = found.record.stacks[1]["moved_slices"]
    assert [one["slice"] for one in told] == [4, 8]
    for one, matrix in zip(told, truly.values(), strict=True):
        assert one["shift_mm"] == pytest.approx(np.linalg.norm(matrix[:3, 3]), abs=0.5)
    assert [one["moved_slices"] for one in (found.record.stacks[0], found.record.stacks[2])] == [[], []]
    assert alone - error(found.volume, SCAN) > 0.8 * (alone - error(three.volume, SCAN))
    (said,) = [text for text in found.record.warnings if text.startswith("stack 2: moved by up to 2.")]
    assert said.endswith(" mm and taken from there: slices 4, 8 (from 0)")


def test_a_coarser_grid_takes_stacks_averaged_to_its_voxels():
    found = fuse([AXIAL, CORONAL], MODEL, EnhanceSettings(spacing_mm=(2.0,), flips=0), poses=IN_PLACE[:2])
    assert found.volume.shape == (24, 24, 24)
    known = SCAN.data.reshape(24, 2, 24, 2, 24, 2).mean(axis=(1, 3, 5))
    apart = (found.volume.data - known)[3:-3, 3:-3, 3:-3]
    assert np.sqrt(np.mean(apart**2)) < 0.05 * np.ptp(known)
    assert [one["input"]["shape"] for one in found.record.stacks] == [list(one.shape) for one in (AXIAL, CORONAL)]


def test_nothing_is_darker_than_the_first_stack(two, three):
    for result in (two, three):
        assert result.volume.data.min() >= AXIAL.data.min() - 1e-3


def test_isotropic_stacks_half_a_voxel_apart_give_half_their_spacing():
    def coarse(start: int) -> Volume:
        data = SCAN.data[start : start + 46, :46, :46].reshape(23, 2, 23, 2, 23, 2).mean(axis=(1, 3, 5))
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        affine[:3, 3] = (0.5 + start, 0.5, 0.5)
        return Volume(np.ascontiguousarray(data, dtype=np.float32), affine)

    found = fuse([coarse(0), coarse(1)], MODEL, MAP, poses=IN_PLACE[:2])
    assert found.volume.shape == (46, 46, 46)
    known = SCAN.with_data(np.ascontiguousarray(SCAN.data[:46, :46, :46]))
    assert error(found.volume, known) < 0.99 * error(enhance(coarse(0), MODEL, MAP).volume, known)


def test_ct_keeps_its_unit():
    scans = [replace(one, data=one.data - 500, modality="CT") for one in (AXIAL, CORONAL)]
    found = fuse(scans, MODEL, MAP, poses=IN_PLACE[:2])
    assert found.record.stacks[1]["slope"] == 1.0
    assert found.record.stacks[1]["offset"] == 0.0


@pytest.mark.parametrize(
    ("stacks", "said"),
    [
        ([AXIAL, AXIAL], "stacks 1 and 2 hold the same voxels"),
        ([AXIAL, replace(CORONAL, modality="CT")], "stack 2 is CT, the first one MR"),
        ([AXIAL, CORONAL.with_data(np.ascontiguousarray(CORONAL.data[:, :3]))], "leave localizers out"),
        ([AXIAL, CORONAL.with_data(-CORONAL.data)], r"correlate by -0\.\d+ where both show the body"),
    ],
)
def test_stacks_that_do_not_belong_together_are_refused(stacks, said):
    with pytest.raises(InputError, match=said):
        fuse(stacks, MODEL, MAP, poses=IN_PLACE[:2])


def test_stacks_without_overlap_are_refused():
    far = np.eye(4)
    far[0, 3] = 200
    with pytest.raises(InputError, match="share 0% of the smaller field of view"):
        fuse([AXIAL, CORONAL.with_data(CORONAL.data, far @ CORONAL.affine)], MODEL, MAP)
    with pytest.raises(InputError, match="share 0 voxels of the body"):
        fuse([AXIAL, CORONAL], MODEL, MAP, poses=[IN_PLACE[0], at(far)])


@pytest.mark.parametrize(
    "asked",
    [
        {"mode": "sample"},
        {"mode": "uncertainty", "samples": 2},
        {"region": ((0, 0, 0), (4, 4, 4))},
        {"factors": (2.0,)},
        {"spacing_mm": (1.0, 1.0, 2.0)},
        {"noise": 3.0},
    ],
)
def test_what_several_stacks_cannot_share_is_refused(asked):
    with pytest.raises(UsageError):
        fuse([AXIAL, CORONAL], MODEL, EnhanceSettings(**asked))


def test_a_spacing_finer_than_a_network_goes_for_the_first_stack_is_refused():
    with pytest.raises(UsageError, match=r"0\.3 mm is 13\.3 times finer.* of 4 mm.* give --spacing 0\.34 or more"):
        wanted_of([AXIAL, CORONAL], EnhanceSettings(spacing_mm=(0.3,)), None)
    for fine in (4 / 12, 0.34):
        np.testing.assert_allclose(wanted_of([AXIAL, CORONAL], EnhanceSettings(spacing_mm=(fine,)), None), fine)


@pytest.mark.parametrize("spacing_mm", [0.0, -1.0, float("nan")])
def test_a_spacing_that_is_no_length_is_refused_as_one(spacing_mm):
    with pytest.raises(UsageError, match="expected a number above 0"):
        fuse([AXIAL, CORONAL], MODEL, EnhanceSettings(spacing_mm=(spacing_mm,)))


def test_no_stacks_are_refused():
    with pytest.raises(UsageError, match="no stacks"):
        medsr.enhance([])


def test_more_than_the_memory_holds_is_refused_before_any_work():
    with pytest.raises(ResourceError, match="coarser --spacing"):
        fuse([AXIAL, CORONAL], MODEL, MAP, memory_bytes=2**20)


def test_python_fuses_volumes_and_paths(two, tmp_path):
    medsr.save(CORONAL, tmp_path / "coronal.nii.gz", dtype="float32")
    found = medsr.enhance([AXIAL, tmp_path / "coronal.nii.gz"], MODEL, MAP)
    assert np.sqrt(np.mean((found.volume.data - two.volume.data) ** 2)) < 0.02 * np.ptp(SCAN.data)
    with pytest.raises(UsageError, match="those of one scan"):
        medsr.enhance([AXIAL, CORONAL], MODEL, MAP, two.acquisition)
