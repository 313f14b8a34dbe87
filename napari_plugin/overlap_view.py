"""A layer that shows in colour how many of the chosen stacks cover each place, and the shares in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from medsr.fusion.overlap import coverage, picture_grid
from medsr.viewing.exchange import outline

from . import wording
from .choices import facts_of, outline_of
from .docks import text_label
from .layers import AXIS_LABELS, METADATA_KEY, layer_of

ROLE = "overlap"
OPACITY = 0.35


class OverlapView(QWidget):
    """Where stacks overlap on the grid that they are fused on; hidden unless there are several.

    Args:
        viewer: The viewer with the layers.
        parent: Parent of the widget.
    """

    asked = Signal()

    def __init__(self, viewer: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        self.box = QCheckBox("show where they overlap")
        self.box.setToolTip(
            "A layer that colours each place by the number of stacks that cover it, where their files put them: "
            "before they are registered"
        )
        self.shares = text_label()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.box)
        column.addWidget(self.shares)
        self.box.toggled.connect(self.asked)
        viewer.layers.events.removed.connect(self._on_removed)
        self.setVisible(False)

    def show_stacks(self, layers: Sequence[Any], onto: Any | None = None) -> None:
        """Say and, where it is asked for, show how these overlap; nothing of fewer than two.

        Args:
            layers: Layers of the stacks, the first one in front.
            onto: Layer whose grid they are fused on; None: the first one's field of view.
        """
        self.setVisible(len(layers) > 1)
        if len(layers) < 2:
            self._remove()
            return
        stacks = [outline(outline_of(layer)) for layer in layers]
        frame = layers[0] if onto is None else onto
        seen = outline(outline_of(frame))
        grid = picture_grid(seen)
        count = coverage(stacks, grid)
        found = np.bincount(count.ravel(), minlength=len(layers) + 1) / count.size
        self.shares.setText(wording.overlap(found.tolist()))
        if not self.box.isChecked():
            self._remove()
            return
        picture = seen.with_data(count.astype(np.float32), grid.affine)
        data, keywords, _ = layer_of(picture, f"overlap of {len(layers)} stacks", frame=facts_of(frame)["frame"])
        self._put(np.rint(data).astype(np.uint8), keywords, len(layers))

    def _put(self, data: Any, keywords: dict[str, Any], n_stacks: int) -> None:
        """The layer, in place of an earlier one, without becoming the active one."""
        colours = {0: "transparent", None: "transparent"} | dict(enumerate(wording.overlap_colours(n_stacks), start=1))
        active = self._viewer.layers.selection.active
        self._remove()
        self._layer = self._viewer.add_labels(
            data,
            name=keywords["name"],
            scale=keywords["scale"],
            translate=keywords["translate"],
            units=keywords["units"],
            axis_labels=AXIS_LABELS,
            colormap=colours,
            opacity=OPACITY,
            metadata={METADATA_KEY: {"role": ROLE}},
        )
        self._layer.editable = False
        self._viewer.layers.selection.active = active

    def _remove(self) -> None:
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """A layer that the user removes is not wanted any more."""
        if isalive(self) and self._layer is not None and event.value == self._layer:
            self._layer = None
            self.box.setChecked(False)
