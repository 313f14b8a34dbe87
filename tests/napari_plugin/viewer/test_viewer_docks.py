"""Where the docks of the plugin lie in a real window."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.viewer


def test_docks_open_as_tabs_of_one_another(viewer, wait):
    from qtpy.QtWidgets import QDockWidget, QMainWindow

    docks = [
        viewer.window.add_plugin_dock_widget("medsr", name)[0] for name in ("Enhance", "Compare", "Check", "Batch")
    ]
    window = docks[0].parentWidget()
    while not isinstance(window, QMainWindow):
        window = window.parentWidget()
    wait(lambda: len(window.tabifiedDockWidgets(docks[0])) == len(docks) - 1)
    assert all(isinstance(dock, QDockWidget) for dock in docks)
    last = docks[-1]
    wait(lambda: last.height() > window.height() / 2)  # the newest one lies in front, with the whole height
    assert not last.visibleRegion().isEmpty()


@pytest.mark.parametrize("name", ["Enhance", "Compare", "Check", "Batch"])
def test_every_field_has_its_exact_term_in_its_tooltip(viewer, name):
    from qtpy.QtWidgets import QFormLayout, QWidget

    dock = viewer.window.add_plugin_dock_widget("medsr", name)[1]
    for form in dock.findChildren(QFormLayout):
        for row in range(form.rowCount()):
            field = form.itemAt(row, QFormLayout.ItemRole.FieldRole).widget()
            if field is not getattr(dock, "form", None):
                parts = [field, *field.findChildren(QWidget)]
                assert any(part.toolTip() for part in parts), form.labelForField(field).text()


def test_slice_profiles_are_offered_in_words_and_asked_for_by_name(viewer):
    from medsr.physics.profiles import PROFILE_CHOICES

    form = viewer.window.add_plugin_dock_widget("medsr", "Enhance")[1].form
    assert [form.profile.itemData(index) for index in range(form.profile.count())] == list(PROFILE_CHOICES)
    form.profile.setCurrentText("with ramps (trapezoid)")
    assert form.settings().profile == "trapezoid"
