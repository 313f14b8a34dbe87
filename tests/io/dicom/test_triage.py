"""Every file of a tree in a volume or left out with a reason, and volumes as reading gives them."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic, write_enhanced
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine
from pydicom.uid import EnhancedSRStorage, SecondaryCaptureImageStorage

from medsr.errors import GeometryError, InputError
from medsr.io.dicom.reading import read_dicom, read_found
from medsr.io.dicom.triage import triage

DATA = np.random.default_rng(0).integers(0, 2000, (6, 5, 4)).astype(np.int16)
MATRIX = affine((1, 1.5, 3), turn_deg=(5, 10, -20), flips=(-1, -1, 1))


def set_tags(**tags):
    return lambda dataset, k: [
        setattr(dataset, name, value(k) if callable(value) else value) for name, value in tags.items()
    ]


def accounted(found, folder):
    """Every file once: used, or left out."""
    used = {path for volume in found.volumes for path in volume.paths}
    left = [left.path for left in found.left_out]
    on_disk = {path for path in folder.rglob("*") if path.is_file()}
    return len(left) == len(set(left)) and used.isdisjoint(left) and used | set(left) == on_disk


def reasons(found):
    return Counter(left.reason for left in found.left_out)


def test_a_tree_is_sorted_to_the_last_file(tmp_path):
    first = write_classic(tmp_path / "a", DATA, MATRIX, prefix="one")
    write_classic(tmp_path / "b" / "deep", DATA, MATRIX, prefix="two", modality="CT")
    (tmp_path / "b" / "shallow").mkdir()
    first[1].rename(tmp_path / "b" / "shallow" / SECRET)
    shutil.copy(first[2], tmp_path / "b" / "copy.dcm")
    report = set_tags(SOPClassUID=EnhancedSRStorage, Modality="SR")
    write_classic(tmp_path / "c", DATA[:, :, :1], MATRIX, prefix="report", edit=report)
    stray = set_tags(SOPClassUID=SecondaryCaptureImageStorage, StudyInstanceUID="1.2.3")
    write_classic(tmp_path / "c", DATA[:, :, :1], MATRIX, prefix="stray", edit=stray)
    scout = set_tags(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_classic(tmp_path / "c", DATA, MATRIX, prefix="scout", edit=scout)
    adc = set_tags(ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "ADC"])
    write_classic(tmp_path / "c", DATA, MATRIX, prefix="adc", edit=adc)
    (bare,) = write_classic(tmp_path / "c", DATA[:, :, :1], MATRIX, prefix="bare", syntax="1.2.840.10008.1.2")
    bare.write_bytes(bare.read_bytes()[bare.read_bytes().index(b"\x08\x00\x08\x00") :])
    (directory,) = write_classic(tmp_path / "c", DATA[:, :, :1], MATRIX, prefix="directory")
    directory.write_bytes(
        directory.read_bytes().replace(b"1.2.840.10008.5.1.4.1.1.4\0", b"1.2.840.10008.1.3.10\0".ljust(26, b"\0"))
    )
    (tmp_path / f"{SECRET}.txt").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")

    found = triage(tmp_path)
    assert accounted(found, tmp_path)
    assert found.n_files == 23
    assert [(v.study, v.name, v.modality, len(v.paths)) for v in found.volumes] == [
        (1, "1", "MR", 4),
        (1, "2", "CT", 4),
    ]
    assert reasons(found) == {
        "not DICOM": 2,
        "identical copy of a file that is used": 1,
        "not an MR or CT image: Enhanced SR Storage (SR)": 1,
        "not an MR or CT image: Secondary Capture Image Storage (MR)": 1,
        "a localizer": 4,
        "computed map (ADC)": 4,
        "DICOM without preamble: rewrite it as Part 10, for example with dcmconv": 1,
        "DICOMDIR": 1,
    }
    assert [left.reason for left in found.left_out if left.status == "companion"] == [
        "not an MR or CT image: Enhanced SR Storage (SR)"
    ]
    assert SECRET not in repr([(v.reason, v.mixed) for v in found.volumes]) + repr(reasons(found))


@pytest.mark.parametrize("threads", [1, 8])
def test_threads_change_nothing_but_the_time(tmp_path, threads):
    for name in "abc":
        write_classic(tmp_path / name, DATA, MATRIX, prefix=name)
    filters = list(warnings.filters)
    calls = []
    found = triage(tmp_path, lambda done, total: calls.append((done, total)), threads)
    assert [[path.parent.name for path in volume.paths] for volume in found.volumes] == [[name] * 4 for name in "abc"]
    assert calls == [(n, 12) for n in range(1, 13)]
    assert warnings.filters == filters


def test_what_a_triage_finds_is_what_reading_gives(shared_data):
    for name in ("ct_body_overlap_siemens_j2k", "mr_pcasl_4mm_philips_enhanced", "mr_brain_pd_7mm_ge_rle"):
        (found,) = triage(shared_data / "dicom" / name).volumes
        (scan,) = read_found(found)
        (volume,) = read_dicom(shared_data / "dicom" / name)
        np.testing.assert_array_equal(scan.volume.data, volume.data)
        np.testing.assert_array_equal(scan.volume.affine, volume.affine)
        assert scan.volume.source == volume.source
        assert (found.stacks[0].shape, found.stacks[0].thickness_mm) == (volume.shape, volume.thickness_mm)


READABLE = {  # volumes, and time points of each
    "bad_duplicate_file": (1, 1),
    "bad_localizer_three_planes": (3, 1),
    "bad_mixed_nondicom": (1, 1),
    "bad_two_echoes": (4, 1),
    "bad_two_echoes_enhanced": (2, 1),
    "bad_two_series": (2, 1),
    "bad_two_time_points": (1, 2),
    "bad_two_volumes_enhanced": (2, 1),
}


def test_all_shared_folders_are_accounted_for(shared_data):
    for folder in sorted(path for path in (shared_data / "dicom").iterdir() if path.is_dir()):
        found = triage(folder)
        assert accounted(found, folder), folder.name
        readable = [len(volume.stacks) for volume in found.volumes if volume.stacks]
        n_volumes, n_times = READABLE.get(folder.name, (0 if folder.name.startswith("bad") else 1, 1))
        assert readable == [n_times] * n_volumes, folder.name


def test_echoes_of_a_real_series_are_told_apart_and_read_one_by_one(shared_data):
    found = triage(shared_data / "dicom" / "bad_two_echoes")
    assert [volume.mixed for volume in found.volumes] == [
        f"echo time {echo} ms, {kind}" for kind in ("magnitude", "phase") for echo in ("7", "10")
    ]
    scans = [scan for volume in found.volumes for scan in read_found(volume)]
    assert len({scan.volume.source.content_sha256 for scan in scans}) == 4
    assert {scan.volume.shape for scan in scans} == {(96, 96, 4)}


def test_time_points_are_read_in_order(tmp_path):
    for t in (2, 1, 3):
        edit = set_tags(TemporalPositionIdentifier=t)
        write_classic(tmp_path, DATA + t, MATRIX, prefix=f"{9 - t}", series_uid="1.2.3", edit=edit)
    (found,) = triage(tmp_path).volumes
    scans = read_found(found)
    assert [int((scan.volume.data - DATA).max()) for scan in scans] == [1, 2, 3]
    assert all((scan.volume.data - DATA == t).all() for t, scan in enumerate(scans, 1))
    with pytest.raises(GeometryError, match=r"3 volumes of 4 slices .* differing in time point"):
        read_dicom(tmp_path)


def test_volumes_of_one_enhanced_file_share_it(tmp_path):
    def twice(dataset, _):
        for k, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            frame.PlanePositionSequence = dataset.PerFrameFunctionalGroupsSequence[k % 2].PlanePositionSequence
            frame.FrameContentSequence = [type(frame)()]
            frame.FrameContentSequence[0].TemporalPositionIndex = k // 2 + 1

    path = write_enhanced(tmp_path / "a.dcm", DATA, MATRIX, edit=twice)
    found = triage(tmp_path)
    assert accounted(found, tmp_path)
    (volume,) = found.volumes
    assert volume.paths == (path,)
    first, second = read_found(volume)
    np.testing.assert_array_equal(first.volume.data, DATA[:, :, :2])
    np.testing.assert_array_equal(second.volume.data, DATA[:, :, 2:])


def test_what_nothing_tells_apart_is_not_guessed(tmp_path):
    for prefix in (1, 2):
        edit = set_tags(SOPInstanceUID=lambda k, prefix=prefix: f"1.2.{prefix}.{k}")
        write_classic(tmp_path, DATA, MATRIX, prefix=str(prefix), series_uid="1.2.3", edit=edit)
    (found,) = triage(tmp_path).volumes
    assert "differing in nothing but pixels" in found.reason
    with pytest.raises(GeometryError, match="volume 1: 2 volumes of 4 slices"):
        read_found(found)


def test_a_damaged_slice_spoils_its_series_and_no_other(tmp_path):
    paths = write_classic(tmp_path / "a", DATA, MATRIX, prefix="a")
    write_classic(tmp_path / "b", DATA, MATRIX, prefix="b")
    paths[3].write_bytes(paths[3].read_bytes()[:-20])
    found = triage(tmp_path)
    assert accounted(found, tmp_path)
    assert [volume.reason for volume in found.volumes] == ["1 file of this series: pixel data are truncated", ""]


def test_files_without_series_uid_are_one_series_a_folder(tmp_path):
    for name in "ab":
        write_classic(tmp_path / name, DATA, MATRIX, prefix=name, edit=set_tags(SeriesInstanceUID=""))
    assert [len(volume.paths) for volume in triage(tmp_path).volumes] == [4, 4]


def test_a_path_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("hello")
    for name in ("file", "missing"):
        with pytest.raises(InputError, match=f"{name}: "):
            triage(tmp_path / name)
    assert triage(tmp_path).n_files == 1


@given(data=st.data())
def test_damaged_files_are_accounted_for(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    paths = write_classic(folder, DATA[:, :, :2], MATRIX)
    paths.append(write_enhanced(folder / "e.dcm", DATA, MATRIX))
    path = data.draw(st.sampled_from(paths))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    found = triage(folder)
    assert accounted(found, folder)
    assert all("\n" not in volume.reason for volume in found.volumes)
