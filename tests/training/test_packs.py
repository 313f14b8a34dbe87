"""Laws of packs: what goes in comes out, a subject stays whole, and what was changed is refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phantoms import affine, head

from medsr.errors import InputError, OutputError, ResourceError
from medsr.model.intensity import Scale
from medsr.training import packs
from medsr.training.packs import INDEX, PackedScan, packed, packs_sha256, read_packs, write_packs


def noise_scan(name, subject, n=10, seed=0):
    data = np.random.default_rng(seed).integers(-3000, 3000, (n, n, n)).astype(np.int16)
    return PackedScan(name, subject, "MR", (1.0, 1.0, 2.0), Scale(-10.0, 500.0), data)


def some_scans(n_subjects=3, n_scans=2, n=10):
    return [
        noise_scan(f"sub-{s:02d}_{c}", f"sub-{s:02d}", n, seed=10 * s + c)
        for s in range(n_subjects)
        for c in range(n_scans)
    ]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        assert a.data.dtype == b.data.dtype == np.int16
        facts = {"data": np.zeros(1, np.int16)}
        assert repr(dataclasses.replace(a, **facts)) == repr(dataclasses.replace(b, **facts))


def test_what_is_packed_is_read(tmp_path):
    write_packs(some_scans(), tmp_path / "new" / "folder")
    assert_same(read_packs(tmp_path / "new" / "folder"), some_scans())


def test_packing_is_reproducible(tmp_path):
    for name in ("a", "b"):
        write_packs(some_scans(), tmp_path / name)
    assert packs_sha256(tmp_path / "a") == packs_sha256(tmp_path / "b")
    write_packs(some_scans(2), tmp_path / "b")
    assert packs_sha256(tmp_path / "a") != packs_sha256(tmp_path / "b")


def test_a_packed_scan_runs_right_anterior_superior_in_whole_numbers():
    volume = head((20, 24, 16), (1.0, 1.0, 1.5))
    stored = volume.with_data(
        np.ascontiguousarray(volume.data.T[::-1]), affine((1.5, 1.0, 1.0), axes=(2, 1, 0), flips=(-1, 1, 1))
    )
    ours, theirs = packed(volume, "sub-1_T1w", "sub-1"), packed(stored, "sub-1_T1w", "sub-1")
    assert_same([theirs], [ours])
    assert ours.spacing_mm == (1.0, 1.0, 1.5)
    assert np.abs(ours.data - volume.data).max() <= 0.5


@pytest.mark.parametrize(
    ("spacing", "degradable"),
    [
        ((1.0, 1.0, 1.0), (True, True, True)),
        ((1.0, 1.0, 1.59), (True, True, True)),
        ((0.9, 0.9, 5.0), (True, True, False)),
        ((5.0, 0.9, 0.9), (False, True, True)),
    ],
)
def test_coarse_axes_are_not_degradable(spacing, degradable):
    assert packed(head((10, 10, 10), spacing), "sub-1", "sub-1").degradable == degradable


@pytest.mark.parametrize(("gain", "match"), [(100.0, "do not fit 16 bits"), (0.001, "multiply them by 1000")])
def test_values_that_whole_numbers_cannot_hold_are_refused(gain, match):
    volume = head((10, 12, 10))
    with pytest.raises(InputError, match=match):
        packed(volume.with_data(volume.data * np.float32(gain)), "sub-1_T1w", "sub-1")


# --- size and subjects ------------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=6), st.integers(4, 8))
def test_no_pack_is_too_large_and_no_subject_is_in_two(tmp_path_factory, monkeypatch, counts, n):
    folder = tmp_path_factory.mktemp("packs")
    monkeypatch.setattr(packs, "MAX_PACK_BYTES", 3 * (2 * n**3 + 1000))
    scans = [noise_scan(f"sub-{s}_{c}", f"sub-{s}", n) for s, count in enumerate(counts) for c in range(count)]
    paths = write_packs(scans, folder)
    assert all(path.stat().st_size <= packs.MAX_PACK_BYTES for path in paths)
    assert_same(read_packs(folder), scans)
    index = json.loads((folder / INDEX).read_text())["packs"]
    homes = [{name.split("_")[0] for name in entry["scans"]} for entry in index]
    assert sum(len(home) for home in homes) == len(set.union(*homes)) == len(counts)


def test_the_limit_is_40_mebibytes():
    assert packs.MAX_PACK_BYTES == 40 * 2**20


def test_a_subject_too_large_for_a_pack_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "MAX_PACK_BYTES", 2000)
    with pytest.raises(ResourceError, match="sub-00 needs"):
        write_packs(some_scans(), tmp_path)


def test_a_subject_whose_scans_are_not_in_a_row_is_refused(tmp_path):
    first, second, *_ = some_scans(1)
    with pytest.raises(InputError, match="sub-00 are not in a row"):
        write_packs([first, noise_scan("sub-01_0", "sub-01"), second], tmp_path)


def test_two_scans_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="two scans are called sub-00_0"):
        write_packs([some_scans()[0], some_scans()[0]], tmp_path)


# --- damage -----------------------------------------------------------------------------------------------------------


def refused(folder, match):
    with pytest.raises(InputError, match=match) as caught:
        read_packs(folder)
    assert "\n" not in str(caught.value)


def test_a_changed_pack_is_refused(tmp_path):
    path = write_packs(some_scans(), tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(tmp_path, "differs from its checksum")


def test_a_missing_pack_or_index_is_refused(tmp_path):
    refused(tmp_path, "holds no readable packs")
    write_packs(some_scans(), tmp_path)[0].unlink()
    refused(tmp_path, "holds no readable packs")


@pytest.mark.parametrize(
    "index", ["", "[]", "3", "{}", '{"packs": 3}', '{"packs": [{}]}', '{"packs": [{"file": "packs.json"}]}']
)
def test_an_index_that_makes_no_sense_is_refused(tmp_path, index):
    (tmp_path / INDEX).write_text(index)
    refused(tmp_path, "holds no readable packs")


def test_a_file_that_is_not_a_pack_is_refused_even_with_its_checksum(tmp_path):
    import hashlib

    path = write_packs(some_scans(), tmp_path)[0]
    path.write_bytes(b"not a pack")
    digest = hashlib.sha256(b"not a pack").hexdigest()
    (tmp_path / INDEX).write_text(json.dumps({"packs": [{"file": path.name, "sha256": digest}]}))
    refused(tmp_path, "is not a pack of this version")


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="can't be made"):
        write_packs(some_scans(), tmp_path / "file" / "packs")
