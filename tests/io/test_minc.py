"""MINC 1 against nibabel and against files put down by hand: places, values, and what a damaged file gives."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from minc_files import AXES, write_minc
from nibabel.testing import data_path
from phantoms import head
from scipy.io import netcdf_file

from medsr.errors import InputError, UsageError
from medsr.io import load, load_all, minc, save
from medsr.io.discover import discover
from medsr.io.formats import by_content, endings, suffix_for

SCAN = head((6, 7, 8), (1, 1.5, 2), turn_deg=(3, 40, 5))
WHOLE = np.rint(np.clip(SCAN.data, 0, 255))
NIBABELS = sorted(path for path in Path(data_path).glob("*.mnc") if path.read_bytes()[:3] == b"CDF")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scan.mnc"


def assert_as_nibabel(path):
    """Voxels and places are those of nibabel, which keeps the slowest axis first and time before it."""
    found, image = load_all(path), nib.load(path)
    values = np.asarray(image.dataobj)
    values = values.T.reshape(*found[0].shape, -1)
    for t, volume in enumerate(found):
        np.testing.assert_allclose(volume.data, values[..., t], rtol=1e-6)
        np.testing.assert_allclose(volume.affine, image.affine[:, [2, 1, 0, 3]], atol=1e-9)
    outline = by_content(path).outline(path)
    np.testing.assert_array_equal(outline.affine, found[0].affine)
    assert (outline.shape, outline.n_volumes) == (found[0].shape, len(found))


@pytest.mark.parametrize("theirs", NIBABELS, ids=lambda path: path.name)
def test_the_files_of_nibabel_are_read_as_nibabel_reads_them(theirs):
    assert_as_nibabel(theirs)


def test_nibabel_has_brought_its_files():
    assert len(NIBABELS) >= 4


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("limits", [(-3.0, 997.0), (np.arange(8.0), np.arange(8.0) * 10 + 900)])
@pytest.mark.parametrize("valid", [None, (0, 120), (120, 0)])
def test_whole_numbers_stand_for_the_range_of_the_image_or_slice(path, dtype, limits, valid):
    stored = np.rint(np.clip(SCAN.data, 0, 127)).astype(dtype)
    write_minc(path, stored, SCAN.affine, limits=limits, image={"valid_range": valid and np.array(valid, float)})
    info = np.iinfo(dtype)
    low, high = (0, 120) if valid else (info.min, info.max)
    lowest, highest = (np.broadcast_to(limit, 8) for limit in limits)
    expected = (np.clip(stored, low, high) - float(low)) / (high - low) * (highest - lowest) + lowest
    found = load(path)
    np.testing.assert_allclose(found.data, expected, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(found.affine, SCAN.affine, atol=1e-9)
    assert found.source.dtype == "float32"
    assert found.source.warnings == ()
    if valid != (120, 0):  # the order of the two says nothing, but nibabel takes them as they stand
        assert_as_nibabel(path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floating_point_numbers_stand_for_themselves(path, dtype):
    write_minc(path, SCAN.data.astype(dtype), SCAN.affine, limits=(0.0, 1.0))
    np.testing.assert_array_equal(load(path).data, SCAN.data)
    assert_as_nibabel(path)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_without_a_sign_type_bytes_alone_are_unsigned(path, dtype):
    write_minc(path, (WHOLE - (dtype != "uint8")).astype(dtype), SCAN.affine, limits=(0, 1), image={"signtype": None})
    info, found = np.iinfo(dtype), load(path)
    expected = (WHOLE - (dtype != "uint8") - float(info.min)) / (float(info.max) - info.min)
    np.testing.assert_allclose(found.data, expected, rtol=1e-6)


def test_whole_numbers_that_stand_for_themselves_stay_whole(path):
    write_minc(path, WHOLE.astype(np.int16), SCAN.affine, limits=(0, 255), image={"valid_range": np.array([0.0, 255])})
    found = load(path)
    np.testing.assert_array_equal(found.data, WHOLE)
    assert found.source.dtype == "int16"


@pytest.mark.parametrize("flipped", [(), ("xspace",), ("zspace", "yspace"), AXES])
def test_negative_steps_and_turned_axes_lead_to_the_same_place(path, flipped):
    write_minc(path, SCAN.data, SCAN.affine, flipped=flipped)
    found = load(path)
    np.testing.assert_allclose(found.affine, SCAN.affine, atol=1e-9)
    write_minc(path, SCAN.data, SCAN.affine, axes={axis: {"direction_cosines": None} for axis in AXES})
    np.testing.assert_allclose(load(path).affine[:3, :3], np.diag([1, 1.5, 2]), atol=1e-9)


@pytest.mark.parametrize("order", [("yspace", "zspace", "xspace"), ("xspace", "yspace", "zspace")])
def test_the_fastest_axis_comes_first_whatever_it_is_called(path, order):
    slices = np.arange(SCAN.shape[AXES.index(order[0])], dtype=float)
    write_minc(path, WHOLE.astype(np.uint8), SCAN.affine, order=order, limits=(slices, slices + 255))
    found, back = load(path), [AXES.index(axis) for axis in order[::-1]]
    along = slices.reshape([-1 if axis == order[0] else 1 for axis in AXES])
    np.testing.assert_allclose(found.data, np.transpose(WHOLE + along, back), atol=1e-4)
    np.testing.assert_allclose(found.affine[:, :3], SCAN.affine[:, back], atol=1e-9)
    np.testing.assert_allclose(found.affine[:, 3], SCAN.affine[:, 3], atol=1e-9)


@pytest.mark.parametrize("order", [("time", "zspace", "yspace", "xspace"), ("zspace", "time", "yspace", "xspace")])
def test_time_points_are_volumes_and_keep_their_time(path, order):
    both = np.stack([WHOLE, WHOLE / 2 // 1], axis=-1).astype(np.uint8)
    write_minc(path, both, SCAN.affine, order=order, limits=(0, 255))
    first, second = load_all(path)
    np.testing.assert_array_equal(first.data, WHOLE)
    np.testing.assert_array_equal(second.data, WHOLE / 2 // 1)
    assert (first.source.time_step, first.source.time_unit) == (2.5, "sec")
    write_minc(path, both, SCAN.affine, order=order, limits=(0, 255), axes={"time": {"units": b"scans"}})
    assert load_all(path)[0].source.time_step is None
    write_minc(path, both, SCAN.affine, order=order, limits=(0, 255), axes={"time": {"spacing": b"irregular"}})
    np.testing.assert_array_equal(load_all(path)[1].data, WHOLE / 2 // 1)


def test_the_study_tells_the_modality(path):
    for said, modality, guessed in ((b"MRI__", "MR", False), (b"CT___", "CT", False), (b"PET__", "MR", True)):
        write_minc(path, SCAN.data, SCAN.affine, modality=said)
        assert (load(path).modality, load(path).source.modality_guessed) == (modality, guessed)
    assert by_content(path).outline(path).modality is None


def test_offsets_of_64_bits_and_gzip_are_read(tmp_path):
    write_minc(tmp_path / "scan.mnc", SCAN.data, SCAN.affine, version=2)
    content = (tmp_path / "scan.mnc").read_bytes()
    assert content[:4] == b"CDF\x02"
    (tmp_path / "scan.mnc.gz").write_bytes(gzip.compress(content, mtime=0))
    for name in ("scan.mnc", "scan.mnc.gz"):
        np.testing.assert_array_equal(load(tmp_path / name).data, SCAN.data)
    assert [one.problem for one in discover(tmp_path).found] == ["", ""]


def test_a_header_without_steps_or_in_another_unit_says_so(path):
    write_minc(path, SCAN.data, SCAN.affine, axes={"yspace": {"step": None, "units": b"cm"}})
    found = load(path)
    assert [re.search(r"step of yspace|another unit", said)[0] for said in found.source.warnings] == [
        "step of yspace",
        "another unit",
    ]
    np.testing.assert_allclose(found.spacing_mm, (1, 1, 2))
    write_minc(path, SCAN.data, np.eye(4), axes={"yspace": {"spacing": None}})
    content = path.read_bytes()
    at = content.rindex(b"yspace\0\0")  # the variable of that axis, which the image alone doesn't need
    path.write_bytes(content[:at] + b"vspace" + content[at + 6 :])
    np.testing.assert_allclose(load(path).affine, np.eye(4), atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {"zspace": {"spacing": b"irregular"}}}, "not evenly spaced along zspace; .* mincresample"),
        ({"limits": None}, "unusual; .* mnc2nii"),
        ({"image": {"valid_range": np.array([0.0, 300.0])}}, "unusual; .* mnc2nii"),
        ({"image": {"valid_range": np.array([7.0, 7.0])}}, "NaN"),
        ({"image": {"signtype": b"neither_"}}, "unusual; .* mnc2nii"),
        ({"limits": (np.nan, 1.0)}, "NaN"),
        ({"limits": (0.0, np.inf)}, "NaN|infinite"),
    ],
)
def test_what_says_no_value_or_no_grid_is_refused(path, changes, message):
    write_minc(path, WHOLE.astype(np.uint8), SCAN.affine, **{"limits": (0.0, 1.0)} | changes)
    with pytest.raises(InputError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [(b"image\0", b"other\0", "without an image"), (b"yspace", b"vspace", "other axes than xspace, yspace, zspace")],
)
def test_netcdf_that_is_not_a_scan_is_refused(path, old, new, message):
    write_minc(path, SCAN.data, SCAN.affine)
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(InputError, match=message):
        load(path)


@pytest.mark.parametrize("part", [5, 50, 400, 900, -1000, -100])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_truncated_file_is_refused(tmp_path, part, zipped):
    write_minc(tmp_path / "whole.mnc", SCAN.data, SCAN.affine)
    content = (tmp_path / "whole.mnc").read_bytes()[:part]
    (tmp_path / "cut.mnc").write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError, match=r"cut\.mnc: .*(truncated|damaged)"):
        load(tmp_path / "cut.mnc")


def test_gzip_that_is_damaged_is_refused(tmp_path):
    write_minc(tmp_path / "scan.mnc", SCAN.data, SCAN.affine)
    content = bytearray(gzip.compress((tmp_path / "scan.mnc").read_bytes(), mtime=0))
    content[-8] ^= 1  # of its check sum
    (tmp_path / "scan.mnc.gz").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path / "scan.mnc.gz")


def test_a_header_that_declares_more_than_the_file_holds_is_refused(path):
    write_minc(path, SCAN.data, SCAN.affine)
    content = path.read_bytes()
    path.write_bytes(
        content.replace(b"yspace\0\0" + (7).to_bytes(4, "big"), b"yspace\0\0" + (70000).to_bytes(4, "big"))
    )
    for read in (load, lambda path: by_content(path).outline(path)):
        with pytest.raises(InputError, match="damaged, truncated"):
            read(path)
    path.write_bytes(content[:8] + b"\0\0\0\x0a" + b"\xff" * 8 + content[20:])  # four thousand million axes
    with pytest.raises(InputError, match="damaged, truncated"):
        load(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_inflates_beyond_the_limit_is_refused(path, monkeypatch, zipped):
    write_minc(path, SCAN.data, SCAN.affine)
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content + bytes(len(content))) if zipped else content)
    monkeypatch.setattr(minc, "MAX_BYTES", len(content) - (not zipped))
    with pytest.raises(InputError, match="holds more than the 0 GiB of MINC 1"):
        load(path)


def test_voxels_that_are_declared_over_and_over_are_not_read_over_and_over(path):
    with netcdf_file(path, "w") as file:
        file.createDimension("xspace", 100_000)
        for i in range(5):
            file.createVariable(f"v{i}", "b", ("xspace",))[...] = 0
    content = path.read_bytes()
    first = content.index(b"v0\0\0") + 28  # behind its name, axes, attributes, type and size
    offset = content[first : first + 4]
    assert int.from_bytes(offset, "big") == len(content) - 500_000
    for i in range(1, 5):
        at = content.index(f"v{i}\0\0".encode()) + 28
        content = content[:at] + offset + content[at + 4 :]
    path.write_bytes(content[:-400_000])
    with pytest.raises(InputError, match="damaged, truncated"):
        load(path)


def test_a_header_with_more_words_than_a_history_has_is_refused(path, monkeypatch):
    write_minc(path, SCAN.data, SCAN.affine)
    monkeypatch.setattr(minc, "MAX_READS", 50)
    with pytest.raises(InputError, match="damaged, truncated"):
        load(path)


def test_attributes_that_hide_what_nibabel_keeps_are_refused(path):
    for name in ("data", "typecode"):
        write_minc(path, SCAN.data, SCAN.affine, image={f"{name[:-1]}_": b"x"})
        path.write_bytes(path.read_bytes().replace(f"{name[:-1]}_".encode(), name.encode()))
        with pytest.raises(InputError, match="damaged, truncated"):
            load(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_minc_2_is_refused_with_what_converts_it(path, zipped):
    content = Path(data_path, "small.mnc").read_bytes()
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError, match="MINC 2 image becomes NIfTI with mnc2nii, or MINC 1 with mincconvert"):
        load(path)


def test_minc_is_not_written(path):
    with pytest.raises(UsageError, match=f"MINC is not written.*{re.escape(endings())}"):
        save(SCAN, path)
    assert not path.exists()
    assert (suffix_for("scan.mnc"), suffix_for("scan.mnc.gz")) == (".nii.gz", ".nii.gz")
