"""The dock that enhances a folder of scans: a table of cases that fills as they finish, and opens results."""

from __future__ import annotations

from typing import Any

from napari.qt.threading import create_worker
from qtpy.compat import isalive
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from medsr.errors import MedsrError
from medsr.worker.parent import Event

from . import wording
from .background import Background
from .docks import Dock, fill, fill_header, notice_label, text_label
from .layers import LayerData
from .preferences import preferences
from .readers import layers_at, prepare_view
from .settings_form import SettingsForm

COLUMNS = {
    "name": ("scan", "File of the scan, in its folder"),
    "state": ("state", "Double-click a row to open its result, or to read why it failed"),
    "grid": ("voxel size", "Spacing of the result, in mm"),
    "seconds": ("seconds", "Time that it took"),
    "residual": ("differs", f"{wording.RESIDUAL}: near 1 is right, above 1.3 contradicts the scan"),
}


class BatchWidget(Dock):
    """Enhance every scan of a folder.

    Args:
        napari_viewer: The viewer, which napari gives.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._background = Background.of_application(preferences().device)
        self._cases: list[dict[str, Any]] = []
        self.source, self.target = QLineEdit(), QLineEdit()
        self.form = SettingsForm(napari_viewer, preferences().mode, whole_scans=True)
        self._lay_out()

    def run(self) -> None:
        """Enhance the folder."""
        try:
            settings = self.form.settings()
        except MedsrError as error:
            wording.warn(str(error))
            return
        request = {"source": self.source.text(), "target": self.target.text(), "settings": settings.to_dict()}
        if not request["source"] or not request["target"]:
            wording.warn("choose the folder with the scans and the folder for the results")
            return
        self._show_running(True)
        self.status.setText("looking for scans")
        self._background.submit(self, "batch", lambda folder: request, self._on_event)

    def cancel(self) -> None:
        """End the run within a second; finished results stay."""
        self._background.cancel()

    def open_result(self, row: int) -> None:
        """Read the result of a finished case beside the viewer's thread and show it, or say why there is none."""
        case = self._cases[row]
        if case["state"] == "done":
            self.status.setText(f"opening {case['name']}")
            reading = create_worker(layers_at, case["target"])
            reading.returned.connect(self._on_read)
            reading.errored.connect(self._on_unreadable)
            reading.start()
        elif case["message"]:
            wording.warn(f"{case['name']}: {case['message']}")

    def _on_read(self, layers: list[LayerData]) -> None:
        if isalive(self):
            prepare_view(layers)
            for data, keywords, _ in layers:
                self._viewer.add_image(data, **keywords)
            self.status.setText("" if layers else "it is open already")

    def _on_unreadable(self, error: Exception) -> None:
        if isalive(self):
            self.status.setText(str(error))

    def _on_event(self, event: Event, made: Any) -> None:
        content = event.content
        if event.kind == "cases":
            self._cases = content["cases"]
            self.table.setRowCount(len(self._cases))
            self.bar.setRange(0, len(self._cases))
            for number in range(len(self._cases)):
                self._show_case(number)
        elif event.kind == "case":
            self._cases[content["number"]] = content["case"]
            self._show_case(content["number"])
            self.bar.setValue(sum(case["state"] in ("done", "failed") for case in self._cases))
        elif event.kind == "progress":
            self.status.setText(wording.progress(content))
        elif event.is_last:
            self._show_running(False)
            self.status.setText(wording.batch_end(event.kind, content))
            if event.kind in ("failed", "died"):
                wording.error(content["message"])

    def _show_case(self, number: int) -> None:
        case = self._cases[number]
        for column, key in enumerate(COLUMNS):
            item = QTableWidgetItem(wording.case_cell(case, key))
            item.setToolTip(case["message"])
            self.table.setItem(number, column, item)

    def _show_running(self, running: bool) -> None:
        for field in (self.source, self.target, self.form, self.go):
            field.setEnabled(not running)
        self.stop.setEnabled(running)
        self.bar.setVisible(running)

    def _choose(self, field: QLineEdit, title: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, title, field.text())
        if folder:
            field.setText(folder)

    def _folder_row(self, field: QLineEdit, title: str) -> QWidget:
        beside, button = QWidget(), QPushButton("...")
        button.setToolTip(title)
        field.setToolTip(title)
        button.clicked.connect(lambda: self._choose(field, title))
        line = QHBoxLayout(beside)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(field, 1)
        line.addWidget(button)
        return beside

    def _lay_out(self) -> None:
        self.table = QTableWidget(0, len(COLUMNS))
        fill_header(self.table, list(COLUMNS.values()))
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setMinimumHeight(160)
        self.table.setToolTip("Double-click opens a result, or says why there is none")
        self.table.cellDoubleClicked.connect(lambda row, column: self.open_result(row))
        self.status = text_label()
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.go, self.stop = QPushButton("Enhance the folder"), QPushButton("Cancel")
        self.go.clicked.connect(self.run)
        self.stop.clicked.connect(self.cancel)
        self.stop.setEnabled(False)
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Scans in", self._folder_row(self.source, "Folder with scans"))
        rows.addRow("Results to", self._folder_row(self.target, "Folder for results"))
        buttons = QHBoxLayout()
        buttons.addWidget(self.go)
        buttons.addWidget(self.stop)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addLayout(rows)
        column.addWidget(self.form)
        column.addLayout(buttons)
        for widget in (self.bar, self.status, self.table, notice_label()):
            column.addWidget(widget)
        fill(self, inner)
