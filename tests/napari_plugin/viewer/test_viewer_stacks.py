"""Several layers as stacks of one body: ticked, fused in the worker process, told of stack by stack."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fusion_stacks import motion, stack, truth
from medsr_napari.region_view import edges_of

from medsr.io import load, save
from medsr.volume import Volume

pytestmark = pytest.mark.viewer


@pytest.fixture
def dock(viewer, wait, tmp_path):
    """The dock with the axial of two stacks chosen and planned."""
    for axis, name in ((1, "coronal"), (2, "axial")):
        save(stack(truth(36), axis), tmp_path / f"{name}.nii.gz", dtype="int16")
        viewer.open(str(tmp_path / f"{name}.nii.gz"), plugin="medsr")
    _, widget = viewer.window.add_plugin_dock_widget("medsr", "Enhance")
    widget.scan.choose(viewer.layers["axial"])
    wait(lambda: widget.estimate.text().startswith("36 x 36 x 36 voxels"))
    return widget


def test_layers_that_are_ticked_are_fused_with_the_chosen_one(viewer, dock, wait, tmp_path):
    assert dock.stacks.layers() == []
    assert dock.stacks.isVisibleTo(dock)
    assert [dock.stacks.list.item(row).text() for row in range(dock.stacks.list.count())] == ["coronal"]
    dock.stacks.tick(viewer.layers["coronal"])
    wait(lambda: dock.estimate.text().startswith("2 stacks, one scan; "))
    assert dock.form.force.isVisibleTo(dock.form)
    dock.form.force.setChecked(True)  # such small stacks may lie outside what the weights were validated on
    places = [str(tmp_path / f"{name}.nii.gz") for name in ("axial", "coronal", "axial_finer")]
    assert dock.command() == f"medsr enhance {' '.join(places)} --force"
    dock.run()
    wait(lambda: dock.go.isEnabled())
    result = viewer.layers["mean, 2 stacks: axial"]
    assert result.data.shape == (36, 36, 36)
    assert [len(line) > 0 for line in dock.status.text().splitlines()[1:]] == [True, True]
    assert "stack 2: shifted " in dock.status.text()
    assert len(result.metadata["medsr"]["record"]["stacks"]) == 2
    assert load(places[0]).shape == (36, 36, 9)


def test_stacks_are_fused_on_the_voxels_of_another_layer(viewer, dock, wait, tmp_path):
    turned = motion(truth(36), (8, -5, 12), (1, 2, 0)) @ [[0, -1, 0, 29], [0, 0, -1, 30], [-1, 0, 0, 31], [0, 0, 0, 1]]
    save(Volume(np.ones((25, 26, 27), np.float32), turned), tmp_path / "t1w.nii.gz", dtype="uint8")
    (layer,) = viewer.open(str(tmp_path / "t1w.nii.gz"), plugin="medsr")
    dock.scan.choose(viewer.layers["axial"])
    dock.stacks.tick(viewer.layers["coronal"])
    dock.form.force.setChecked(True)
    dock.form.grid_kind.setCurrentIndex(dock.form.grid_kind.findData("onto"))
    dock.form.onto_layer.choose(viewer.layers["axial"])
    wait(lambda: "none that are finer" in dock.estimate.text())
    dock.form.onto_layer.choose(layer)
    wait(lambda: dock.estimate.text().startswith("2 stacks, one scan; "))
    assert dock.command().endswith(f"--force --grid {tmp_path / 't1w.nii.gz'}")
    dock.run()
    wait(lambda: dock.go.isEnabled())
    result = viewer.layers["mean, 2 stacks: axial"]
    assert result.data.shape == layer.data.shape
    np.testing.assert_allclose(result.scale, layer.scale)
    np.testing.assert_allclose(result.translate, layer.translate)
    np.testing.assert_allclose(result.metadata["medsr"]["affine"], layer.metadata["medsr"]["affine"])


def value_at(layer, place_mm):
    return layer.data[tuple(np.rint(layer.world_to_data(place_mm)).astype(int))]


def test_where_stacks_overlap_is_said_and_shown_on_demand(viewer, dock, wait, tmp_path):
    half = stack(truth(36), 0)
    half = half.with_data(half.data[:, :18].copy())  # sagittal slices, the posterior half
    save(half, tmp_path / "half.nii.gz", dtype="int16")
    (sagittal,) = viewer.open(str(tmp_path / "half.nii.gz"), plugin="medsr")
    dock.scan.choose(viewer.layers["axial"])
    assert not dock.overlap.isVisibleTo(dock)
    dock.stacks.tick(sagittal)
    wait(lambda: "cover the result" in dock.overlap.shares.text())
    assert dock.overlap.isVisibleTo(dock)
    assert re.findall(r"([a-z0-9 ]+): (\d+)%", dock.overlap.shares.text()) == [(" all 2", "50"), (" 1 of them", "50")]
    assert not any(layer.name.startswith("overlap") for layer in viewer.layers)

    viewer.layers.selection.active = viewer.layers["axial"]
    dock.overlap.box.setChecked(True)
    wait(lambda: "overlap of 2 stacks" in viewer.layers)
    assert viewer.layers.selection.active == viewer.layers["axial"]
    layer, axial = viewer.layers["overlap of 2 stacks"], viewer.layers["axial"]
    for y, expected in ((4.0, 2), (13.0, 2), (22.0, 1), (33.0, 1)):
        assert value_at(layer, (17.0, y, 17.0)) == expected
    np.testing.assert_allclose(edges_of(layer), edges_of(axial), atol=1e-6)
    assert dock.scan.layer() == axial
    assert dock.stacks.layers() == [sagittal]

    dock.stacks.tick(viewer.layers["coronal"])
    wait(lambda: "overlap of 3 stacks" in viewer.layers)
    assert "overlap of 2 stacks" not in viewer.layers
    assert "all 3: 50%" in dock.overlap.shares.text()
    viewer.layers.remove("overlap of 3 stacks")
    assert not dock.overlap.box.isChecked()
    dock.overlap.box.setChecked(True)
    wait(lambda: "overlap of 3 stacks" in viewer.layers)
    for name in ("half", "coronal"):
        dock.stacks.tick(viewer.layers[name], False)
    wait(lambda: not dock.overlap.isVisibleTo(dock))
    assert not any(layer.name.startswith("overlap") for layer in viewer.layers)


def test_the_overlap_is_that_on_the_grid_that_is_asked_for(viewer, dock, wait, tmp_path):
    wide = Volume(np.ones((72, 36, 36), np.float32), np.diag([1.0, 1, 1, 1]))
    save(wide, tmp_path / "wide.nii.gz", dtype="uint8")
    (layer,) = viewer.open(str(tmp_path / "wide.nii.gz"), plugin="medsr")
    dock.scan.choose(viewer.layers["axial"])
    dock.stacks.tick(viewer.layers["coronal"])
    wait(lambda: "all 2: 100%" in dock.overlap.shares.text())
    dock.form.onto_layer.choose(layer)
    dock.form.grid_kind.setCurrentIndex(dock.form.grid_kind.findData("onto"))
    wait(lambda: "all 2: 50%, none: 50%" in dock.overlap.shares.text())
    dock.overlap.box.setChecked(True)
    wait(lambda: "overlap of 2 stacks" in viewer.layers)
    shown = viewer.layers["overlap of 2 stacks"]
    assert viewer.layers.selection.active == layer
    assert dock.scan.layer() == viewer.layers["axial"]
    np.testing.assert_allclose(edges_of(shown), edges_of(layer), atol=1e-6)
    assert [value_at(shown, (17.0, 17.0, x)) for x in (10.0, 60.0)] == [2, 0]


def test_what_stacks_cannot_share_is_said_before_a_run(viewer, dock, wait):
    dock.stacks.tick(viewer.layers["coronal"])
    dock.form.mode.setCurrentIndex(dock.form.mode.findData("sample"))
    wait(lambda: "no posterior samples" in dock.estimate.text())
    dock.stacks.tick(viewer.layers["coronal"], False)
    wait(lambda: dock.estimate.text().startswith("36 x 36 x 36 voxels"))


def test_the_list_follows_the_layers(viewer, dock, wait):
    dock.stacks.tick(viewer.layers["coronal"])
    dock.scan.choose(viewer.layers["coronal"])
    assert dock.stacks.layers() == []
    dock.stacks.tick(viewer.layers["axial"])
    assert [layer.name for layer in dock.stacks.layers()] == ["axial"]
    viewer.layers["axial"].name = "renamed"
    assert [layer.name for layer in dock.stacks.layers()] == ["renamed"]
    viewer.layers.remove("renamed")
    assert dock.stacks.layers() == []
    assert not dock.stacks.isVisibleTo(dock)
