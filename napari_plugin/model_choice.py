"""Lists of weights: models to enhance with, and classifiers that lead samples; files of the user's own join them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from medsr.model import DEFAULT_MODEL
from medsr.model.packaged import packaged_models

FROM_FILE = ""  # value of the entry that asks for a file
NO_CLASSIFIER = "none"


class WeightsChoice(QComboBox):
    """Names to choose from; the last entry asks for a weights file, which then stays in the list.

    Args:
        parent: Widget that holds the list.
        names: Names that are there to begin with; the first one is chosen.
        title: Title of the window that asks for a file.
    """

    chosen = Signal()

    def __init__(self, parent: QWidget, names: Iterable[str], title: str) -> None:
        super().__init__(parent)
        self._title = title
        for name in names:
            self.addItem(name, name)
        self.addItem("file...", FROM_FILE)
        self._before = self.currentIndex()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(self._on_activated)

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
        path, _ = QFileDialog.getOpenFileName(self, self._title, "", "Weights of medsr (*.safetensors)")
        if path:
            self.choose_file(path)


class ModelChoice(WeightsChoice):
    """The models to enhance with: those of the package, and files."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, packaged_models(), "Weights of a model")
        self._before = max(0, self.findData(DEFAULT_MODEL))
        self.setCurrentIndex(self._before)
        self.setToolTip(
            "Network that enhances. file...: weights of your own, as medsr train writes them (.safetensors)"
        )

    @property
    def model(self) -> str:
        """Name of a packaged model, or path of a weights file."""
        return str(self.currentData())


class ClassifierChoice(WeightsChoice):
    """The classifiers that may lead samples: none, or files."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, (NO_CLASSIFIER,), "Weights of a classifier")
        self.setToolTip(
            "Classifier that leads samples towards sharp detail (classifier guidance), at a gradient of it a step. "
            "file...: weights of the process sharpness, as medsr train writes them (.safetensors)"
        )

    @property
    def classifier(self) -> str | None:
        """Path of a weights file, None where nothing leads."""
        return None if self.currentData() == NO_CLASSIFIER else str(self.currentData())
