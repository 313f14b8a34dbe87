"""NRRD and MetaImage against SimpleITK and nibabel: voxels, places, directions, both ways."""

from __future__ import annotations

import sys

import nibabel as nib
import numpy as np
import pytest
from phantoms import head

from medsr.errors import InputError
from medsr.io import load, load_all, save
from medsr.io.discover import discover
from medsr.io.formats import by_content

sitk = pytest.importorskip("SimpleITK", reason='needs pip install "medsr[formats]"')

SCAN = head((6, 7, 8), (1, 1.5, 2), turn_deg=(3, 40, 5))
ONE_FILE = (".nrrd", ".mha")
HEADERS = (".nhdr", ".mhd")


def written_by_itk(path, scan=SCAN, dtype=np.int16, *, packed=False):
    """The scan as SimpleITK writes it, by way of a NIfTI file that nibabel wrote."""
    nifti = path.with_name("from.nii")
    nib.save(nib.Nifti1Image(scan.data.astype(dtype), scan.affine), nifti)
    sitk.WriteImage(sitk.ReadImage(str(nifti)), str(path), packed)
    nifti.unlink()


@pytest.mark.parametrize("suffix", [*ONE_FILE, *HEADERS])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("packed", [False, True])
def test_what_itk_writes_is_read_as_it_lies(tmp_path, suffix, dtype, packed):
    path = tmp_path / f"scan{suffix}"
    scan = SCAN.with_data(np.clip(SCAN.data, 0, 255))
    written_by_itk(path, scan, dtype, packed=packed)
    found = load(path)
    np.testing.assert_array_equal(found.data, scan.data.astype(dtype).astype(np.float32))
    np.testing.assert_allclose(found.affine, SCAN.affine, atol=1e-4)
    assert found.source.dtype == np.dtype(dtype).name
    outline = by_content(path).outline(path)
    np.testing.assert_array_equal(outline.affine, found.affine)


@pytest.mark.parametrize("suffix", ONE_FILE)
def test_itk_reads_what_is_written(tmp_path, suffix):
    save(SCAN, tmp_path / f"scan{suffix}")
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / f"scan{suffix}")), str(tmp_path / "again.nii"))
    again = nib.load(tmp_path / "again.nii")
    np.testing.assert_array_equal(np.asarray(again.dataobj), SCAN.data)
    np.testing.assert_allclose(again.affine, SCAN.affine, atol=1e-4)


def test_an_nrrd_in_another_space_turns(tmp_path):
    """right-anterior-superior, as NRRD itself can say it; ITK never writes it."""
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: right-anterior-superior\nsizes: 6 7 8\n"
        "space directions: (1,0,0) (0,1.5,0) (0,0,2)\nspace origin: (10,20,30)\nendian: little\nencoding: raw\n\n"
    )
    voxels = np.arange(6 * 7 * 8, dtype="<i2")
    (tmp_path / "scan.nrrd").write_bytes(header.encode() + voxels.tobytes())
    found = load(tmp_path / "scan.nrrd")
    expected = np.diag([1.0, 1.5, 2.0, 1.0])
    expected[:3, 3] = 10, 20, 30
    np.testing.assert_allclose(found.affine, expected)
    np.testing.assert_array_equal(found.data, voxels.reshape((6, 7, 8), order="F"))
    assert found.source.warnings == ()


def test_an_nrrd_that_does_not_say_where_its_axes_point_is_warned_of(tmp_path):
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 6 7 8\nspacings: 1 1.5 2\nendian: little\nencoding: raw\n\n"
    (tmp_path / "scan.nrrd").write_bytes(header.encode() + np.arange(6 * 7 * 8, dtype="<i2").tobytes())
    found = load(tmp_path / "scan.nrrd")
    np.testing.assert_allclose(found.spacing_mm, (1, 1.5, 2))
    assert "which way the axes point" in found.source.warnings[0]


@pytest.mark.parametrize("suffix", [*ONE_FILE, *HEADERS])
@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, suffix, packed):
    path = tmp_path / f"scan{suffix}"
    written_by_itk(path, packed=packed)
    (voxels,) = set(tmp_path.iterdir()) - {path} or {path}
    voxels.write_bytes(voxels.read_bytes()[:-100])
    with pytest.raises(InputError, match=f"scan{suffix}: ") as refusal:
        load(path)
    assert "\n" not in str(refusal.value)
    assert "Success" not in str(refusal.value)


@pytest.mark.parametrize("suffix", HEADERS)
def test_a_header_alone_says_what_is_missing_and_quotes_no_name(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    written_by_itk(path)
    for other in set(tmp_path.iterdir()) - {path}:
        other.unlink()
    with pytest.raises(InputError, match=r"which the header names, is not there") as refusal:
        load(path)
    assert ".raw" not in str(refusal.value)


@pytest.mark.parametrize("suffix", HEADERS)
def test_header_and_voxels_are_one_case_whose_contents_both_count(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    written_by_itk(path)
    found = discover(tmp_path)
    (one,) = found.found
    assert set(one.files) == set(tmp_path.iterdir())
    assert found.left_out == ()
    before = load(path).source.content_sha256
    (voxels,) = set(one.files) - {path}
    voxels.write_bytes(voxels.read_bytes()[:-1] + b"\x07")
    assert load(path).source.content_sha256 != before


@pytest.mark.parametrize("axes", ["-1", "1e30", "0", "10", "", "three"])
def test_a_number_of_axes_that_would_end_the_process_is_refused_before(tmp_path, axes):
    written_by_itk(tmp_path / "scan.mha")
    content = (tmp_path / "scan.mha").read_bytes()
    (tmp_path / "scan.mha").write_bytes(content.replace(b"NDims = 3", f"NDims = {axes}".encode()))
    with pytest.raises(InputError, match="number of axes"):
        load(tmp_path / "scan.mha")


def test_a_name_of_voxels_that_can_not_be_is_not_repeated(tmp_path):
    written_by_itk(tmp_path / "scan.mhd")
    content = (tmp_path / "scan.mhd").read_bytes()
    (tmp_path / "scan.mhd").write_bytes(content.replace(b"scan.raw", b"scan\x10.raw"))
    with pytest.raises(InputError, match="is not there"):
        load(tmp_path / "scan.mhd")


def test_a_header_that_declares_more_than_the_file_can_hold_is_refused_before_memory_is_asked_for(tmp_path):
    written_by_itk(tmp_path / "scan.mha", packed=True)
    content = (tmp_path / "scan.mha").read_bytes()
    (tmp_path / "scan.mha").write_bytes(content.replace(b"DimSize = 6 7 8", b"DimSize = 6 3000000 8"))
    with pytest.raises(InputError, match="bytes of voxels, but the file has"):
        load(tmp_path / "scan.mha")


def test_voxels_written_out_as_text_are_read(tmp_path):
    """Fewer bytes than the voxels take in memory, and whole all the same."""
    header = "NRRD0004\ntype: double\ndimension: 3\nspace: left-posterior-superior\nsizes: 6 7 8\nencoding: ascii\n\n"
    (tmp_path / "scan.nrrd").write_text(header + " ".join(str(n % 10) for n in range(6 * 7 * 8)))
    np.testing.assert_array_equal(load(tmp_path / "scan.nrrd").data.ravel(order="F"), np.arange(6 * 7 * 8) % 10)


def test_voxels_in_several_files_are_refused(tmp_path):
    (tmp_path / "scan.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\nElementDataFile = s%02d.raw 1 4 1\n"
    )
    with pytest.raises(InputError, match="several files"):
        load(tmp_path / "scan.mhd")


def test_colour_is_refused(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "scan.mha"))
    with pytest.raises(InputError, match="3 values a voxel"):
        load(tmp_path / "scan.mha")


@pytest.mark.parametrize("suffix", ONE_FILE)
def test_time_points_come_back_in_turn(tmp_path, suffix):
    save([SCAN, SCAN.with_data(SCAN.data + 1)], tmp_path / f"scan{suffix}")
    first, second = load_all(tmp_path / f"scan{suffix}")
    np.testing.assert_array_equal(second.data, first.data + 1)
    np.testing.assert_allclose(first.affine, SCAN.affine, atol=1e-5)


def test_without_simpleitk_the_way_out_is_named(tmp_path, monkeypatch):
    save(SCAN, tmp_path / "scan.nrrd")
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(InputError, match=r'pip install "medsr\[formats\]"'):
        load(tmp_path / "scan.nrrd")
