"""Several layers as stacks of one body: ticked, fused in the worker process, told of stack by stack."""

from __future__ import annotations

import numpy as np
import pytest
from fusion_stacks import motion, stack, truth

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
