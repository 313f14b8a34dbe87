"""Enhancing in a real viewer with the shipped weights: the plan, the run, its layers, and every way it may end."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from tiny_models import write_tiny

from medsr.enhancement.settings import EnhanceSettings

pytestmark = pytest.mark.viewer


@pytest.fixture
def dock(viewer, wait, thick_scan):
    """The dock with a scan chosen and planned."""
    viewer.open(thick_scan, plugin="medsr")
    _, widget = viewer.window.add_plugin_dock_widget("medsr", "Enhance")
    wait(lambda: widget.estimate.text().startswith("36 x 40 x 30 voxels"))
    return widget


def finished(dock):
    return lambda: dock.go.isEnabled()


def endless(dock):
    """Ask for more than a test waits for."""
    dock.form.mode.setCurrentIndex(dock.form.mode.findData("uncertainty"))
    dock.form.samples.setValue(64)
    dock.form.steps.setValue(64)


def test_the_plan_is_shown_before_the_run(dock, wait):
    assert "1 x 1 x 1 mm" in dock.estimate.text()
    assert "GB of memory" in dock.estimate.text()
    assert "what medsr-base was validated on" in dock.verdict.text()
    assert "outside" not in dock.verdict.text()
    assert not dock.form.force.isVisibleTo(dock.form)
    dock.form.grid_kind.setCurrentIndex(dock.form.grid_kind.findData("factor"))
    dock.form.grid_text.setText("1,1,13")
    dock.form.grid_text.editingFinished.emit()
    wait(lambda: "outside" in dock.verdict.text())
    assert dock.form.force.isVisibleTo(dock.form)
    dock.form.grid_text.setText("one")
    dock.form.grid_text.editingFinished.emit()
    wait(lambda: "expected one number" in dock.estimate.text())


def test_the_enhanced_scan_lies_on_the_scan(viewer, dock, wait):
    dock.run()
    assert not dock.go.isEnabled()
    wait(finished(dock))
    scan, result = viewer.layers
    assert result.name == "mean: head"
    assert result.data.shape == (30, 40, 36)
    half = np.array(scan.scale) / 2 - np.array(result.scale) / 2
    np.testing.assert_allclose(result.translate, np.array(scan.translate) - half, atol=1e-4)
    assert result.units == scan.units
    assert tuple(result.contrast_limits) == tuple(scan.contrast_limits)
    assert "differs from the scan by" in dock.status.text()
    assert result.metadata["medsr"]["record"]["model"]["name"] == "medsr-base"


def test_a_drawn_box_is_enhanced_where_it_was_drawn(viewer, dock, wait):
    scan = viewer.layers[0]
    dock.form.region_kind.setCurrentIndex(dock.form.region_kind.findData("box"))
    dock.draw_box()
    low = np.array(scan.data_to_world((4, 12, 10)))
    high = np.array(scan.data_to_world((4, 25, 22)))
    corners = [low, (low[0], low[1], high[2]), high, (low[0], high[1], low[2])]
    viewer.layers["medsr box"].add_rectangles(np.array(corners))
    dock.form.depth_mm.setValue(12)
    wait(lambda: dock.estimate.text().startswith(("13 x 14", "14 x 14", "13 x 13")))
    dock.run()
    wait(finished(dock))
    result = viewer.layers["mean, region: head"]
    first = np.array(result.data_to_world((0, 0, 0)))
    last = np.array(result.data_to_world(np.array(result.data.shape) - 1))
    assert np.all(first[1:] <= low[1:] + 0.6)
    assert np.all(last[1:] >= high[1:] - 0.6)
    assert first[0] < low[0] < last[0]


def test_what_is_visible_can_be_enhanced(viewer, dock, wait):
    scan = viewer.layers[0]
    getattr(viewer, "scene", viewer).camera.zoom *= 4
    wait(lambda: np.all(np.diff(scan.corner_pixels, axis=0)[0, 1:] < (30, 30)))
    dock.form.region_kind.setCurrentIndex(dock.form.region_kind.findData("slab"))
    dock.form.depth_mm.setValue(9)
    wait(lambda: not dock.estimate.text().startswith("36 x 40 "))
    dock.run()
    wait(finished(dock))
    result = viewer.layers["mean, region: head"]
    depth, height, width = result.data.shape
    assert depth < 30
    assert height < 40
    assert width < 36
    shown = np.array([scan.data_to_world(corner) for corner in scan.corner_pixels])
    first = np.array(result.data_to_world((0, 0, 0)))
    last = np.array(result.data_to_world((depth - 1, height - 1, width - 1)))
    assert np.all(first[1:] <= shown[0, 1:] + 1.0)
    assert np.all(last[1:] >= shown[1, 1:] - 1.0)


def test_a_watched_sample_becomes_anatomy_step_by_step(viewer, dock, wait):
    dock.form.mode.setCurrentIndex(dock.form.mode.findData("sample"))
    dock.form.steps.setValue(4)
    dock.form.watch.setChecked(True)
    wait(lambda: dock.form.force.isVisibleTo(dock.form))
    dock.run()
    wait(finished(dock))
    assert "as rough as the scan" in dock.status.text()
    dock.form.leading.data_step.setCurrentIndex(dock.form.leading.data_step.findData("project"))
    dock.form.force.setChecked(True)
    dock.run()
    wait(finished(dock))
    steps, clean, measured, prior, result = viewer.layers[-5:]
    assert [layer.name for layer in (steps, clean, measured, prior)] == [
        "refining: head",
        "refining, estimate: head",
        "refining, measured: head",
        "refining, prior: head",
    ]
    assert [layer.visible for layer in (steps, clean, measured, prior)] == [True, False, False, False]
    assert steps.data.shape == (4, *result.data.shape)
    away = [float(np.std(state - result.data)) for state in steps.data]
    assert away == sorted(away, reverse=True)
    assert viewer.dims.axis_labels[0] == "step"
    assert viewer.layers.extent.units[-1] == result.units[-1]
    np.testing.assert_allclose(measured.data + prior.data, clean.data, atol=1e-3 * np.ptp(result.data))
    np.testing.assert_array_equal(steps.data[-1], clean.data[-1])
    for layer in (steps, clean, measured, prior):
        assert layer.data.shape == steps.data.shape
        np.testing.assert_allclose(layer.translate[1:], result.translate)
    change = [float(np.std(layer.data[0] - layer.data[-1])) for layer in (measured, prior)]
    assert change[1] > 10 * change[0]  # the scan holds what it measured
    assert prior.contrast_limits[0] == -prior.contrast_limits[1]


def test_cancelling_half_way_adds_nothing_and_leaves_a_worker_ready(viewer, dock, wait):
    endless(dock)
    dock.run()
    wait(lambda: "part" in dock.status.text())
    assert dock.bar.maximum() > 1
    dock.cancel()
    wait(finished(dock))
    assert dock.status.text().startswith("cancelled")
    assert len(viewer.layers) == 1
    dock.form.mode.setCurrentIndex(0)
    dock.run()
    wait(finished(dock))
    assert len(viewer.layers) == 2


def test_a_killed_worker_is_reported_and_replaced(viewer, dock, wait, notices):
    endless(dock)
    dock.run()
    wait(lambda: "part" in dock.status.text())
    os.kill(dock._background.pid, signal.SIGKILL)
    wait(finished(dock))
    assert any("SIGKILL" in message for message in notices())
    assert len(viewer.layers) == 1
    dock.form.mode.setCurrentIndex(0)
    dock.run()
    wait(finished(dock))
    assert len(viewer.layers) == 2


def test_the_same_run_for_the_terminal(dock, thick_scan):
    from qtpy.QtWidgets import QApplication

    dock.form.mode.setCurrentIndex(dock.form.mode.findData("sample"))
    assert dock.form.sampler.isVisibleTo(dock.form)
    dock.form.seed.setValue(7)
    dock.form.sampler.setCurrentText("heun")
    dock.copy_command()
    text = QApplication.clipboard().text()
    finer = thick_scan.replace(".nii", "_finer.nii")
    assert text == f"medsr enhance {thick_scan} {finer} --mode sample --sampler heun --seed 7"


def test_samples_may_be_tied_to_the_scan_and_led_in_other_ways(dock):
    form = dock.form
    for mode in ("mean", "sample"):
        form.mode.setCurrentIndex(form.mode.findData(mode))
        form.leading.data_step.setCurrentIndex(form.leading.data_step.findData("project"))
        form.leading.guidance.setValue(1.5)
        asked = form.settings()
        expected = ("project", 1.5) if mode == "sample" else (EnhanceSettings.data_step, EnhanceSettings.guidance)
        assert (asked.data_step, asked.guidance) == expected
        assert {form.leading.guidance.isVisibleTo(form), form.leading.data_step.isVisibleTo(form)} == {mode == "sample"}


def test_a_classifier_may_lead_samples_and_is_judged_before_the_run(viewer, dock, wait, tmp_path):
    form, leading = dock.form, dock.form.leading
    form.mode.setCurrentIndex(form.mode.findData("sample"))
    form.steps.setValue(2)
    assert leading.classifier.isVisibleTo(form) and not leading.classifier_scale.isVisibleTo(form)
    leading.classifier_scale.setValue(3.5)
    assert form.settings() == EnhanceSettings(mode="sample", steps=2)
    (own := tmp_path / "notes.safetensors").write_text("no weights")
    leading.classifier.choose_file(str(own))
    wait(lambda: dock.estimate.text().startswith("notes.safetensors"))
    leading.classifier.choose_file(str(write_tiny(tmp_path / "edm.safetensors")))
    wait(lambda: "not a classifier" in dock.estimate.text())
    leading.classifier.choose_file(str(write_tiny(tmp_path / "sharp.safetensors", process="sharpness")))
    wait(lambda: dock.estimate.text().startswith("36 x 40 x 30 voxels"))
    assert leading.classifier_scale.isVisibleTo(form)
    assert dock.command().endswith(f"--classifier {tmp_path / 'sharp.safetensors'} --classifier-scale 3.5")
    wait(lambda: form.force.isVisibleTo(form))
    form.force.setChecked(True)
    dock.run()
    wait(finished(dock))
    asked = viewer.layers["sample: head"].metadata["medsr"]["settings"]
    assert (asked["classifier"], asked["classifier_scale"]) == (str(tmp_path / "sharp.safetensors"), 3.5)
    for mode, samples in (("mean", 1), ("uncertainty", 1)):
        form.mode.setCurrentIndex(form.mode.findData(mode))
        form.samples.setValue(samples)
        assert form.settings().classifier is None
        assert not leading.classifier.isVisibleTo(form) and not leading.classifier_scale.isVisibleTo(form)


def test_a_large_factor_may_be_reached_in_stages(viewer, dock, wait):
    form = dock.form
    assert form.cascade.text() == "all at once" and form.settings().cascade is None
    plain = dock._planned
    form.cascade.setValue(0.02)
    form.force.setChecked(True)
    wait(lambda: dock._planned["seconds"] > plain["seconds"])
    assert "--cascade 0.02" in dock.command()
    dock.run()
    wait(finished(dock))
    record = viewer.layers["mean: head"].metadata["medsr"]["record"]
    assert record["task"]["stages"] == [[36, 40, 15], [36, 40, 30]]
    form.cascade.setValue(0)
    assert form.settings().cascade == 0
    for box, value in ((form.mode, "uncertainty"), (form.region_kind, "slab")):
        box.setCurrentIndex(box.findData(value))
        assert form.settings().cascade is None
        assert not form.cascade.isVisibleTo(form)
        box.setCurrentIndex(0)


def test_without_a_scan_it_says_what_to_do(viewer, wait, notices):
    _, widget = viewer.window.add_plugin_dock_widget("medsr", "Enhance")
    wait(lambda: "no scan is chosen" in widget.estimate.text())
    widget.run()
    assert any("drop a scan" in message for message in notices())


def test_an_uncertainty_needs_no_samples_and_shows_the_sampler_only_where_some_are_asked_for(dock):
    form = dock.form
    form.mode.setCurrentIndex(form.mode.findData("uncertainty"))
    sampler = (
        form.steps,
        form.sampler,
        form.leading.data_step,
        form.leading.guidance,
        form.leading.classifier,
        form.seed,
    )
    assert form.samples.isVisibleTo(form)
    assert form.samples.text() == "none: the network's own estimate"
    assert not any(field.isVisibleTo(form) for field in sampler)
    assert form.settings().samples == 0
    form.samples.setValue(4)
    assert form.settings().samples == 4
    assert all(field.isVisibleTo(form) for field in sampler)
