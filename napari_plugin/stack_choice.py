"""A list of scans to tick: stacks of the same body, which are fused with the chosen scan."""

from __future__ import annotations

from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from .choices import LayerChoice, role_of

ROWS = 3  # that are seen at once


class StackChoice(QWidget):
    """The other scans of the viewer, none ticked to begin with; hidden where there is only one scan.

    Args:
        viewer: The viewer with the layers.
        scan: List in which the first stack is chosen.
        parent: Parent of the widget.
    """

    changed = Signal()

    def __init__(self, viewer: Any, scan: LayerChoice, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer, self._scan = viewer, scan
        self.list = QListWidget()
        self.list.setToolTip(
            "Stacks of the same body in other orientations or places: those that are ticked are fused with the scan "
            "above, whose place and unit the result has"
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(QLabel("fuse with"))
        column.addWidget(self.list)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.renamed):
            event.connect(self._refill)
        scan.chosen.connect(self._refill)
        self.list.itemChanged.connect(self.changed)
        self._refill()

    def layers(self) -> list[Any]:
        """The ticked layers, in the order of the list."""
        items = [self.list.item(row) for row in range(self.list.count())]
        return [item.data(Qt.ItemDataRole.UserRole) for item in items if item.checkState() == Qt.CheckState.Checked]

    def tick(self, layer: Any, ticked: bool = True) -> None:
        """Tick a layer of the list, or take its tick away."""
        for row in range(self.list.count()):
            if self.list.item(row).data(Qt.ItemDataRole.UserRole) == layer:
                self.list.item(row).setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)

    def _refill(self, event: Any = None) -> None:
        if not isalive(self):  # the dock was closed, and napari has not let go of it yet
            return
        ticked, first = self.layers(), self._scan.layer()
        self.list.blockSignals(True)
        self.list.clear()
        for layer in self._viewer.layers:
            if role_of(layer) == "scan" and layer != first:
                item = QListWidgetItem(layer.name)
                item.setData(Qt.ItemDataRole.UserRole, layer)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if layer in ticked else Qt.CheckState.Unchecked)
                self.list.addItem(item)
        self.list.blockSignals(False)
        self.list.setFixedHeight(ROWS * max(self.list.sizeHintForRow(0), 1) + 2 * self.list.frameWidth())
        self.setVisible(self.list.count() > 0)
        if self.layers() != ticked:
            self.changed.emit()
