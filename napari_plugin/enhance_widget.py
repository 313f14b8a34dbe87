"""The dock that enhances the active scan, or fuses it with others: plan, progress, cancel, and the layers made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import MedsrError
from medsr.viewing.command import command_of, result_path
from medsr.viewing.exchange import packed
from medsr.worker.parent import Event

from . import wording
from .background import Background
from .choices import LayerChoice, data_of, facts_of, outline_of
from .docks import Dock, fill, notice_label, text_label
from .layers import AXIS_LABELS, stored_box, volume_of
from .outcomes import Made, layers_of
from .outline import add_outline
from .overlap_view import OverlapView
from .preferences import preferences
from .regions import BOX_LAYER, Corners, box_of_shapes, visible_slab
from .settings_form import SettingsForm
from .stack_choice import StackChoice

PLAN_DELAY_MS = 250  # after the last change, so that typing asks once


class EnhanceWidget(Dock):
    """Enhance the active layer in the worker process.

    Args:
        napari_viewer: The viewer, which napari gives.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._background = Background.of_application(preferences().device)
        self._background.warm()
        self._steps_layers: list[Any] = []
        self._running: EnhanceSettings | None = None
        self._planned: dict[str, Any] = {}
        self._judged: dict[str, list[str]] = {}
        self.scan = LayerChoice(napari_viewer, ("scan",), self)
        self.stacks = StackChoice(napari_viewer, self.scan, self)
        self.overlap = OverlapView(napari_viewer, self)
        self.form = SettingsForm(napari_viewer, preferences().mode)
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PLAN_DELAY_MS)
        self._timer.timeout.connect(self.plan)
        self.scan.chosen.connect(self._timer.start)
        self.scan.chosen.connect(self.judge)
        self.stacks.changed.connect(self._timer.start)
        self.overlap.asked.connect(self._timer.start)
        self.form.changed.connect(self._timer.start)
        self.form.model.chosen.connect(self.judge)
        self.form.draw_box.connect(self.draw_box)
        self._timer.start()
        self.judge()

    def plan(self) -> None:
        """Ask what the request will come to, unless a run is on."""
        if self._running is not None:
            return
        try:
            request = self._request(self._settings())
            stacks = self.stacks.layers()
            shown = [self.scan.needed("scan"), *stacks] if stacks else []
            with self.scan.kept():
                self.overlap.show_stacks(shown, self.form.onto)
        except MedsrError as error:
            self.estimate.setText(str(error))
            self.verdict.setText("")
            return
        self._background.submit(self, "plan", lambda folder: request, self._on_plan)

    def judge(self) -> None:
        """Ask what the envelope says of the chosen scan's voxels; once a scan and model, as it has to be sent."""
        layer, self._judged = self.scan.layer(), {}
        if layer is not None:
            data, model = data_of(layer), self.form.model.model
            self._background.submit(
                self, "judge", lambda folder: {"scan": packed(volume_of(data), folder), "model": model}, self._on_judged
            )

    def run(self) -> None:
        """Enhance the chosen layer."""
        try:
            layer, settings = self.scan.needed("scan"), self._settings()
            request = self._request(settings)
        except MedsrError as error:
            wording.warn(str(error))
            return
        self._running, self._steps_layers = settings, []
        onto = self.form.onto if self.stacks.layers() else None
        facts = facts_of(layer) if onto is None else {**facts_of(layer), "frame": facts_of(onto)["frame"]}
        made = Made(layer.name, facts, layer.contrast_limits, str(layer.unique_id))
        data, stacks = data_of(layer), [data_of(one) for one in self.stacks.layers()]
        self._show_running(True)
        self.status.setText("sending the scan")
        self._background.submit(
            self,
            "enhance",
            lambda folder: {
                **request,
                "scan": packed(volume_of(data), folder),
                "stacks": [packed(volume_of(one), folder) for one in stacks],
            },
            self._on_event,
            lambda event: layers_of(made, event, settings),
        )

    def cancel(self) -> None:
        """End the run within a second; nothing of it is added."""
        self.status.setText("cancelling")
        self._background.cancel()

    def command(self) -> str:
        """The same run for the terminal.

        Raises:
            MedsrError: no scan is chosen, or the form is not filled in.
        """
        path = str(facts_of(self.scan.needed("scan")).get("path", ""))
        stacks, onto = [str(facts_of(layer).get("path", "")) for layer in self.stacks.layers()], self.form.onto
        grid = str(facts_of(onto).get("path", "")) if stacks and onto is not None else None
        return command_of(self._settings(with_onto=not stacks), path, result_path(path), stacks, grid)

    def copy_command(self) -> None:
        """Put the command on the clipboard and show it."""
        try:
            text = self.command()
        except MedsrError as error:
            wording.warn(str(error))
            return
        QApplication.clipboard().setText(text)
        self.status.setText(f"copied: {text}")

    def draw_box(self) -> None:
        """A layer to draw the region in, on the place of the scan."""
        if BOX_LAYER not in self._viewer.layers:
            self._viewer.add_shapes(
                ndim=3,
                name=BOX_LAYER,
                units=("mm",) * 3,
                axis_labels=AXIS_LABELS,
                edge_color="yellow",
                face_color="transparent",
                edge_width=1,
            ).events.set_data.connect(self._ask_again)
        layer = self._viewer.layers[BOX_LAYER]
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def _ask_again(self, event: Any = None) -> None:
        if isalive(self):
            self._timer.start()

    def _settings(self, *, with_onto: bool = False) -> EnhanceSettings:
        settings = self.form.settings()
        if with_onto and self.form.onto is not None and self._planned.get("factors"):
            settings = replace(settings, factors=tuple(self._planned["factors"]))
        if self.form.region == "whole":
            return settings
        layer = self.scan.needed("scan")
        low, high = self._corners(layer)
        return replace(settings, region=stored_box(facts_of(layer), layer.scale, layer.translate, low, high))

    def _corners(self, layer: Any) -> Corners:
        depth = self.form.depth_mm.value()
        if self.form.region == "box":
            shapes = [layer for layer in self._viewer.layers if layer.name == BOX_LAYER]
            return box_of_shapes(list(shapes[0].data) if shapes else [], depth)
        ndim = self._viewer.dims.ndim
        corners = np.array([layer.data_to_world(corner) for corner in layer.corner_pixels])
        shown = [axis - ndim for axis in self._viewer.dims.displayed]
        return visible_slab(corners, self._viewer.dims.point[-3:], shown, depth)

    def _request(self, settings: EnhanceSettings) -> dict[str, Any]:
        request: dict[str, Any] = {
            "scan": outline_of(self.scan.needed("scan")),
            "settings": settings.to_dict(),
            "stacks": [outline_of(layer) for layer in self.stacks.layers()],
            "watch": self.form.watch.isChecked(),
            "memory_limit": preferences().memory_limit,
        }
        if self.form.onto is not None:
            request["onto"] = outline_of(self.form.onto)
        return request

    def _on_plan(self, event: Event, made: Any) -> None:
        if event.kind == "done" and self._running is None:
            self._planned = event.content
            self.estimate.setText(wording.plan(event.content))
            self._show_verdict()
            self.go.setEnabled(True)
        elif event.is_last and event.kind != "cancelled":
            self.estimate.setText(event.content.get("message", ""))
            self.verdict.setText("")

    def _on_judged(self, event: Event, made: Any) -> None:
        if event.kind == "done":
            self._judged = event.content
            self._show_verdict()

    def _show_verdict(self) -> None:
        if self._planned:
            objections = [*self._planned["objections"], *self._judged.get("objections", [])]
            self.verdict.setText(wording.verdict(self._planned["model"], objections, self._judged.get("notices", [])))
            unjudged = bool(self.stacks.layers()) or self.form.mode.currentData() == "sample"
            self.form.show_force(bool(objections) or unjudged)

    def _on_event(self, event: Event, made: Any) -> None:
        if event.kind == "progress":
            self.bar.setRange(0, event.content["total"])
            self.bar.setValue(event.content["done"])
            self.status.setText(wording.progress(event.content))
        elif event.kind == "state":
            self._show_step(event.content["number"], made)
        elif event.is_last:
            self._end(event, made)

    def _show_step(self, number: int, step: Any) -> None:
        """Fill the next step of the refining layers and move the step slider to it."""
        if not self._steps_layers:
            self._steps_layers = [self._viewer.add_image(data, **keywords) for data, keywords, _ in step]
        else:
            for layer, (data, _, _) in zip(self._steps_layers, step, strict=True):
                layer.data[number] = data
                layer.refresh()
        self._viewer.dims.set_point(0, float(number))

    def _end(self, event: Event, made: Any) -> None:
        settings, self._running = self._running, None
        self._show_running(False)
        if event.kind == "done":
            layers = [self._viewer.add_image(data, **keywords) for data, keywords, _ in made]
            if settings is not None and settings.region is not None:
                add_outline(self._viewer, layers[0])
            self.status.setText(wording.done(event.content["record"]))
        elif event.kind == "cancelled":
            self.status.setText("cancelled; no layer was added")
        else:
            self.status.setText(event.content["message"])
            wording.error(event.content["message"])
        self._timer.start()

    def _show_running(self, running: bool) -> None:
        self.form.setEnabled(not running)
        self.scan.setEnabled(not running)
        self.stacks.setEnabled(not running)
        self.go.setEnabled(not running)
        self.stop.setEnabled(running)
        self.bar.setVisible(running)
        self.bar.setRange(0, 0)

    def _lay_out(self) -> None:
        self.estimate, self.verdict, self.status = text_label("loading the model"), text_label(), text_label()
        self.scan.setToolTip("Scan to enhance: the active layer, or one that is chosen here")
        self.verdict.setToolTip("Whether the scan lies in the range that the model was validated on (its envelope)")
        self.status.setToolTip(wording.RESIDUAL)
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.go, self.stop, self.copy = (QPushButton(text) for text in ("Enhance", "Cancel", "Copy as command"))
        self.go.clicked.connect(self.run)
        self.stop.clicked.connect(self.cancel)
        self.copy.clicked.connect(self.copy_command)
        self.copy.setToolTip("Puts the same run, for a terminal, on the clipboard")
        self.stop.setEnabled(False)
        buttons = QHBoxLayout()
        for button in (self.go, self.stop):
            buttons.addWidget(button)
        inner = QWidget()
        column = QVBoxLayout(inner)
        for widget in (self.scan, self.stacks, self.overlap, self.form, self.estimate, self.verdict):
            column.addWidget(widget)
        column.addLayout(buttons)
        for widget in (self.bar, self.status, self.copy, notice_label()):
            column.addWidget(widget)
        column.addStretch(1)
        fill(self, inner)
