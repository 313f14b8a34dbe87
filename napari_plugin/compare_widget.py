"""The dock that shows before and after: curtain, side by side, difference, uncertainty, values under the mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSlider, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from medsr.errors import MedsrError
from medsr.viewing.exchange import packed
from medsr.worker.parent import Event

from . import wording
from .background import Background
from .choices import LayerChoice, data_of, facts_of
from .curtain import Curtain
from .docks import Dock, fill, notice_label, text_label
from .layers import METADATA_KEY, volume_of, voxel_at
from .outcomes import Made
from .outline import is_outline
from .preferences import preferences
from .region_view import show_region
from .regions import BOX_LAYER

VIEWS = {
    "result alone": "result",
    "curtain: before left, after right": "curtain",
    "side by side": "grid",
    "difference to before": "difference",
}
CURTAIN_STEPS = 1000


class CompareWidget(Dock):
    """Compare a scan, in cubic interpolation, with what was made of it.

    Args:
        napari_viewer: The viewer, which napari gives.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._background = Background.of_application(preferences().device)
        self._curtain: Curtain | None = None
        self._zoomed_to = ""  # identifier of the result of a region that the picture was zoomed to
        self.scan = LayerChoice(napari_viewer, ("scan",), self, follows=False)
        self.result = LayerChoice(napari_viewer, ("enhanced",), self)
        self.uncertainty = LayerChoice(napari_viewer, ("uncertainty",), self, follows=False)
        self._lay_out()
        self.result.chosen.connect(self._on_result)
        self.view.currentIndexChanged.connect(self.show_view)
        self.position.valueChanged.connect(self._on_position)
        self.overlay.toggled.connect(self._show_uncertainty)
        self.threshold.valueChanged.connect(self._show_uncertainty)
        self.uncertainty.chosen.connect(self._on_uncertainty)
        napari_viewer.dims.events.order.connect(self._turn_curtain)
        # last: napari itself fits all layers into another plane
        napari_viewer.dims.events.order.connect(self._keep_zoom, position="last")
        napari_viewer.mouse_move_callbacks.append(self._read_out)
        self._on_result()
        self._on_uncertainty()

    def show_view(self) -> None:
        """Show what is chosen; what it needs is computed first."""
        try:
            self.scan.needed("scan"), self.result.needed("result")
        except MedsrError as error:
            wording.warn(str(error))
            return
        if self.view.currentData() == "result" or self.companion("cubic") is not None:
            self._apply()
            return
        self._compute()

    def companion(self, role: str) -> Any:
        """The layer of that role that was made for the chosen result, None where there is none."""
        result = self.result.layer()
        wanted = None if result is None else str(result.unique_id)
        for layer in self._viewer.layers:
            facts = layer.metadata.get(METADATA_KEY, {})
            if facts.get("role") == role and facts.get("to") == wanted:
                return layer
        return None

    def _compute(self) -> None:
        scan, result = self.scan.layer(), self.result.layer()
        made = Made(scan.name, facts_of(scan), result.contrast_limits, str(scan.unique_id))
        before, after, to = data_of(scan), data_of(result), str(result.unique_id)
        self.status.setText("computing the difference")
        self._background.submit(
            self,
            "compare",
            lambda folder: {"scan": packed(volume_of(before), folder), "result": packed(volume_of(after), folder)},
            self._on_compared,
            lambda event: None if event.kind != "done" else _compared(made, event, to),
        )

    def _on_compared(self, event: Event, made: Any) -> None:
        if event.kind == "done":
            for data, keywords, _ in made:
                self._viewer.add_image(data, **keywords, visible=False)
            self.status.setText("")
            self._apply()
        elif event.is_last:
            self.status.setText(event.content["message"])
            wording.error(event.content["message"])

    def _apply(self) -> None:
        """Make visible what the view needs, and nothing else of medsr."""
        view, result = self.view.currentData(), self.result.layer()
        shown = {
            "result": [result],
            "curtain": [self._curtain_layer() if view == "curtain" else None],
            "grid": [self.companion("cubic"), result],
            "difference": [self.companion("difference")],
        }[view]
        frames = [layer for layer in self._viewer.layers if is_outline(layer) or layer.name == BOX_LAYER]
        for layer in self._viewer.layers:
            if layer.metadata.get(METADATA_KEY) is not None and layer not in frames:
                layer.visible = any(layer == one for one in shown)
        canvas = getattr(self._viewer, "canvas", self._viewer)
        canvas.grid.stride, canvas.grid.shape = -1, (1, -1)  # the lower layer first: before stands left of after
        is_turned = canvas.grid.enabled != (view == "grid")
        for layer in frames if is_turned else ():
            layer.visible = view != "grid"  # there every layer has a picture of its own
        canvas.grid.enabled = view == "grid"
        self._zoom(result, is_turned)
        self.position.setEnabled(view == "curtain")
        self._show_uncertainty()

    def _zoom(self, result: Any, is_turned: bool) -> None:
        """Fit the picture where its room has changed, and to a region the first time that it is compared."""
        region = facts_of(result).get("settings", {}).get("region")
        name = "" if region is None else str(result.unique_id)
        if name and (is_turned or name != self._zoomed_to):
            show_region(self._viewer, result)
        elif is_turned:
            self._viewer.reset_view()
        self._zoomed_to = name

    def _keep_zoom(self, event: Any = None) -> None:
        """Show the region in another plane as well, while this dock is in front."""
        result = self.result.layer() if isalive(self) and self.isVisible() else None
        if result is not None and str(result.unique_id) == self._zoomed_to:
            show_region(self._viewer, result)

    def _curtain_layer(self) -> Any:
        found, before, after = self.companion("curtain"), self.companion("cubic"), self.result.layer()
        if found is None:
            self._curtain = Curtain(before.data, after.data, after.contrast_limits[1])
            facts = {**facts_of(before), "role": "curtain"}
            found = self._viewer.add_image(
                self._curtain,
                name=f"curtain: {after.name}",
                scale=after.scale,
                translate=after.translate,
                units=after.units,
                axis_labels=after.axis_labels,
                contrast_limits=after.contrast_limits,
                metadata={METADATA_KEY: facts},
            )
            found.mouse_drag_callbacks.append(self._drag)
        self._curtain = found.data
        found.mouse_pan = False
        self._viewer.layers.selection.active = found
        self._turn_curtain()
        return found

    def _turn_curtain(self, event: Any = None) -> None:
        """Let the line stand upright, whichever way the scan is cut, with before on the left."""
        layer = self.companion("curtain") if isalive(self) else None
        if layer is not None and self._curtain is not None:
            self._curtain.axis = self._viewer.dims.displayed[-1] - self._viewer.dims.ndim
            self._curtain.mirrored = str(self._viewer.scene.camera.orientation2d[1]) == "left"
            layer.refresh()

    def _on_position(self, value: int) -> None:
        layer = self.companion("curtain")
        if layer is not None and self._curtain is not None:
            self._curtain.share = value / CURTAIN_STEPS
            layer.refresh()

    def _drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Move the line with the mouse."""
        yield
        while event.type == "mouse_move" and self._curtain is not None:
            self._curtain.move_to(layer.world_to_data(event.position)[self._curtain.axis])
            self.position.setValue(round(self._curtain.share * CURTAIN_STEPS))
            yield

    def _show_uncertainty(self, *_: Any) -> None:
        """The uncertainty in colour over what is shown, only where it is above the threshold."""
        layer = self.uncertainty.layer()
        is_grid = self.view.currentData() == "grid"  # where every layer has a picture of its own
        self.overlay.setEnabled(layer is not None and not is_grid)
        self.threshold.setEnabled(layer is not None and self.overlay.isChecked())
        if layer is None:
            return
        layer.visible = self.overlay.isChecked() and not is_grid
        if layer.visible:
            self._viewer.layers.move(self._viewer.layers.index(layer), len(self._viewer.layers))
        layer.contrast_limits = (min(self.threshold.value(), layer.contrast_limits[1]), layer.contrast_limits[1])

    def _on_uncertainty(self) -> None:
        """Let the slider run over the chosen uncertainty, and begin where that begins."""
        layer = self.uncertainty.layer()
        if layer is not None:
            low, high = layer.contrast_limits
            self.threshold.blockSignals(True)
            self.threshold.setRange(0.0, high)
            self.threshold.setValue(low)
            self.threshold.blockSignals(False)
        self._show_uncertainty()

    def _on_result(self) -> None:
        """Choose the scan that the result was made of."""
        result = self.result.layer()
        if result is not None:
            for layer in self._viewer.layers:
                if str(layer.unique_id) == facts_of(result).get("of"):
                    self.scan.choose(layer)

    def _read_out(self, viewer: Any, event: Any) -> None:
        """Values under the mouse, in the scan's own unit."""
        if not isalive(self):  # the dock was closed
            viewer.mouse_move_callbacks.remove(self._read_out)
            return
        layers = {"before": self.scan.layer(), "after": self.result.layer(), "uncertainty": self.uncertainty.layer()}
        values = {
            name: voxel_at(layer.data, layer.world_to_data(event.position))
            for name, layer in layers.items()
            if layer is not None
        }
        modality = next((facts_of(layer)["modality"] for layer in layers.values() if layer is not None), "MR")
        self.values.setText(wording.values(values, modality))

    def _lay_out(self) -> None:
        self.view = QComboBox()
        for text, view in VIEWS.items():
            self.view.addItem(text, view)
        self.position = QSlider(Qt.Orientation.Horizontal)
        self.position.setRange(0, CURTAIN_STEPS)
        self.position.setValue(CURTAIN_STEPS // 2)
        self.position.setEnabled(False)
        self.position.setToolTip("Moves the curtain; so does dragging in the picture")
        self.overlay = QCheckBox("show it over the picture")
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setDecimals(1)
        self.scan.setToolTip("Scan that the result was made of")
        self.result.setToolTip("Result to look at; the scan that it was made of is chosen with it")
        self.overlay.setToolTip("Colours the places where the result may be off")
        self.view.setToolTip("Before: the scan in cubic interpolation on the voxels of the result")
        self.uncertainty.setToolTip("Standard deviation of posterior samples, in the scan's own unit")
        self.threshold.setToolTip("Least uncertainty that is shown (threshold)")
        self.values, self.status = text_label("move the mouse over the picture"), text_label()
        self.values.setToolTip("Values of scan, result and uncertainty where the mouse is, in the scan's own unit")
        inner = QWidget()
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        fields = {
            "Before": self.scan,
            "After": self.result,
            "View": self.view,
            "Curtain": self.position,
            "Uncertainty": self.uncertainty,
            "": self.overlay,
            "Shown from": self.threshold,
            "At the mouse": self.values,
        }
        for label, field in fields.items():
            rows.addRow(label, field)
        column = QVBoxLayout(inner)
        column.addLayout(rows)
        column.addWidget(self.status)
        column.addWidget(notice_label())
        column.addStretch(1)
        fill(self, inner)


def _compared(made: Made, event: Event, to: str) -> Any:
    """Layers of the cubic interpolation and of the difference, made on the thread that received them."""
    return [
        made.scan(event.content["cubic"], "cubic", "before, cubic", to=to),
        made.difference(event.content["difference"], "difference", "after minus before", to=to),
    ]
