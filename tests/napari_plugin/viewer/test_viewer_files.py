"""Scans dropped on a real viewer: one correct layer each, on the right place, and back to a file."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from dicom_phantoms import write_classic
from phantoms import affine

pytestmark = pytest.mark.viewer

SHAPE = (4, 5, 6)
DATA = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
PERMUTED = affine((1.0, 2.0, 3.0), axes=(2, 0, 1), flips=(-1, 1, -1), origin_mm=(10, -20, 30))
FLIPPED = affine((1.0, 2.0, 3.0), flips=(-1, -1, 1), origin_mm=(10, -20, 30))
OBLIQUE = affine((1.0, 2.0, 3.0), turn_deg=(10, 20, -15), origin_mm=(10, -20, 30))


def world_mm(layer, value):
    """Where the viewer shows the voxel of that value, in RAS mm."""
    (zyx,) = np.argwhere(np.asarray(layer.data) == value)
    return np.array(layer.data_to_world(zyx))[::-1]


@pytest.mark.parametrize("matrix", [PERMUTED, FLIPPED, OBLIQUE], ids=["permuted", "flipped", "oblique"])
def test_any_orientation_opens_without_a_warning_and_lies_where_it_should(viewer, wait, tmp_path, matrix):
    nib.save(nib.Nifti1Image(DATA, matrix), tmp_path / "scan.nii.gz")
    (layer,) = viewer.open(str(tmp_path / "scan.nii.gz"), plugin="medsr")
    viewer.dims.order = (1, 0, 2)
    wait(lambda: True)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert viewer.dims.axis_labels == ("z", "y", "x")
    middle = (np.array(SHAPE) - 1) / 2
    centre = matrix[:3, :3] @ middle + matrix[:3, 3]
    for ijk in [(0, 0, 0), (3, 4, 5), (1, 2, 3)]:
        true = matrix[:3, :3] @ ijk + matrix[:3, 3]
        shown = world_mm(layer, DATA[ijk])
        if matrix is OBLIQUE:  # turned about its own centre
            assert np.linalg.norm(shown - centre) == pytest.approx(np.linalg.norm(true - centre))
        else:
            np.testing.assert_allclose(shown, true, atol=1e-5)


def test_a_series_is_one_layer_as_folder_as_file_and_as_files_dropped_together(viewer, tmp_path):
    files = [str(path) for path in write_classic(tmp_path / "series", DATA, PERMUTED)]
    for dropped in (str(tmp_path / "series"), files[2], files):
        viewer.open(dropped, plugin="medsr")
        assert len(viewer.layers) == 1
        viewer.layers.clear()
    viewer.open(files, plugin="medsr", stack=True)
    assert len(viewer.layers) == 1


def test_two_series_dropped_together_are_two_layers(viewer, tmp_path):
    for prefix in ("a", "b"):
        write_classic(tmp_path / "study", DATA, PERMUTED, prefix=prefix)
    viewer.open([str(path) for path in sorted((tmp_path / "study").iterdir())], plugin="medsr")
    assert len(viewer.layers) == 2


def test_the_sample_is_upright_and_lines_up_with_its_truth(viewer):
    truth, thick = viewer.open_sample("medsr", "brain")
    assert tuple(map(str, viewer.scene.camera.orientation2d)) == ("up", "left")
    np.testing.assert_allclose(truth.extent.world, thick.extent.world, atol=3)
    assert not truth.visible
    assert thick.visible


@pytest.mark.parametrize(
    ("axes", "order", "said"),
    [
        ((0, 1, 2), (0, 1, 2), "left R, right L, top A, bottom P"),
        ((1, 2, 0), (2, 0, 1), "left A, right P, top S, bottom I"),
        ((0, 2, 1), (1, 0, 2), "left R, right L, top S, bottom I"),
    ],
    ids=["axial", "sagittal", "coronal"],
)
def test_slices_open_in_their_own_plane_with_directions_and_a_scale_bar(viewer, tmp_path, axes, order, said):
    matrix = affine((1.0, 1.0, 5.0), axes=axes)
    nib.save(
        nib.Nifti1Image(np.zeros((20, 22, 8), np.int16) + np.arange(8, dtype=np.int16), matrix), tmp_path / "s.nii"
    )
    viewer.open(str(tmp_path / "s.nii"), plugin="medsr")
    assert viewer.dims.order == order
    assert viewer.canvas.overlays.text.text == said
    assert viewer.canvas.overlays.text.visible
    assert viewer.canvas.overlays.scale_bar.visible
    viewer.dims.order = (0, 1, 2)
    assert viewer.canvas.overlays.text.text == "left R, right L, top A, bottom P"
    viewer.scene.camera.orientation2d = ("down", "right")
    assert viewer.canvas.overlays.text.text == "left L, right R, top P, bottom A"
    viewer.dims.ndisplay = 3
    assert not viewer.canvas.overlays.text.visible


def test_a_second_scan_leaves_the_view_as_it_is(viewer, tmp_path):
    for name, axes in (("axial", (0, 1, 2)), ("sagittal", (1, 2, 0))):
        data = np.zeros((20, 22, 8), np.int16) + np.arange(8, dtype=np.int16)
        nib.save(nib.Nifti1Image(data, affine((1.0, 1.0, 5.0), axes=axes)), tmp_path / f"{name}.nii")
        viewer.open(str(tmp_path / f"{name}.nii"), plugin="medsr")
    assert viewer.dims.order == (0, 1, 2)


def test_a_scan_is_written_and_opened_again_on_its_place(viewer, tmp_path):
    nib.save(nib.Nifti1Image(DATA, OBLIQUE), tmp_path / "scan.nii.gz")
    (layer,) = viewer.open(str(tmp_path / "scan.nii.gz"), plugin="medsr")
    path = str(tmp_path / "saved.nii.gz")
    assert viewer.layers.save(path, plugin="medsr") == [path]
    np.testing.assert_allclose(nib.load(path).affine, OBLIQUE, atol=1e-5)
    (again,) = viewer.open(path, plugin="medsr")
    np.testing.assert_array_equal(again.data, layer.data)
    np.testing.assert_allclose(again.translate, layer.translate, atol=1e-4)
