"""What every dock looks like: a column that scrolls where the window is too low, never sideways."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from . import wording


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
