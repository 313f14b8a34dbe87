"""Fields of the forms: a list of words that stand for values, a whole number, a number."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox


def choice(entries: Mapping[str, str], tip: str) -> QComboBox:
    """A list of texts; the value of each is its data."""
    box = QComboBox()
    for text, value in entries.items():
        box.addItem(text, value)
    box.setToolTip(tip)
    return box


def whole(low: int, high: int, value: int) -> QSpinBox:
    """A whole number from `low` to `high`."""
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    return box


def number(low: float, high: float, value: float, step: float, *, lowest: str = "", suffix: str = "") -> QDoubleSpinBox:
    """A number from `low` to `high`.

    Args:
        low: Lowest number.
        high: Highest number.
        value: Number to begin with.
        step: Change by a press of an arrow.
        lowest: Text that stands for the lowest number; "" for the number itself.
        suffix: Unit behind the number, with a blank before it.
    """
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setSingleStep(step)
    box.setValue(value)
    box.setSpecialValueText(lowest)
    box.setSuffix(suffix)
    return box
