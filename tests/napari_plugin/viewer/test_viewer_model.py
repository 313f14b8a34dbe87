"""Choosing a model in a real viewer: those of the package, or a weights file of one's own."""

from __future__ import annotations

import shutil

import pytest

from medsr.model import DEFAULT_MODEL
from medsr.model.packaged import packaged_models

pytestmark = pytest.mark.viewer


@pytest.fixture
def dock(viewer, wait, thick_scan):
    """The dock with a scan chosen and planned."""
    viewer.open(thick_scan, plugin="medsr")
    _, widget = viewer.window.add_plugin_dock_widget("medsr", "Enhance")
    wait(lambda: DEFAULT_MODEL in widget.verdict.text())
    return widget


def press_file_and(dock, answer):
    """Choose the last entry as a click does, and answer the window that it opens."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    poll = QTimer()

    def act():
        asked = QApplication.activeModalWidget()
        if asked is not None:
            poll.stop()
            answer(asked)

    poll.timeout.connect(act)
    poll.start(10)
    choice = dock.form.model
    choice.setCurrentIndex(choice.count() - 1)
    choice.activated.emit(choice.count() - 1)


def test_a_weights_file_is_asked_for_and_used(dock, wait, tmp_path, thick_scan):
    own = tmp_path / "my lab.safetensors"
    shutil.copyfile(packaged_models()[DEFAULT_MODEL], own)
    choice = dock.form.model
    assert [choice.itemText(index) for index in range(choice.count())] == [*packaged_models(), "file..."]
    assert "--model" not in dock.command()
    press_file_and(dock, lambda asked: asked.reject())
    assert choice.model == DEFAULT_MODEL

    def take(asked):
        asked.selectFile(str(own))
        asked.accept()

    press_file_and(dock, take)
    assert (choice.currentText(), choice.model) == (own.name, str(own))
    assert dock.command().endswith(f" --model '{own}'")
    dock.run()
    wait(lambda: dock.go.isEnabled())
    result = dock._viewer.layers[-1].metadata["medsr"]
    assert result["settings"]["model"] == str(own)
    assert result["record"]["model"]["name"] == DEFAULT_MODEL
    choice.setCurrentIndex(0)
    choice.activated.emit(0)
    assert "--model" not in dock.command()


def test_what_is_not_a_weights_file_is_said_before_the_run(dock, wait, tmp_path):
    (tmp_path / "notes.safetensors").write_text("no weights")
    dock.form.model.choose_file(str(tmp_path / "notes.safetensors"))
    wait(lambda: dock.estimate.text().startswith("notes.safetensors"))
    assert dock.verdict.text() == ""
