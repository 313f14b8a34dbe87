"""What every dock looks like: a column that scrolls where the window is too low, never sideways."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QDockWidget,
    QLabel,
    QMainWindow,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from . import wording


class Dock(QWidget):
    """A dock of the plugin: it opens as a tab beside those that are open, which would else share the height."""

    _is_placed = False

    def showEvent(self, event: QShowEvent) -> None:
        """Join the tabs once napari has put the dock into its window."""
        super().showEvent(event)
        if not self._is_placed:
            self._is_placed = True
            QTimer.singleShot(0, self._join_tabs)

    def _join_tabs(self) -> None:
        own, window = (_around(self, kind) if isalive(self) else None for kind in (QDockWidget, QMainWindow))
        if own is None or window is None:
            return
        others = [dock for dock in window.findChildren(QDockWidget) if dock is not own and _is_ours(dock)]
        if others:
            window.tabifyDockWidget(others[-1], own)
            own.raise_()


def _around(widget: QWidget, kind: type[QWidget]) -> QWidget | None:
    """The nearest widget of that kind that holds another one."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, kind):
        parent = parent.parentWidget()
    return parent


def _is_ours(dock: QDockWidget) -> bool:
    """Whether a dock of the plugin is in its window and open, be it behind another tab."""
    inside = any(isinstance(child, Dock) for child in dock.findChildren(QWidget))
    return inside and not dock.isHidden() and not dock.isFloating()


class Column(QScrollArea):
    """A scroll area that is at least as wide as what it holds, however that is styled later."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        inner.installEventFilter(self)

    def minimumSizeHint(self) -> QSize:
        """As wide as the content and the bar beside it, as low as any scroll area."""
        hint = super().minimumSizeHint()
        hint.setWidth(self.widget().minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width())
        return hint

    def sizeHint(self) -> QSize:
        """As high as the content, where the window lets it."""
        return QSize(self.minimumSizeHint().width(), self.widget().sizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask for space again when the content has changed."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def fill(dock: QWidget, inner: QWidget) -> None:
    """Show `inner` in a dock, with a bar to scroll by where it is taller than the window."""
    outer = QVBoxLayout(dock)
    outer.setContentsMargins(0, 0, 0, 0)
    outer.addWidget(Column(inner))


def fill_header(table: QTableWidget, columns: Sequence[tuple[str, str]]) -> None:
    """Name the columns of a table, each with what its tooltip says."""
    for column, (name, tip) in enumerate(columns):
        item = QTableWidgetItem(name)
        item.setToolTip(tip)
        table.setHorizontalHeaderItem(column, item)


def text_label(text: str = "") -> QLabel:
    """A label whose text wraps and can be copied."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def notice_label() -> QLabel:
    """What the results must not be used for."""
    label = text_label(wording.NOTICE)
    label.setEnabled(False)
    return label
