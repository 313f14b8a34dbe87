"""Subjects and near-duplicates across sets: none in the shared sets, every planted one is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from card_folders import write_card
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import affine
from scipy import ndimage

from medsr.cards.leakage import DUPLICATE, fingerprint, likeness, near_duplicates, shared_subjects
from medsr.cards.manifest import read_manifest
from medsr.io import load
from medsr.volume import Volume


def textured(seed, shape=(60, 70, 50), spacing=(2.5, 2.5, 3.0)):
    """A scan of soft texture that differs from seed to seed."""
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5)
    return Volume(np.asarray(400 + 1500 * np.clip(texture, -0.2, 0.5), np.float32), affine(spacing))


def cropped(volume, share):
    """The middle part of a scan, at its place."""
    parts = [slice(int(n * share), int(n * (1 - share / 2))) for n in volume.shape]
    place = volume.affine.copy()
    place[:3, 3] += place[:3, :3] @ [part.start for part in parts]
    return replace(volume, data=np.array(volume.data[tuple(parts)]), affine=place)


def coarser(volume):
    """Every axis but the last resampled to 0.7 times the voxels."""
    shape = [round(0.7 * n) for n in volume.shape[:2]]
    factors = [m / n for m, n in zip(shape, volume.shape, strict=False)]
    data = ndimage.zoom(volume.data, (*factors, 1), order=1)
    return volume.with_data(data, volume.affine @ np.diag([1 / factors[0], 1 / factors[1], 1, 1]))


def noisy(volume):
    sigma = 0.05 * np.percentile(volume.data, 99)
    noise = np.random.default_rng(0).standard_normal(volume.shape)
    return volume.with_data(np.asarray(volume.data + sigma * noise, np.float32))


def other_contrast(volume):
    data = np.asarray(volume.data)
    return volume.with_data(np.sign(data) * np.abs(data) ** 0.7 + 40)


def stored_otherwise(volume):
    return volume.with_data(np.transpose(volume.data, (2, 0, 1)), volume.affine[:, [2, 0, 1, 3]])


def mirrored(volume):
    turned = volume.to_ras()
    return turned.with_data(np.ascontiguousarray(turned.data[::-1]))


COPIES = {
    "cropped": lambda volume: cropped(volume, 0.15),
    "coarser": coarser,
    "noisy": noisy,
    "other contrast": other_contrast,
    "stored otherwise": stored_otherwise,
    "mirrored": mirrored,
}


@pytest.fixture(scope="module")
def people():
    return {str(seed): fingerprint(textured(seed)) for seed in range(3)}


def test_a_scan_is_like_itself_and_unlike_others(people):
    assert likeness(people["0"], people["0"]) == pytest.approx(1, abs=1e-5)
    assert near_duplicates({"0": people["0"]}, {"1": people["1"], "2": people["2"]}) == ()


@pytest.mark.parametrize("kind", COPIES)
def test_a_planted_copy_is_found(people, kind):
    copy = fingerprint(COPIES[kind](textured(1)))
    found = near_duplicates(people, {"copy": copy})
    assert [(pair.first, pair.second) for pair in found] == [("1", "copy")]


@given(st.floats(0.1, 100), st.floats(-500, 500))
@settings(max_examples=5)
def test_the_unit_of_the_values_does_not_count(scale, offset):
    scan = textured(0, (30, 30, 30), (4.0, 4.0, 4.0))
    other = scan.with_data(np.asarray(scale * scan.data + offset, np.float32))
    assert likeness(fingerprint(scan), fingerprint(other)) == pytest.approx(1, abs=1e-2)


def test_a_constant_scan_is_like_nothing(people):
    flat = textured(0).with_data(np.ones((60, 70, 50), np.float32))
    assert likeness(fingerprint(flat), people["0"]) == 0


def test_shared_labels_names_and_files_are_found(tmp_path):
    first = read_manifest(write_card(tmp_path, "one", labels=("a01", "b01")))
    other = read_manifest(write_card(tmp_path, "two", labels=("c01", "b01"), seed=5))
    assert shared_subjects(first, other) == ["b01", "phantom person b01"]
    renamed = read_manifest(write_card(tmp_path, "three", labels=("d01", "e01")))
    assert shared_subjects(first, renamed) == ["a01", "b01"]
    assert shared_subjects(first, read_manifest(write_card(tmp_path, "four", labels=("f01", "g01"), seed=9))) == []


def test_names_count_within_their_source_alone(tmp_path):
    first = read_manifest(write_card(tmp_path, "one", cells={"subject": "patient01, study 1"}))
    same = read_manifest(write_card(tmp_path, "two", labels=("c01",), cells={"subject": "patient01, study 2"}, seed=5))
    cells = {"subject": "patient01", "source": "elsewhere"}
    other = read_manifest(write_card(tmp_path, "three", labels=("d01",), cells=cells, seed=7))
    assert shared_subjects(first, same) == ["phantom patient01"]
    assert shared_subjects(first, other) == []


@pytest.mark.slow
def test_the_shared_sets_hold_no_scan_twice_and_a_copy_would_be_found(shared_data):
    sets = {
        split: {path.name: fingerprint(load(path)) for path in sorted((shared_data / split).glob("*.nii.gz"))}
        for split in ("train", "validation")
    }
    assert near_duplicates(sets["train"], sets["validation"]) == ()
    for name in ("sub-bchadult01_T1w.nii.gz", "sub-cmbcrc01_CT.nii.gz", "sub-prostatex0218_T2w.nii.gz"):
        whole = load(shared_data / "validation" / name)
        copy = fingerprint(noisy(coarser(cropped(whole, 0.1))))
        planted = near_duplicates(sets["train"] | {"copy": copy}, {name: sets["validation"][name]})
        assert [pair.first for pair in planted] == ["copy"], name
        assert planted[0].correlation > DUPLICATE
