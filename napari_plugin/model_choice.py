"""A list of models: those of the package, and weights files of the user's own."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from medsr.model import DEFAULT_MODEL
from medsr.model.packaged import packaged_models

FROM_FILE = ""  # value of the entry that asks for a file


class ModelChoice(QComboBox):
    """The models to enhance with; the last entry asks for a weights file, which then stays in the list."""

    chosen = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        for name in packaged_models():
            self.addItem(name, name)
        self.addItem("file...", FROM_FILE)
        self.setCurrentIndex(max(0, self.findData(DEFAULT_MODEL)))
        self._before = self.currentIndex()
        self.setToolTip(
            "Network that enhances. file...: weights of your own, as medsr train writes them (.safetensors)"
        )
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(self._on_activated)

    @property
    def model(self) -> str:
        """Name of a packaged model, or path of a weights file."""
        return str(self.currentData())

    def choose_file(self, path: str) -> None:
        """List a weights file, and choose it; whether it is one is said when it is loaded."""
        if self.findData(path) < 0:
            self.insertItem(self.findData(FROM_FILE), Path(path).name, path)
        self._before = self.findData(path)
        self.setCurrentIndex(self._before)
        self.chosen.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the form: it must not open the window that asks for a file."""
        event.ignore()

    def _on_activated(self, index: int) -> None:
        if self.itemData(index) != FROM_FILE:
            self._before = index
            self.chosen.emit()
            return
        self.setCurrentIndex(self._before)
        path, _ = QFileDialog.getOpenFileName(self, "Weights of a model", "", "Weights of medsr (*.safetensors)")
        if path:
            self.choose_file(path)
