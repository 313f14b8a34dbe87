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
