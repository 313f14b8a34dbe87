"""The fields of what leads samples at every step: the scan, guidance, a classifier."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from medsr.enhancement.settings import EnhanceSettings

from .fields import choice, number
from .model_choice import ClassifierChoice

DATA_STEPS = {
    "within its noise (prox)": "prox",
    "exactly, noise included (project)": "project",
    "through the network (gradient)": "gradient",
}
MOST_GUIDANCE, MOST_SCALE, STEP = 10.0, 100.0, 0.25


class LeadingFields(QObject):
    """Fields that count where there are samples, as rows of a form.

    Args:
        rows: Form that the rows are added to.
        parent: Widget that holds the form.
    """

    changed = Signal()

    def __init__(self, rows: QFormLayout, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows = rows
        self.data_step = choice(
            DATA_STEPS,
            "What ties every step of a sample to the scan. Through the network takes several times the time and memory",
        )
        none = EnhanceSettings.guidance
        self.guidance = number(none, MOST_GUIDANCE, none, STEP, lowest="none: the posterior")
        self.guidance.setToolTip(
            "Guidance: above 1 samples are sharper than the posterior; for models that were also trained without a scan"
        )
        self.classifier = ClassifierChoice(parent)
        self.classifier_scale = number(0.0, MOST_SCALE, EnhanceSettings.classifier_scale, STEP)
        self.classifier_scale.setToolTip("How far the classifier leads: 1 adds its score as it is (classifier scale)")
        rows.addRow("Agrees with the scan", self.data_step)
        rows.addRow("Guidance", self.guidance)
        rows.addRow("Classifier", self.classifier)
        rows.addRow("How far it leads", self.classifier_scale)
        self.data_step.currentIndexChanged.connect(self.changed)
        self.guidance.valueChanged.connect(self.changed)
        self.classifier.chosen.connect(self.changed)
        self.classifier_scale.valueChanged.connect(self.changed)

    def settings(self) -> dict[str, Any]:
        """What is filled in, by the names of `EnhanceSettings`."""
        led = self.classifier.classifier is not None
        return {
            "data_step": self.data_step.currentData(),
            "guidance": self.guidance.value(),
            "classifier": self.classifier.classifier,
            "classifier_scale": self.classifier_scale.value() if led else EnhanceSettings.classifier_scale,
        }

    def show(self, sampled: bool) -> None:
        """Show the rows that count, none of them where there are no samples."""
        for field in (self.data_step, self.guidance, self.classifier):
            self._rows.setRowVisible(field, sampled)
        self._rows.setRowVisible(self.classifier_scale, sampled and self.classifier.classifier is not None)
