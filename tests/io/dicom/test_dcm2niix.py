"""Real series against dcm2niix, voxel by voxel in the body; where it is wrong, how."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
import pytest
from dicom_phantoms import GOOD

from medsr import affine as grids
from medsr.io.dicom.options import Policies
from medsr.io.dicom.reading import read_dicom, read_dicom_scans

JITTER = tuple(name for name in GOOD if name.startswith("mr_brain_pd_7mm_ge"))
NOT_READ = "mr_deflated_philips"
MAX_MM = 1e-3
MAX_RELATIVE = 1e-5  # it rescales in single precision


def converted(folder: Path, target: Path) -> list[nib.Nifti1Image]:
    """What dcm2niix makes of a folder."""
    command = [dcm2niix.bin, "-z", "n", "-b", "n", "-f", "%s_%e", "-o", str(target), str(folder)]
    subprocess.run(command, capture_output=True, check=False)
    return [nib.load(path) for path in sorted(target.glob("*.nii"))]


def in_ras(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return grids.to_ras(np.asarray(data, np.float32), affine)


def corners(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return grids.fov_corners(affine, shape)


@pytest.mark.parametrize("name", [name for name in GOOD if name not in JITTER and name != NOT_READ])
def test_both_see_the_same_value_at_every_place(shared_data, tmp_path, name):
    """MONOCHROME1 too: both keep the stored values, since it only tells how to show them."""
    (volume,) = read_dicom(shared_data / "dicom" / name)
    (image,) = converted(shared_data / "dicom" / name, tmp_path)
    ours, our_affine = in_ras(volume.data, volume.affine)
    theirs, their_affine = in_ras(np.asanyarray(image.dataobj), image.affine)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(corners(our_affine, ours.shape), corners(their_affine, theirs.shape), atol=MAX_MM)
    np.testing.assert_allclose(ours, theirs, rtol=MAX_RELATIVE, atol=MAX_RELATIVE * np.abs(theirs).max())


@pytest.mark.parametrize("name", JITTER)
def test_where_positions_jitter_it_takes_the_first_distance_for_all(shared_data, tmp_path, name):
    (scan,) = read_dicom_scans(shared_data / "dicom" / name)
    (image,) = converted(shared_data / "dicom" / name, tmp_path)
    ours, our_affine = in_ras(scan.volume.data, scan.volume.affine)
    theirs, their_affine = in_ras(np.asanyarray(image.dataobj), image.affine)
    np.testing.assert_array_equal(ours, theirs)
    positions = [frame.position_mm * [-1, -1, 1] for frame in scan.stack.frames]
    assert off_plane_mm(positions, our_affine) < 0.03 * 7
    assert off_plane_mm(positions, their_affine) > 1.3 * off_plane_mm(positions, our_affine)


def off_plane_mm(positions: list[np.ndarray], affine: np.ndarray) -> float:
    """How far the farthest slice lies from the plane of voxels that stands for it."""
    planes = np.array([plane(affine, position) for position in positions])
    return float(np.abs(planes - np.rint(planes)).max() * np.linalg.norm(affine[:3, 2]))


def test_a_deflated_series_is_read_by_medsr_alone(shared_data, tmp_path):
    assert converted(shared_data / "dicom" / NOT_READ, tmp_path) == []
    assert len(read_dicom(shared_data / "dicom" / NOT_READ)) == 1


def test_at_a_gap_it_writes_two_volumes_neither_of_them_right(shared_data, tmp_path):
    as_if_regular, re_spaced = converted(shared_data / "dicom" / "bad_gap", tmp_path)
    (filled,) = read_dicom(shared_data / "dicom" / "bad_gap", Policies(gaps="fill"))
    assert filled.shape == (96, 96, 8)
    assert as_if_regular.shape == (96, 96, 7)  # slices after the gap lie 4 mm too low
    assert re_spaced.shape == (96, 96, 9)  # none but the outer slices was measured
    last = np.linalg.norm(corners(as_if_regular.affine, as_if_regular.shape) - corners(filled.affine, filled.shape))
    assert last > 4


def test_a_tilted_series_has_the_same_grid_but_another_origin(shared_data, tmp_path):
    """The values agree; its origin along the table is 5.6 mm off, which the positions of the slices prove."""
    (scan,) = read_dicom_scans(shared_data / "dicom" / "bad_gantry_tilt", Policies(tilt="resample"))
    _, tilted = converted(shared_data / "dicom" / "bad_gantry_tilt", tmp_path)
    ours, our_affine = in_ras(scan.volume.data, scan.volume.affine)
    theirs, their_affine = in_ras(np.asanyarray(tilted.dataobj), tilted.affine)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(our_affine[:3, :3], their_affine[:3, :3], atol=1e-3)
    assert np.abs(ours - theirs)[:, 20:-20].mean() < 1.5  # HU; a cubic spline against straight lines
    first = scan.stack.frames[0].position_mm * [-1, -1, 1]
    assert plane(our_affine, first) == pytest.approx(round(plane(our_affine, first)), abs=1e-3)
    assert abs(plane(their_affine, first) - plane(our_affine, first)) > 2


def plane(affine: np.ndarray, place_mm: np.ndarray) -> float:
    """Index along the third axis."""
    return float((np.linalg.inv(affine) @ [*place_mm, 1])[2])
