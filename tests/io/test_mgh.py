"""FreeSurfer's format against nibabel, both ways, and what a damaged or unoriented file gives."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
from phantoms import head

from medsr.errors import InputError, UsageError
from medsr.io import load, load_all, save
from medsr.io.formats import by_content

SCAN = head((6, 7, 8), (1, 1.5, 2), turn_deg=(3, 40, 5))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "uint16"])
@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
def test_what_nibabel_writes_is_read_as_it_lies(tmp_path, dtype, suffix):
    values = np.clip(SCAN.data, 0, 255).astype(dtype)
    image = nib.MGHImage(values, SCAN.affine)
    nib.save(image, tmp_path / f"scan{suffix}")
    found = load(tmp_path / f"scan{suffix}")
    np.testing.assert_array_equal(found.data, values)
    np.testing.assert_allclose(found.affine, image.affine, atol=1e-5)
    assert found.source.dtype == dtype
    assert found.source.warnings == ()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_nibabel_reads_what_is_written(tmp_path, dtype):
    scan = SCAN.with_data(np.rint(np.clip(SCAN.data, 0, 255)))
    save(scan, tmp_path / "scan.mgz", dtype=dtype)
    image = nib.load(tmp_path / "scan.mgz")
    assert image.get_data_dtype().newbyteorder("=") == np.dtype(dtype)
    np.testing.assert_array_equal(np.asarray(image.dataobj), scan.data)
    np.testing.assert_allclose(image.affine, scan.affine, atol=1e-5)


def test_equal_scans_give_equal_files(tmp_path):
    for name in ("a.mgz", "b.mgz"):
        save(SCAN, tmp_path / name)
    assert (tmp_path / "a.mgz").read_bytes() == (tmp_path / "b.mgz").read_bytes()


def test_frames_are_volumes_and_keep_their_time(tmp_path):
    image = nib.MGHImage(np.stack([SCAN.data, SCAN.data + 1], axis=-1), SCAN.affine)
    image.header["tr"] = 2500.0
    nib.save(image, tmp_path / "scan.mgz")
    first, second = load_all(tmp_path / "scan.mgz")
    np.testing.assert_array_equal(second.data, first.data + 1)
    assert (first.source.time_step, first.source.time_unit) == (2500.0, "msec")
    assert (load_all(tmp_path / "scan.mgz")[0].shape) == SCAN.shape


def test_a_type_that_freesurfer_does_not_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match="uint16"):
        save(SCAN, tmp_path / "scan.mgz", dtype="uint16")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_orientation_has_that_of_freesurfer_and_says_so(tmp_path):
    nib.save(nib.MGHImage(SCAN.data, SCAN.affine), tmp_path / "scan.mgh")
    content = bytearray((tmp_path / "scan.mgh").read_bytes())
    content[28:30] = b"\0\0"
    (tmp_path / "scan.mgh").write_bytes(content)
    found = load(tmp_path / "scan.mgh")
    np.testing.assert_allclose(found.affine, nib.MGHImage.from_bytes(bytes(content)).affine)
    np.testing.assert_allclose(found.spacing_mm, 1.0)
    assert "goodRASFlag" in found.source.warnings[0]


@pytest.mark.parametrize("length", [100, 284, 1000])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_truncated_file_is_refused(tmp_path, length, zipped):
    nib.save(nib.MGHImage(SCAN.data, SCAN.affine), tmp_path / "whole.mgh")
    content = (tmp_path / "whole.mgh").read_bytes()[:length]
    (tmp_path / "cut.mgz").write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError, match=r"cut\.mgz: "):
        load(tmp_path / "cut.mgz")


def test_a_header_that_declares_more_than_the_file_can_hold_is_refused_before_memory_is_asked_for(tmp_path):
    nib.save(nib.MGHImage(SCAN.data, SCAN.affine), tmp_path / "scan.mgh")
    content = bytearray((tmp_path / "scan.mgh").read_bytes())
    content[4:8] = (1000).to_bytes(4, "big")
    (tmp_path / "scan.mgh").write_bytes(content)
    for read in (load, lambda path: by_content(path).outline(path)):
        with pytest.raises(InputError, match="truncated or its header is damaged"):
            read(tmp_path / "scan.mgh")


@pytest.mark.parametrize("word, value", [(0, 2), (1, 0), (4, 1 << 20), (5, 2)])
def test_only_version_1_with_sizes_and_a_known_type_is_one(tmp_path, word, value):
    nib.save(nib.MGHImage(SCAN.data, SCAN.affine), tmp_path / "scan.mgh")
    content = bytearray((tmp_path / "scan.mgh").read_bytes())
    content[4 * word : 4 * word + 4] = value.to_bytes(4, "big")
    (tmp_path / "scan.mgh").write_bytes(content)
    with pytest.raises(InputError, match="not a scan that medsr can read"):
        load(tmp_path / "scan.mgh")
