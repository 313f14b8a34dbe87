"""The dock that measures a result: against a reference in the convention of the reports, and against its own scan."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from medsr.errors import MedsrError
from medsr.viewing.exchange import packed
from medsr.worker.parent import Event

from . import wording
from .background import Background
from .choices import LayerChoice, data_of, facts_of
from .docks import Dock, fill, fill_header, notice_label, text_label
from .layers import shown_mm, true_mm, volume_of
from .outcomes import Made
from .preferences import preferences
from .regions import BOX_LAYER, box_of_shapes

COLUMNS = {
    "where": ("where", "The whole scan, or the region that is drawn"),
    "method": (
        "method",
        "The result beside interpolation (cubic) and iterative back-projection (ibp), both without a network",
    ),
    "psnr_db": ("PSNR, dB", "Peak signal-to-noise ratio: the higher, the nearer to the reference"),
    "ssim": ("SSIM", "Structural similarity to the reference: at most 1"),
    "over_cubic_db": ("over cubic", "PSNR gained over cubic interpolation, in dB"),
    "over_ibp_db": ("over IBP", "PSNR gained over iterative back-projection, in dB"),
}
BOX_DEPTH_MM = 20.0


class ChecksWidget(Dock):
    """Measure a result.

    Args:
        napari_viewer: The viewer, which napari gives.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._background = Background.of_application(preferences().device)
        self._worst: tuple[float, ...] | None = None
        self.result = LayerChoice(napari_viewer, ("enhanced",), self)
        self.scan = LayerChoice(napari_viewer, ("scan",), self, follows=False)
        self.reference = LayerChoice(napari_viewer, ("scan",), self, nothing="none", follows=False)
        self._lay_out()
        self.result.chosen.connect(self._on_result)
        self._on_result()

    def check(self, report: str = "") -> None:
        """Measure; with the name of a folder, write the report into it as well."""
        try:
            scan, result = self.scan.needed("scan"), self.result.needed("result")
        except MedsrError as error:
            wording.warn(str(error))
            return
        facts, reference = facts_of(result), self.reference.layer()
        before, after = data_of(scan), data_of(result)
        truth = None if reference is None else data_of(reference)
        made = Made(scan.name, facts_of(scan), scan.contrast_limits, str(scan.unique_id))
        model = facts.get("record", {}).get("model", {})
        request = {"settings": facts.get("settings", {}), "model": model, "report": report}
        if truth is not None and self._box() is not None:
            request["region_mm"] = self._box()
        self.status.setText("measuring")

        def prepare(folder: Any) -> dict[str, Any]:
            voxels = {"scan": before, "result": after, **({} if truth is None else {"reference": truth})}
            return {**request, **{name: packed(volume_of(one), folder) for name, one in voxels.items()}}

        self._background.submit(self, "check", prepare, self._on_checked, lambda event: _map(made, event))

    def write(self) -> None:
        """Ask where to, measure against the reference, and write the report."""
        if self.reference.layer() is None:
            wording.warn("a report needs a reference; choose the layer that holds the truth")
            return
        path, _ = QFileDialog.getSaveFileName(self, "Write the report into a new folder", "report", "Folder (*)")
        if path:
            self.check(path)

    def go_to_worst(self) -> None:
        """Move the sliders to the place where the result contradicts the scan most."""
        if self._worst is not None:
            for axis, value in enumerate(self._worst, start=self._viewer.dims.ndim - len(self._worst)):
                self._viewer.dims.set_point(axis, value)

    def _box(self) -> list[list[float]] | None:
        """The drawn box in true RAS mm, None where nothing is drawn."""
        shapes = [layer for layer in self._viewer.layers if layer.name == BOX_LAYER and len(layer.data)]
        if not shapes:
            return None
        corners = box_of_shapes(list(shapes[0].data), BOX_DEPTH_MM)
        return [true_mm(facts_of(self.result.layer()), corner) for corner in corners]

    def _on_checked(self, event: Event, made: Any) -> None:
        if event.kind == "done":
            self._worst = shown_mm(facts_of(self.scan.needed("scan")), event.content["worst_mm"])
            self.fidelity.setText(wording.fidelity(event.content))
            self.worst.setEnabled(True)
            self._fill_table(event.content["rows"])
            written = event.content["written"]
            self.status.setText(f"written: {', '.join(written)}" if written else "")
            self._show_map(made)
        elif event.is_last:
            self.status.setText(event.content["message"])
            wording.error(event.content["message"])

    def _show_map(self, made: Any) -> None:
        data, keywords, _ = made
        for layer in [one for one in self._viewer.layers if one.name == keywords["name"]]:
            self._viewer.layers.remove(layer)
        active = self._viewer.layers.selection.active
        self._viewer.add_image(data, **keywords, visible=False)
        self._viewer.layers.selection.active = active

    def _fill_table(self, rows: list[dict[str, Any]]) -> None:
        self.table.setRowCount(len(rows))
        self.table.setVisible(bool(rows))
        for number, row in enumerate(rows):
            for column, key in enumerate(COLUMNS):
                self.table.setItem(number, column, QTableWidgetItem(wording.cell(key, row[key])))
        self.table.resizeColumnsToContents()

    def _on_result(self) -> None:
        """Choose the scan that the result was made of."""
        result = self.result.layer()
        if result is not None:
            for layer in self._viewer.layers:
                if str(layer.unique_id) == facts_of(result).get("of"):
                    self.scan.choose(layer)

    def _lay_out(self) -> None:
        self.fidelity, self.status = text_label(), text_label()
        self.table = QTableWidget(0, len(COLUMNS))
        fill_header(self.table, list(COLUMNS.values()))
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setVisible(False)
        self.go, self.worst, self.report = (
            QPushButton(text) for text in ("Check", "Go to the worst place", "Report...")
        )
        self.go.clicked.connect(lambda: self.check())
        self.worst.clicked.connect(self.go_to_worst)
        self.report.clicked.connect(self.write)
        self.worst.setEnabled(False)
        self.fidelity.setToolTip(wording.RESIDUAL)
        self.worst.setToolTip("Moves the sliders to where the result contradicts its scan most (the largest residual)")
        self.report.setToolTip("Measures against the reference, and writes tables and pictures as medsr validate does")
        self.result.setToolTip("Result to measure; the scan that it was made of is chosen with it")
        self.scan.setToolTip("Scan that the result was made of")
        self.reference.setToolTip("High-resolution scan of the same subject (the truth), on the voxels of the result")
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for label, field in {"Result": self.result, "Scan": self.scan, "Reference": self.reference}.items():
            rows.addRow(label, field)
        buttons = QHBoxLayout()
        for button in (self.go, self.worst, self.report):
            buttons.addWidget(button)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addLayout(rows)
        column.addLayout(buttons)
        for widget in (self.fidelity, self.table, self.status, notice_label()):
            column.addWidget(widget)
        column.addStretch(1)
        fill(self, inner)


def _map(made: Made, event: Event) -> Any:
    """The layer of the residual, made on the thread that received it."""
    return (
        None if event.kind != "done" else made.difference(event.content["map"], "residual", "residual, times the noise")
    )
