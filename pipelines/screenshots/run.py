"""Take the pictures of docs/tutorials/napari.md from a real viewer; see README.md beside this file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "images"
SIZE = (1440, 900)
CORONAL = (1, 0, 2)
SLICE_MM = 8.0
SETTLE_MS = 400  # for the window to paint what has changed


def main() -> int:
    """Enhance the sample in a viewer and take a picture of every step."""
    os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("medsr", "brain")
    viewer.dims.order = CORONAL
    viewer.dims.set_point(1, SLICE_MM)
    viewer.reset_view()
    enhance = viewer.window.add_plugin_dock_widget("medsr", "Enhance")[1]
    enhance.form.grid_kind.setCurrentIndex(enhance.form.grid_kind.findData("onto"))
    enhance.form.onto_layer.choose(viewer.layers["brain, truth"])
    picture_refining(viewer, enhance)
    picture_enhanced(viewer, enhance)
    for dock in list(viewer.window.dock_widgets.values()):
        if dock is enhance:
            viewer.window.remove_dock_widget(dock)
    picture_compare(viewer)
    picture_check(viewer)
    viewer.close()
    return 0


def picture_refining(viewer: Any, dock: Any) -> None:
    """Half-way through a posterior sample of what is visible: noise, estimate, what is measured and what is prior."""
    choose(dock.form.mode, "sample")
    choose(dock.form.region_kind, "slab")
    dock.form.depth_mm.setValue(10)
    dock.form.watch.setChecked(True)
    dock.form.force.setChecked(True)  # a sample of slices as thick as these is given out alone only then
    wait(lambda: "voxels" in dock.estimate.text())
    dock.run()
    wait(lambda: viewer.dims.ndim == 4 and viewer.dims.point[0] >= 1)
    canvas, shown = getattr(viewer, "canvas", viewer), [layer.visible for layer in viewer.layers[:2]]
    for number, layer in enumerate(viewer.layers):
        layer.visible = number >= 2
    canvas.grid.enabled = True
    take(viewer, "refining")
    wait(dock.go.isEnabled)
    canvas.grid.enabled = False
    for layer in list(viewer.layers)[2:]:
        viewer.layers.remove(layer)
    for layer, visible in zip(viewer.layers, shown, strict=True):
        layer.visible = visible
    viewer.dims.order = CORONAL
    viewer.dims.set_point(1, SLICE_MM)
    viewer.reset_view()


def picture_enhanced(viewer: Any, dock: Any) -> None:
    """The whole scan enhanced, with the uncertainty map over it."""
    dock.form.force.setChecked(False)
    choose(dock.form.mode, "uncertainty")
    choose(dock.form.region_kind, "whole")
    dock.run()
    wait(dock.go.isEnabled)
    take(viewer, "enhanced")


def picture_compare(viewer: Any) -> None:
    """Curtain, side by side, and difference."""
    dock = viewer.window.add_plugin_dock_widget("medsr", "Compare")[1]
    dock.overlay.setChecked(False)
    for view, name in (("curtain", "curtain"), ("grid", "side_by_side"), ("difference", "difference")):
        choose(dock.view, view)
        wait(lambda: dock.companion("cubic") is not None)
        take(viewer, name)
    choose(dock.view, "result")
    viewer.window.remove_dock_widget(dock)


def picture_check(viewer: Any) -> None:
    """The table of checks against the truth."""
    dock = viewer.window.add_plugin_dock_widget("medsr", "Check")[1]
    dock.reference.choose(viewer.layers["brain, truth"])
    dock.check()
    wait(lambda: dock.table.rowCount() > 0)
    take(viewer, "check")


def take(viewer: Any, name: str) -> None:
    """Write the window as it is to the images of the documentation, under this name."""
    from qtpy.QtCore import QTimer

    settled: list[bool] = []
    QTimer.singleShot(SETTLE_MS, lambda: settled.append(True))
    wait(lambda: bool(settled))
    path = FOLDER / f"napari_{name}.png"
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(path.relative_to(ROOT))


def choose(box: Any, value: str) -> None:
    """Choose an entry by its value."""
    box.setCurrentIndex(box.findData(value))


def wait(condition: Callable[[], bool]) -> None:
    """Let the window live until a condition holds."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, poll = QEventLoop(), QTimer()
    poll.timeout.connect(lambda: condition() and loop.quit())
    poll.start(10)
    loop.exec()


if __name__ == "__main__":
    sys.exit(main())
