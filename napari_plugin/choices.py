"""A list of the viewer's layers that hold scans, to choose one from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from medsr.errors import UsageError

from .layers import METADATA_KEY, LayerData

MOST_CHARACTERS = 24  # a longer name of a layer makes the list no wider


def role_of(layer: Any) -> str:
    """What medsr's layer holds: "scan", "enhanced", "uncertainty" and so on; "" for layers of others."""
    facts = layer.metadata.get(METADATA_KEY)
    return "" if facts is None or layer.ndim != 3 else str(facts.get("role", "scan"))


def data_of(layer: Any) -> LayerData:
    """A layer's data as readers give them."""
    return layer.data, {"name": layer.name, "metadata": layer.metadata}, "image"


def facts_of(layer: Any) -> dict[str, Any]:
    """What medsr keeps in a layer's metadata."""
    facts: dict[str, Any] = layer.metadata[METADATA_KEY]
    return facts


def outline_of(layer: Any) -> dict[str, Any]:
    """The grid of a layer's scan, for a question that needs no voxels."""
    facts = facts_of(layer)
    keys = ("modality", "thickness_mm", "slice_axis", "acquisition_type", "source")
    return {"affine": facts["affine"].tolist(), "shape": list(facts["shape"]), **{key: facts[key] for key in keys}}


class LayerChoice(QComboBox):
    """The layers of some roles; a layer that becomes active and fits is chosen.

    Args:
        viewer: The viewer with the layers.
        roles: Roles of the layers to list.
        nothing: Text of an entry that stands for no layer; "" for no such entry.
        follows: Choose a fitting layer as it becomes active.
    """

    chosen = Signal()

    def __init__(
        self, viewer: Any, roles: Collection[str], parent: QWidget, *, nothing: str = "", follows: bool = True
    ) -> None:
        super().__init__(parent)
        self._viewer, self._roles, self._nothing, self._follows = viewer, roles, nothing, follows
        self.setMinimumContentsLength(MOST_CHARACTERS)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.renamed):
            event.connect(self._refill)
        viewer.layers.selection.events.active.connect(self._follow)
        self._refill()
        if not nothing:
            self._choose_shown()
        self._follow()
        self.currentIndexChanged.connect(self.chosen)

    def layer(self) -> Any:
        """The chosen layer, None where nothing is chosen or it has gone."""
        found = self.currentData()
        return found if found in self._viewer.layers else None

    def needed(self, what: str) -> Any:
        """The chosen layer.

        Raises:
            UsageError: there is none; `what` names it.
        """
        layer = self.layer()
        if layer is None:
            raise UsageError(f"no {what} is chosen; drop a scan onto the viewer, or open the sample of medsr")
        return layer

    def choose(self, layer: Any) -> None:
        """Choose a layer, if it is in the list."""
        for index in range(self.count()):
            if self.itemData(index) == layer:  # not `is`: napari hands out a new proxy each time
                self.setCurrentIndex(index)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Choose no other layer while layers become active that nobody clicked."""
        follows, self._follows = self._follows, False
        try:
            yield
        finally:
            self._follows = follows

    def _refill(self, event: Any = None) -> None:
        if not isalive(self):  # the dock was closed, and napari has not let go of it yet
            return
        kept = self.currentData()
        self.blockSignals(True)
        self.clear()
        if self._nothing:
            self.addItem(self._nothing, None)
        for layer in self._viewer.layers:
            if role_of(layer) in self._roles:
                self.addItem(layer.name, layer)
        self.choose(kept)
        self.blockSignals(False)
        if self.currentData() != kept:
            self.chosen.emit()

    def _choose_shown(self) -> None:
        """Begin with the uppermost layer that is visible."""
        for layer in self._viewer.layers:
            if layer.visible and role_of(layer) in self._roles:
                self.choose(layer)

    def _follow(self, event: Any = None) -> None:
        if not isalive(self):
            return
        active = self._viewer.layers.selection.active
        if self._follows and active is not None and role_of(active) in self._roles:
            self.choose(active)
