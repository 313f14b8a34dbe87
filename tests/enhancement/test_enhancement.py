"""Laws of the main job: where the result lies, what it is made of, and that it is the same however it is computed."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from phantoms import affine, grainy, head, noisy_head
from scipy import ndimage
from tiny_models import tiny_model

from medsr import affine as grids
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.floor import floor_of, raised_to
from medsr.enhancement.noise import estimated_noise, scan_noise
from medsr.enhancement.settings import SAMPLER_NAMES, EnhanceSettings
from medsr.enhancement.uncertainty import BLUR_VOX
from medsr.errors import EnvelopeError, InputError, UsageError
from medsr.model.conditioning import expected_detail, roughness
from medsr.model.intensity import scale_of
from medsr.model.spec import Envelope
from medsr.physics.acquisition import acquisition_of
from medsr.physics.assumption import white_noise
from medsr.physics.noise_level import estimate_sigma, estimate_sigma_of_slices
from medsr.physics.tasks import TASKS, degrade
from medsr.volume import Source, Volume

SLICES = head((18, 20, 6), (1.0, 1.0, 3.0))
MODEL, SILENT = tiny_model(), tiny_model(silent=True)
QUIET = EnhanceSettings(noise=0.0)
QUICK = EnhanceSettings(samples=2, steps=2, noise=3.0, seed=5)


def range_of(volume):
    low, high = np.percentile(volume.data, (0.1, 99.9))
    return float(high - low)


def difference(ours, theirs):
    """Largest difference of two scans in units of the data range."""
    return float(np.abs(ours.data - theirs.data).max()) / range_of(theirs)


def of_mode(mode, **changes):
    return dataclasses.replace(QUICK, mode=mode, **changes)


each_mode = pytest.mark.parametrize("mode", ["mean", "sample", "uncertainty"])


# --- where the result lies --------------------------------------------------------------------------------------------


@each_mode
@pytest.mark.parametrize(
    "matrix",
    [
        affine((1.0, 1.0, 3.0)),
        affine((1.0, 1.0, 3.0), turn_deg=(20, -10, 35), origin_mm=(-30.0, 12.5, 7.25)),
        affine((1.0, 1.0, 3.0), axes=(2, 0, 1), flips=(-1, 1, -1)),
    ],
)
def test_the_result_lies_where_the_scan_lies(mode, matrix):
    scan = SLICES.with_data(SLICES.data, matrix)
    result = enhance(scan, MODEL, of_mode(mode))
    acquisition = acquisition_of(scan)
    for fine in [result.volume] + ([result.uncertainty] if mode == "uncertainty" else []):
        assert fine.shape == acquisition.fine_shape == (18, 20, 18)
        assert np.array_equal(fine.affine, acquisition.fine_affine)
        assert np.abs(grids.fov_corners(fine.affine, fine.shape) - grids.fov_corners(matrix, scan.shape)).max() < 1e-6
    assert result.residual.shape == scan.shape
    assert np.array_equal(result.residual.affine, scan.affine)
    assert result.volume.data.dtype == np.float32


def test_the_scan_itself_is_not_changed():
    before = SLICES.data.copy()
    enhance(SLICES, MODEL, QUICK)
    np.testing.assert_array_equal(SLICES.data, before)


def test_a_result_no_longer_has_the_thickness_of_the_input_slices():
    scan = dataclasses.replace(SLICES, thickness_mm=2.5, slice_axis=2)
    result = enhance(scan, MODEL, of_mode("uncertainty"))
    assert result.volume.thickness_mm is None
    assert result.uncertainty.thickness_mm is None
    assert result.residual.thickness_mm == 2.5
    in_plane = enhance(scan, MODEL, QUICK, acquisition_of(scan, factors=(2, 2, 1)))
    assert in_plane.volume.thickness_mm == 2.5


# --- what it is made of -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 8.0])
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_a_network_that_predicts_nothing_leaves_the_ibp_estimate_above_the_floor(noise, modality):
    """Without noise it already reproduces the scan; with noise the projection pulls at what the estimate smoothed."""
    scan = head((18, 20, 6), (1.0, 1.0, 3.0), modality=modality)
    acquisition = acquisition_of(scan)
    result = enhance(scan, SILENT, EnhanceSettings(noise=noise), acquisition)
    op, scale = acquisition.op, scale_of(scan.data, modality)
    y = scale.to_model(torch.from_numpy(np.array(scan.data, np.float64)))[None, None]
    ibp = op.ibp(y, roughness(noise / scale.width))
    ratio = (noise / scale.width) ** 2 / (SILENT.spec.error_variance * expected_detail(op) ** 2)
    raised = raised_to(floor_of(scan), scale.from_model(op.prox(ibp, y, ratio)), op)
    expected = raised[0, 0].numpy()
    assert np.abs(result.volume.data - expected).max() < 1e-4 * range_of(scan)


@each_mode
def test_without_noise_the_result_reproduces_the_scan(mode):
    result = enhance(SLICES, MODEL, of_mode(mode, noise=0.0))
    assert np.abs(result.residual.data).max() < 1e-4 * range_of(SLICES)
    seen = acquisition_of(SLICES).op(torch.from_numpy(np.array(result.volume.data)))
    assert np.abs(seen.numpy() - SLICES.data).max() < 1e-4 * range_of(SLICES)


def test_the_residual_is_what_the_result_leaves_of_the_scan():
    result = enhance(SLICES, MODEL, dataclasses.replace(QUIET, noise=20.0))
    seen = acquisition_of(SLICES).op(torch.from_numpy(np.array(result.volume.data))).numpy()
    np.testing.assert_allclose(result.residual.data, SLICES.data - seen, atol=1e-4 * range_of(SLICES))
    rms = float(np.sqrt(np.square(result.residual.data, dtype=np.float64).mean()))
    assert result.record.residual == pytest.approx(rms / 20.0, rel=1e-3)
    assert result.record.noise_sigma == pytest.approx(20.0)


@each_mode
def test_the_drift_is_how_much_brighter_the_result_is_than_the_scan(mode):
    """In units of the range that the model works in, positive where the result is brighter."""
    result = enhance(SLICES, MODEL, of_mode(mode, noise=100.0))
    seen = acquisition_of(SLICES).op(torch.from_numpy(np.array(result.volume.data))).numpy()
    drift = float(np.mean(seen - SLICES.data, dtype=np.float64)) / scale_of(SLICES.data, "MR").width
    assert abs(drift) > 1e-5
    assert result.record.drift == pytest.approx(drift, rel=1e-2)


@each_mode
def test_intensities_commute_with_an_affine_change_of_an_mr_scan(mode):
    gain, offset = 3.7, -120.0
    changed = SLICES.with_data(np.float32(gain) * SLICES.data + np.float32(offset))
    settings = of_mode(mode)
    ours = enhance(SLICES, MODEL, settings)
    theirs = enhance(changed, MODEL, dataclasses.replace(settings, noise=gain * settings.noise))
    rescaled = ours.volume.with_data(np.float32(gain) * ours.volume.data + np.float32(offset))
    assert difference(theirs.volume, rescaled) < 1e-4
    if mode == "uncertainty":
        np.testing.assert_allclose(theirs.uncertainty.data, gain * ours.uncertainty.data, atol=1e-4 * range_of(changed))


def test_estimated_noise_commutes_with_a_change_of_unit():
    rng = np.random.default_rng(0)
    noisy = SLICES.with_data(SLICES.data + rng.normal(0, 15, SLICES.shape).astype(np.float32))
    larger = noisy.with_data(10 * noisy.data)
    ours, theirs = (enhance(scan, SILENT).record.noise_sigma for scan in (noisy, larger))
    assert theirs == pytest.approx(10 * ours, rel=1e-3)
    scale = scale_of(noisy.data, "MR")
    assert scan_noise(noisy, scale, EnhanceSettings(), plane_refined=False) * scale.width == pytest.approx(ours)


def test_noise_that_is_correlated_counts_in_the_plane_of_slices_alone():
    rng = np.random.default_rng(0)
    noise = ndimage.uniform_filter1d(ndimage.uniform_filter1d(rng.normal(0, 60, (72, 72, 16)), 2, axis=0), 2, axis=1)
    thick, cube, sections = (
        scan.with_data((scan.data + noise).astype(np.float32))
        for scan in (
            head((72, 72, 16), (1.0, 1.0, 4.0)),
            head((72, 72, 16), (1.0, 1.0, 1.0)),
            head((72, 72, 16), (1.0, 1.0, 4.0), modality="CT"),
        )
    )
    for scan, expected in (
        (thick, estimate_sigma_of_slices(thick.data, (0, 1), acquired_apart=True)),
        (cube, estimate_sigma(cube.data)),
        (sections, estimate_sigma_of_slices(sections.data, (0, 1), acquired_apart=False)),
    ):
        scale = scale_of(scan.data, scan.modality)
        found = scan_noise(scan, scale, EnhanceSettings(), plane_refined=False) * scale.width
        assert found == pytest.approx(expected, rel=1e-5)
        known = white_noise(scan)
        assert estimated_noise(scan, plane_refined=False, white=known) == pytest.approx(expected, rel=1e-5)
        assert estimated_noise(scan, plane_refined=True, white=2 * known) == 2 * known


def test_fine_anatomy_of_slices_is_no_noise_in_mr_and_may_be_in_ct():
    """MR slices are acquired apart, so what the next one repeats is anatomy; sections of a CT share noise."""
    grain = np.random.default_rng(0).normal(0, 90, (72, 72, 16))
    for axis, width in enumerate((2, 2, 3)):
        grain = ndimage.uniform_filter1d(grain, width, axis=axis)
    smooth = head((72, 72, 16), (1.0, 1.0, 4.0))
    mr = smooth.with_data((smooth.data + grain).astype(np.float32))
    ct = dataclasses.replace(mr, modality="CT")
    scale = scale_of(mr.data, "MR")
    in_mr, in_ct = (scan_noise(one, scale, EnhanceSettings(), plane_refined=False) for one in (mr, ct))
    assert in_mr < 0.8 * in_ct


@pytest.mark.parametrize(
    ("factors", "counts"), [((1, 1, 4), True), ((1.2, 1.2, 4), True), ((2, 2, 1), False), ((1, 2, 4), False)]
)
def test_noise_that_is_correlated_does_not_count_where_the_plane_is_refined(factors, counts):
    """Anatomy as fine as that can't be told from it, and would be smoothed away."""
    scan = grainy((72, 72, 16), (1.0, 1.0, 4.0))
    white, total = estimate_sigma(scan.data, (0, 1)), estimate_sigma_of_slices(scan.data, (0, 1), acquired_apart=True)
    assert total > 1.4 * white
    region = ((30, 30, 4), (40, 40, 10))
    found = enhance(scan, SILENT, EnhanceSettings(factors=factors, region=region, force=True)).record.noise_sigma
    assert found == pytest.approx(total if counts else white, rel=1e-5)


def test_a_degraded_scan_comes_back_on_its_own_grid():
    reference = head((18, 20, 18))
    coarse, acquisition = degrade(reference, TASKS["thick3"])
    result = enhance(coarse, MODEL, QUIET, acquisition)
    assert result.volume.shape == reference.shape
    np.testing.assert_allclose(result.volume.affine, reference.to_ras().affine, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 2, 9), (5, 30, 2)])
def test_tiny_scans_are_enhanced_too(shape):
    data = np.random.default_rng(1).normal(100, 20, shape).astype(np.float32)
    result = enhance(Volume(data, affine()), MODEL)
    assert result.volume.shape == tuple(2 * n for n in shape)


# --- samples ----------------------------------------------------------------------------------------------------------


@each_mode
def test_the_same_seed_gives_the_same_bits(mode):
    ours, theirs = (enhance(SLICES, MODEL, of_mode(mode)) for _ in range(2))
    np.testing.assert_array_equal(ours.volume.data, theirs.volume.data)
    if mode == "uncertainty":
        np.testing.assert_array_equal(ours.uncertainty.data, theirs.uncertainty.data)


def test_another_seed_gives_another_sample_and_the_same_mean():
    ours, theirs = (enhance(SLICES, MODEL, of_mode("sample", seed=seed)).volume for seed in (1, 2))
    assert difference(ours, theirs) > 1e-3
    ours, theirs = (enhance(SLICES, MODEL, of_mode("mean", seed=seed)).volume for seed in (1, 2))
    np.testing.assert_array_equal(ours.data, theirs.data)


@pytest.mark.parametrize(("mode", "tile"), [("mean", 8), ("sample", 12), ("sample", 21), ("uncertainty", 40)])
def test_another_tile_gives_the_same_result(mode, tile):
    scan = head((7, 9, 13), (1.0, 1.0, 6.0))  # 78 voxels along one axis: farther than the network sees
    whole, parts = (enhance(scan, MODEL, of_mode(mode, tile=size)) for size in (None, tile))
    assert difference(parts.volume, whole.volume) < 1e-3
    if mode == "uncertainty":
        assert np.abs(parts.uncertainty.data - whole.uncertainty.data).max() < 1e-3 * range_of(scan)


def test_the_blend_goes_from_the_mean_to_the_sample():
    mean = enhance(SLICES, MODEL, of_mode("mean")).volume.data
    blended = [enhance(SLICES, MODEL, of_mode("sample", blend=blend)).volume.data for blend in (0.0, 0.5, 1.0)]
    np.testing.assert_array_equal(blended[0], mean)
    np.testing.assert_allclose(blended[1], (blended[0] + blended[2]) / 2, atol=1e-4 * range_of(SLICES))


def test_the_uncertainty_is_how_samples_differ_from_the_mean():
    result = enhance(SLICES, MODEL, of_mode("uncertainty", samples=3))
    np.testing.assert_array_equal(result.volume.data, enhance(SLICES, MODEL, of_mode("mean")).volume.data)
    assert result.uncertainty.data.min() >= 0
    assert result.uncertainty.data.max() > 0
    assert enhance(SLICES, MODEL, of_mode("mean")).uncertainty is None
    assert enhance(SLICES, MODEL, of_mode("sample")).uncertainty is None


def test_more_samples_begin_with_the_same_samples():
    """Sample 0 of an uncertainty is the one that mode "sample" shows: with two samples the second follows from both."""
    two = enhance(SLICES, MODEL, of_mode("uncertainty", samples=2))
    mean, first = two.volume.data, enhance(SLICES, MODEL, of_mode("sample")).volume.data
    at_least = ndimage.gaussian_filter((first - mean) ** 2, BLUR_VOX)
    assert np.all(2 * two.uncertainty.data**2 >= at_least - 1e-6 * range_of(SLICES) ** 2)


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_every_sampler_gives_a_sample_that_is_true_to_the_scan(sampler):
    """Each takes its own way from the same noise; where the scan has no noise, A x = y."""
    asked = of_mode("sample", noise=0.0, sampler=sampler, steps=3)
    result = enhance(SLICES, MODEL, asked)
    seen = acquisition_of(SLICES).op(torch.from_numpy(np.array(result.volume.data))).numpy()
    assert np.abs(seen - SLICES.data).max() < 1e-3 * range_of(SLICES)
    others = [enhance(SLICES, MODEL, dataclasses.replace(asked, sampler=one)).volume for one in ("dpm2m", "euler")]
    assert any(difference(result.volume, other) > 1e-6 for other in others)


def test_a_sampler_with_fresh_noise_repeats_with_its_seed_and_changes_with_it():
    first, again, other = (
        enhance(SLICES, MODEL, of_mode("sample", sampler="ancestral", steps=3, seed=seed)).volume for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.data, again.data)
    assert difference(first, other) > 1e-3


def test_every_step_of_a_sample_can_be_watched():
    seen = {}
    enhance(SLICES, MODEL, of_mode("sample", steps=4), on_state=seen.__setitem__)
    assert sorted(seen) == [0, 1, 2, 3]
    assert all(step.noisy.shape == (18, 20, 18) for step in seen.values())


# --- progress, envelope, record ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "evaluations"), [("mean", 2), ("sample", 4), ("uncertainty", 6)])
@pytest.mark.parametrize(("tile", "n_tiles"), [(None, 1), (16, 8)])
def test_progress_counts_up_to_its_total(mode, evaluations, tile, n_tiles):
    seen = []
    enhance(SLICES, MODEL, of_mode(mode, tile=tile), on_progress=lambda *report: seen.append(report))
    total = evaluations * n_tiles * MODEL.n_layers
    assert seen == [("network", number, total) for number in range(1, total + 1)]


NARROW = tiny_model(envelope=Envelope(modalities=("CT",), max_factor=2.0))


def test_outside_the_envelope_nothing_is_done_unless_forced():
    seen = []
    with pytest.raises(EnvelopeError, match=r"modality MR .*factor 3 .*--force goes on") as caught:
        enhance(SLICES, NARROW, QUICK, on_progress=lambda *report: seen.append(report))
    assert "\n" not in str(caught.value)
    assert seen == []
    record = enhance(SLICES, NARROW, dataclasses.replace(QUICK, force=True)).record
    assert record.envelope == "outside"
    assert any("modality MR" in warning for warning in record.warnings)
    assert enhance(SLICES, MODEL, QUICK).record.envelope == "inside"


def test_a_constant_scan_is_refused():
    with pytest.raises(InputError, match="constant image"):
        enhance(SLICES.with_data(np.full(SLICES.shape, 7, np.float32)), MODEL)


def test_an_acquisition_of_another_scan_is_refused():
    other = acquisition_of(head((18, 20, 7), (1.0, 1.0, 3.0)))
    with pytest.raises(UsageError, match="the scan has"):
        enhance(SLICES, MODEL, QUICK, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "best"},
        {"blend": 1.5},
        {"blend": float("nan")},
        {"samples": 1},
        {"steps": 0},
        {"seed": -1},
        {"seed": 2**64},
        {"noise": -1.0},
        {"noise": float("inf")},
        {"noise": float("nan")},
        {"tile": 0},
        {"tile": -8},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError) as caught:
        EnhanceSettings(**wrong)
    assert "\n" not in str(caught.value)


def test_the_largest_seed_is_a_seed():
    enhance(SLICES, MODEL, of_mode("sample", seed=2**64 - 1))


def test_the_record_says_what_was_done_and_nothing_of_where():
    scan = dataclasses.replace(SLICES, source=Source("nifti", "ab" * 32, "int16", "T1w", ("qform used",)))
    record = enhance(scan, MODEL, of_mode("sample", blend=0.4)).record
    content = json.loads(record.to_json())
    assert content["input"]["content_sha256"] == "ab" * 32
    assert content["input"]["shape"] == [18, 20, 6]
    assert content["model"] == {"name": "tiny", "version": "0", "sha256": "0" * 64}
    assert content["settings"] == of_mode("sample", blend=0.4).facts()
    assert not {"model", "device", "input", "output"} & set(content["settings"])  # what may name a path
    assert content["task"] == acquisition_of(scan).summary()
    assert content["device"] == "cpu, float32"
    assert content["warnings"] == ["qform used"]
    assert set(content["seconds"]) == {"start", "network", "finish"}
    assert content["peak_memory_bytes"] > 2**20
    text = record.to_json()
    assert "/" not in text.replace(content["notice"], "")
    assert ".nii" not in text


def test_a_guessed_modality_is_in_the_record_and_one_that_is_told_takes_its_place():
    scan = noisy_head()
    guessed = dataclasses.replace(scan, source=Source(modality_guessed=True, modality_doubt="it may be a CT"))
    asked = EnhanceSettings(flips=0, force=True)
    record = enhance(guessed, tiny_model(silent=True), asked).record
    assert record.input["modality_guessed"]
    assert "the modality was guessed to be MR: it may be a CT; give --modality" in record.warnings
    record = enhance(guessed, tiny_model(silent=True), dataclasses.replace(asked, modality="MR")).record
    assert not record.input["modality_guessed"]
    assert not any("guessed" in text for text in record.warnings)


def test_padding_of_a_ct_that_was_taken_for_an_mr_is_found_once_it_is_told():
    scan = noisy_head(modality="CT")
    corner = np.indices(scan.shape)[:2].sum(axis=0) < 12
    padded = dataclasses.replace(scan.with_data(np.where(corner, np.float32(-3024), scan.data)), modality="MR")
    guessed = dataclasses.replace(padded, source=Source(modality_guessed=True))
    record = enhance(guessed, tiny_model(silent=True), EnhanceSettings(flips=0, force=True, modality="CT")).record
    assert f"padding voxels set to the lowest measured value: {np.count_nonzero(corner)}" in record.warnings


def test_a_system_that_does_not_tell_peak_memory_enhances_all_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows, which has no such module
    result = enhance(head((12, 12, 8)), tiny_model(silent=True), EnhanceSettings(flips=0, force=True))
    assert result.record.peak_memory_bytes == 0


def test_long_work_tells_what_it_needs_before_it_begins(monkeypatch):
    scan, told = head((24, 24, 12), (1.0, 1.0, 2.0)), []
    enhance(scan, SILENT, EnhanceSettings(flips=0), on_estimate=told.append)
    assert told == []
    monkeypatch.setattr("medsr.enhancement.enhancement.LONG_VOXELS", 24 * 24 * 24)
    enhance(scan, SILENT, EnhanceSettings(flips=0), on_estimate=told.append)
    enhance(scan, SILENT, EnhanceSettings(flips=1, region=((0, 0, 0), (24, 24, 6))), on_estimate=told.append)
    assert [(needs.shape, needs.evaluations, needs.n_blocks) for needs in told[:1]] == [((24, 24, 24), 1, 1)]
    assert told[1].evaluations == 2
    assert told[1].shape[2] <= 24


def test_one_sample_has_no_deviation_and_the_message_says_what_to_ask_for():
    with pytest.raises(UsageError, match="samples is 1; expected at least 2, or 0"):
        EnhanceSettings(samples=1)
