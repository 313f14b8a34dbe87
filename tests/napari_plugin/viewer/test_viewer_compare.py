"""Comparing, checking and batches in a real viewer, on a scan whose truth is open beside it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import head

from medsr.physics.tasks import TASKS, degrade

pytestmark = pytest.mark.viewer


@pytest.fixture
def enhanced(viewer, wait, tmp_path):
    """A viewer with truth, thick scan, mean and uncertainty."""
    truth = head((28, 30, 24))
    coarse, _ = degrade(truth, TASKS["thick3"])
    for name, volume in (("truth", truth), ("thick", coarse)):
        nib.save(nib.Nifti1Image(volume.data, volume.affine), tmp_path / f"{name}.nii.gz")
        viewer.open(str(tmp_path / f"{name}.nii.gz"), plugin="medsr")
    _, dock = viewer.window.add_plugin_dock_widget("medsr", "Enhance")
    dock.scan.choose(viewer.layers["thick"])
    dock.form.mode.setCurrentIndex(dock.form.mode.findData("uncertainty"))
    dock.form.samples.setValue(2)
    dock.form.steps.setValue(2)
    dock.run()
    wait(lambda: dock.go.isEnabled())
    return viewer


@pytest.fixture
def compare(enhanced):
    return enhanced.window.add_plugin_dock_widget("medsr", "Compare")[1]


def choose(box, value):
    box.setCurrentIndex(box.findData(value))


def isalive(widget):
    from qtpy.compat import isalive

    return isalive(widget)


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_the_scan_of_a_result_is_found(compare):
    assert (compare.scan.currentText(), compare.result.currentText()) == ("thick", "mean: thick")


def test_side_by_side_has_before_on_the_left(enhanced, compare, wait):
    choose(compare.view, "grid")
    wait(lambda: len(shown(enhanced)) == 2)
    before, after = compare.companion("cubic"), compare.result.layer()
    grid, layers = enhanced.canvas.grid, enhanced.layers
    assert grid.enabled
    assert grid.position(layers.index(before), layers) == (0, 0)
    assert grid.position(layers.index(after), layers) == (0, 1)
    choose(compare.view, "result")
    assert not grid.enabled
    assert shown(enhanced) == ["mean: thick"]


def test_the_difference_is_what_was_added(enhanced, compare, wait):
    choose(compare.view, "difference")
    wait(lambda: compare.companion("difference") is not None)
    before, after, difference = compare.companion("cubic"), compare.result.layer(), compare.companion("difference")
    assert shown(enhanced) == [difference.name]
    np.testing.assert_allclose(before.data + difference.data, after.data, atol=1e-3)
    for layer in (before, difference):
        np.testing.assert_allclose(layer.translate, after.translate, atol=1e-4)
        assert layer.units == after.units


def test_the_curtain_follows_slider_mouse_and_view(enhanced, compare, wait):
    choose(compare.view, "curtain")
    wait(lambda: compare.companion("curtain") is not None and compare.companion("curtain").visible)
    curtain, before, after = compare.companion("curtain"), compare.companion("cubic"), compare.result.layer()
    compare.position.setValue(0)
    np.testing.assert_array_equal(np.asarray(curtain.data)[..., :-1], after.data[..., :-1])
    compare.position.setValue(compare.position.maximum())
    np.testing.assert_array_equal(np.asarray(curtain.data)[..., 1:], before.data[..., 1:])
    enhanced.dims.order = (2, 0, 1)
    assert curtain.data.axis == -2
    assert curtain.mouse_pan is False


def test_the_uncertainty_shows_where_it_is_above_the_threshold(enhanced, compare):
    uncertainty = enhanced.layers["uncertainty: thick"]
    assert compare.overlay.isEnabled()
    compare.overlay.setChecked(True)
    assert uncertainty.visible
    assert enhanced.layers[-1].name == uncertainty.name
    compare.threshold.setValue(compare.threshold.maximum() / 2)
    assert uncertainty.contrast_limits[0] == pytest.approx(compare.threshold.value())
    compare.overlay.setChecked(False)
    assert not uncertainty.visible


def test_values_under_the_mouse(enhanced, compare):
    class Event:
        position = tuple(enhanced.layers["thick"].data_to_world((5, 20, 18)))

    compare._read_out(enhanced, Event)
    before = enhanced.layers["thick"].data[5, 20, 18]
    assert compare.values.text().startswith(f"before {before:.4g}, after ")
    assert "uncertainty" in compare.values.text()


def test_a_closed_dock_is_let_go(enhanced, compare, wait):
    callbacks = enhanced.mouse_move_callbacks
    before = len(callbacks)
    enhanced.window.remove_dock_widget(compare)
    compare.deleteLater()
    wait(lambda: not isalive(compare))

    class Event:
        position = (0.0, 0.0, 0.0)

    compare._read_out(enhanced, Event)
    assert len(callbacks) == before - 1
    enhanced.layers.pop()
    enhanced.dims.order = (2, 0, 1)


def test_checks_fill_the_table_find_the_worst_and_write_the_report(enhanced, wait, tmp_path):
    _, dock = enhanced.window.add_plugin_dock_widget("medsr", "Check")
    assert (dock.scan.currentText(), dock.result.currentText()) == ("thick", "mean: thick")
    dock.check()
    wait(lambda: dock.fidelity.text())
    assert dock.table.rowCount() == 0
    choose(dock.reference, enhanced.layers["truth"])
    dock.check(str(tmp_path / "report"))
    wait(lambda: dock.status.text().startswith("written"))
    assert [dock.table.item(row, 1).text() for row in range(3)] == ["cubic", "ibp", "mean"]
    assert (tmp_path / "report" / "index.html").is_file()
    dock.go_to_worst()
    np.testing.assert_allclose(enhanced.dims.point, dock._worst, atol=0.6)
    assert any("residual" in layer.name for layer in enhanced.layers)


def test_a_batch_fills_its_table_and_opens_results(viewer, wait, tmp_path, thick_scan):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.nii.gz").write_bytes(Path(thick_scan).read_bytes())
    (tmp_path / "in" / "cut.nii.gz").write_bytes(Path(thick_scan).read_bytes()[:900])
    _, dock = viewer.window.add_plugin_dock_widget("medsr", "Batch")
    dock.source.setText(str(tmp_path / "in"))
    dock.target.setText(str(tmp_path / "out"))
    dock.run()
    wait(lambda: dock.status.text().startswith("2 done"))
    assert [dock.table.item(row, 1).text() for row in range(3)] == ["done", "done", "failed"]
    dock.open_result(1)
    assert not len(viewer.layers)  # it is read on another thread
    assert dock.status.text() == "opening b.nii.gz"
    wait(lambda: len(viewer.layers))
    assert [layer.name for layer in viewer.layers] == ["b"]
    assert viewer.canvas.overlays.scale_bar.visible
    Path(dock._cases[0]["target"]).write_bytes(b"cut")
    dock.open_result(0)
    wait(lambda: not dock.status.text().startswith("opening"))
    assert "a.nii.gz" in dock.status.text()
