"""The envelope's verdict: training-like scans are inside, odd ones at the edge, broken ones outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantoms import head
from phantoms import noisy_head as scan
from tiny_models import EVERYTHING, tiny_model

from medsr.enhancement import enhancement, sample_check
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.envelope import judge
from medsr.enhancement.piece import enhance_piece
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.whole import Whole
from medsr.errors import EnvelopeError
from medsr.io import load
from medsr.model import DEFAULT_MODEL
from medsr.model.packaged import packaged_models
from medsr.model.spec import Envelope
from medsr.model.usual_ranges import usual_ranges
from medsr.model.weights import sealed_weights
from medsr.model.weights_file import describe_model
from medsr.physics.acquisition import acquisition_of
from medsr.physics.tasks import Task, degrade
from medsr.samples import sample_path


@pytest.fixture(scope="module")
def envelope():
    return replace(
        EVERYTHING, statistics=usual_ranges(scan(n, modality) for modality in ("MR", "CT") for n in range(3))
    )


def verdict(volume, envelope, **options):
    return judge(volume, acquisition_of(volume), envelope, **options)


BROKEN = {
    "inverted": lambda data: data.max() - data,
    "noise alone": lambda data: np.random.default_rng(0).standard_normal(data.shape),
    "very noisy": lambda data: data + 250 * np.random.default_rng(0).standard_normal(data.shape),
    "label map": lambda data: np.digitize(data, (50, 300, 500)),
    "saturated": lambda data: np.minimum(data, np.percentile(data, 60)),
    "repeated": lambda data: np.repeat(data[..., ::2], 2, axis=2),
    "signed": lambda data: data - np.roll(data, 3, axis=0),
}


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_a_scan_like_those_of_training_is_inside(envelope, modality):
    found = verdict(scan(9, modality), envelope)
    assert (found.level, found.objections, found.notices) == ("inside", (), ())


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_scan_is_outside_and_the_number_is_named(envelope, kind):
    volume = scan(9)
    found = verdict(volume.with_data(np.asarray(BROKEN[kind](np.array(volume.data)), np.float32)), envelope)
    assert found.level == "outside", found
    assert "usual:" not in found.said("it")
    assert any("usual:" in number for number in found.measured)
    assert found.distance > 1


def z_scored(data):
    return (data - data.mean()) / data.std()


def with_a_marker(data):
    data[20:22, 20:22, 20:22] = 20 * data.max()
    return data


def with_undershoot(data):
    data[20, 20, 20:24] = -data.max()
    return data


ORDINARY = {
    "undershoot of a resampling": with_undershoot,
    "z-scored": z_scored,
    "offset": lambda data: data - 1000,
    "marker": with_a_marker,
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_an_ordinary_scan_stays_admitted_however_it_is_stored(envelope, kind):
    volume = scan(9)
    found = verdict(volume.with_data(ORDINARY[kind](np.array(volume.data)).astype(np.float32)), envelope)
    assert found.objections == (), found


def test_a_tight_crop_of_a_real_scan_is_admitted_by_the_shipped_model():
    sample = load(sample_path())
    crop = sample.with_data(np.ascontiguousarray(sample.data[50:120, 60:140, 60:120]))
    found = verdict(crop, describe_model(packaged_models()[DEFAULT_MODEL]).envelope)
    assert found.objections == (), found


def test_metal_is_a_notice_about_the_detail_beside_it(envelope):
    volume = scan(9, "CT")
    data = np.array(volume.data)
    data[20:24, 20:24, 20:22] = 30710
    found = verdict(volume.with_data(data), envelope)
    assert found.level == "edge"
    assert any("metal" in text for text in found.notices)


def test_blank_and_repeated_slices_are_named(envelope):
    volume = scan(9)
    data = np.array(volume.data)
    data[:, :, 20] = 0
    data[:, :, 30:32] = data[:, :, 29:30]
    thick = replace(volume.with_data(data), slice_axis=2)
    said = verdict(thick, envelope).notices
    assert "along axis 2 slice 20 is blank, so detail there is made up" in said
    assert "along axis 2 slices 30, 31 are the same as the one before, so detail there is made up" in said
    data[:, :, :3] = data[:, :, -3:] = 0
    assert "along axis 2 slice 20 is blank, so detail there is made up" in verdict(thick, envelope).notices


@pytest.mark.parametrize(
    "contrast, level, said",
    [
        ("angio", "outside", "angiography"),
        ("dwi", "outside", "diffusion"),
        ("asl", "outside", "perfusion"),
        ("PDw", "edge", "PDw"),
        ("T1w", "inside", ""),
        ("", "inside", ""),
    ],
)
def test_a_contrast_is_judged_by_its_name(envelope, contrast, level, said):
    volume = replace(scan(9), source=replace(scan(9).source, contrast=contrast))
    for voxels in (True, False):
        found = verdict(volume, envelope, voxels=voxels)
        assert found.level == level
        assert said in found.said("it")


def test_slices_out_of_order_are_not_inside(envelope):
    volume = scan(9)
    order = np.random.default_rng(0).permutation(volume.shape[2])
    found = verdict(volume.with_data(np.ascontiguousarray(volume.data[..., order])), envelope)
    assert found.level != "inside"
    assert any("slices" in text for text in (*found.objections, *found.notices))


@pytest.mark.parametrize("mode", ["mean", "sample"])
def test_a_scan_outside_is_refused_before_the_network_is_tried_on_it(monkeypatch, mode):
    """A soft scan, whose profile is estimated and tried, and slices, of which a sample is tried."""
    soft = degrade(head((80, 96, 72)), Task("soft", factor=2, fwhm_mm=4.0))[0]
    refused = soft if mode == "mean" else head((30, 32, 8), (1.0, 1.0, 4.0))
    tries = []
    for module in (enhancement, sample_check):
        monkeypatch.setattr(
            module, "enhance_region", lambda *given, real=module.enhance_region: tries.append(1) or real(*given)
        )
    narrow, quick = (
        tiny_model(silent=True, envelope=replace(EVERYTHING, modalities=("CT",))),
        EnhanceSettings(mode=mode),
    )
    with pytest.raises(EnvelopeError, match="modality MR"):
        enhance(refused, narrow, replace(quick, steps=1))
    assert not tries
    enhance(refused, tiny_model(silent=True), replace(quick, steps=1, blend=0.0))
    assert tries


def test_a_wrong_modality_is_outside(envelope):
    assert verdict(replace(scan(9, "CT"), modality="MR"), envelope).level == "outside"
    assert verdict(replace(scan(9), modality="CT"), envelope).level == "outside"
    shifted = scan(9, "CT")
    assert verdict(shifted.with_data(shifted.data + 1024), envelope).level == "outside"


def test_a_little_too_much_noise_is_at_the_edge(envelope):
    found = verdict(scan(9, sigma=40.0), envelope)
    assert found.level == "edge"
    assert found.notices == ("the scan is very noisy",)
    assert found.measured[0].startswith("noise over the intensity range is 0.")


def test_without_ranges_or_for_a_part_the_grid_alone_is_judged(envelope):
    broken = scan(9).with_data(np.random.default_rng(0).standard_normal((48, 56, 44)).astype(np.float32))
    assert verdict(broken, EVERYTHING).level == "inside"
    assert verdict(broken, envelope, voxels=False).level == "inside"


@pytest.mark.parametrize(
    "limits, level",
    [
        ({}, "inside"),
        ({"max_factor_several": 2.05}, "edge"),
        ({"max_factor_several": 1.5}, "outside"),
        ({"max_coarse_mm": 2.55}, "edge"),
        ({"max_coarse_mm": 2.0}, "outside"),
    ],
)
def test_the_last_part_of_the_validated_grid_is_the_edge(limits, level):
    volume = scan()
    acquisition = acquisition_of(volume, factors=(2,))
    assert judge(volume, acquisition, replace(EVERYTHING, **limits)).level == level


def test_ranges_travel_with_the_weights(envelope, tmp_path):
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(sealed_weights(tiny_model(), envelope.statistics))
    assert describe_model(path).envelope == envelope


def test_enhance_refuses_warns_and_records(envelope):
    model = tiny_model(silent=True, envelope=envelope)
    edge = scan(9, sigma=40.0)
    record = enhance(edge, model).record
    assert record.envelope == "edge"
    assert "at the edge of the validated range: the scan is very noisy" in record.warnings
    assert any(text.startswith("noise over the intensity range is 0.") for text in record.envelope_measured)
    broken = edge.with_data(np.random.default_rng(0).standard_normal(edge.shape).astype(np.float32))
    with pytest.raises(EnvelopeError, match="inspect --verbose shows the numbers; --force goes on"):
        enhance(broken, model)
    assert enhance(broken, model, EnhanceSettings(force=True)).record.envelope == "outside"
    whole = Whole.of(broken, EnhanceSettings(), acquisition_of(broken))
    part = enhance_piece(broken, model, EnhanceSettings(), acquisition_of(broken), whole=whole)
    assert part.record.envelope == "inside"
    assert enhance(scan(9), model).record.envelope == "inside"


def test_the_default_envelope_judges_the_grid_alone():
    assert Envelope().statistics == {}
