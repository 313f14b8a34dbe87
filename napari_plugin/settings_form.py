"""The form that becomes `EnhanceSettings`: model, grid, mode, acquisition, region. No arithmetic and no run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QSpinBox,
    QWidget,
)

from medsr.enhancement.settings import SAMPLER_NAMES, EnhanceSettings
from medsr.viewing.command import numbers_of

from .choices import LayerChoice
from .model_choice import ModelChoice

GRIDS = {"automatic": "auto", "in mm": "spacing", "times as many": "factor", "as in another layer": "onto"}
MODES = {
    "best estimate (mean)": "mean",
    "one plausible scan (sample)": "sample",
    "best estimate, uncertainty": "uncertainty",
}
PROFILES = {
    "as the scan says": "auto",
    "bell-shaped (Gaussian)": "gaussian",
    "rectangular (box)": "box",
    "with ramps (trapezoid)": "trapezoid",
    "band-limited, 3D (k-space)": "kspace",
}
DATA_STEPS = {
    "within its noise (prox)": "prox",
    "exactly, noise included (project)": "project",
    "through the network (gradient)": "gradient",
}
REGIONS = {"whole scan": "whole", "what is visible": "slab", "box that I draw": "box"}
BLEND_STEPS = 20
NO_SAMPLES = 1  # one sample has no deviation, so it stands for none


class SettingsForm(QWidget):
    """Fields of an enhancement.

    Args:
        viewer: The viewer with the layers whose grid may be taken.
        mode: Mode to begin with.
        whole_scans: Leave out what only a single open scan has: another layer's grid, a region, watching.
    """

    changed = Signal()
    draw_box = Signal()

    def __init__(self, viewer: Any, mode: str, *, whole_scans: bool = False) -> None:
        super().__init__()
        self._whole_scans = whole_scans
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._add_model()
        self._add_grid(viewer)
        self._add_mode(mode)
        self._add_acquisition()
        self._add_region()
        if whole_scans:
            self.grid_kind.removeItem(self.grid_kind.findData("onto"))
            self.show_force(True)
        self._show_what_counts()

    @property
    def region(self) -> str:
        """The region that is asked for: "whole", "slab" or "box"."""
        return str(self.region_kind.currentData())

    @property
    def onto(self) -> Any | None:
        """The layer whose grid is asked for, None for any other grid."""
        return self.onto_layer.needed("layer whose voxels to take") if self.grid_kind.currentData() == "onto" else None

    def settings(self) -> EnhanceSettings:
        """What is filled in, but for the region.

        Raises:
            UsageError: the grid is not one or three numbers.
        """
        kind, mode = self.grid_kind.currentData(), self.mode.currentData()
        grid = numbers_of(self.grid_text.text()) if kind in ("spacing", "factor") else None
        settings = EnhanceSettings(
            spacing_mm=grid if kind == "spacing" else None,
            factors=grid if kind == "factor" else None,
            mode=mode,
            profile=self.profile.currentData(),
            thickness_mm=self.thickness.value() or None,
            flips=self.flips.value(),
            model=self.model.model,
            force=self.force.isChecked(),
        )
        if mode == "mean":
            return settings
        blend = self.blend.value() / BLEND_STEPS if mode == "sample" else EnhanceSettings.blend
        return replace(
            settings,
            blend=blend,
            samples=0 if self.samples.value() == NO_SAMPLES else self.samples.value(),
            steps=self.steps.value(),
            sampler=self.sampler.currentText(),
            data_step=self.data_step.currentData(),
            guidance=self.guidance.value(),
            seed=self.seed.value(),
        )

    def _add_model(self) -> None:
        self.model = ModelChoice(self)
        self._rows.addRow("Model", self.model)
        self.model.chosen.connect(self.changed)

    def _add_grid(self, viewer: Any) -> None:
        self.grid_kind = _choice(
            GRIDS,
            "Grid of the result. Automatic: all axes as fine as the finest, an isotropic scan twice as fine. "
            "In mm: its spacing. Times as many: its factor, voxels of the result to one of the scan",
        )
        self.grid_text = QLineEdit("1")
        self.grid_text.setToolTip("One number, or three separated by commas in the order of the scan's stored axes")
        self.onto_layer = LayerChoice(viewer, ("scan", "enhanced"), self, follows=False)
        self._rows.addRow("Voxel size", self.grid_kind)
        self.onto_layer.setToolTip("Layer whose voxels the result has, so that both can be compared voxel by voxel")
        self._rows.addRow("", self.grid_text)
        self._rows.addRow("", self.onto_layer)
        self.grid_kind.currentIndexChanged.connect(self._on_choice)
        self.grid_text.editingFinished.connect(self.changed)
        self.onto_layer.chosen.connect(self.changed)

    def _add_mode(self, mode: str) -> None:
        self.mode = _choice(
            MODES,
            "Best estimate: the posterior mean, with the least error; it looks smoother than a scan. Plausible scan: a "
            "posterior sample, which looks like one. Uncertainty: how far it may be off, as a standard deviation",
        )
        self.mode.setCurrentIndex(max(0, self.mode.findData(mode)))
        self.blend = QSlider(Qt.Orientation.Horizontal)
        self.blend.setRange(0, BLEND_STEPS)
        self.blend.setValue(BLEND_STEPS)
        self.blend.setToolTip(
            "Blend. Left: the best estimate (mean), with the least error; right: the plausible scan (sample)"
        )
        self.samples, self.steps = _whole(NO_SAMPLES, 64, NO_SAMPLES), _whole(1, 64, EnhanceSettings.steps)
        self.samples.setSpecialValueText("none: the network's own estimate")
        self.samples.setToolTip(
            "Posterior samples that are compared: more make a steadier map and take longer. Without any, the network's "
            "variance head tells the uncertainty in the time of the best estimate"
        )
        self.steps.setToolTip("Steps of the sampler from noise to a scan: more are finer and take longer")
        self.sampler = QComboBox()
        self.sampler.setToolTip(
            "Sampler of the diffusion model: DPM-Solver++ (2M), Euler, Heun, or Euler with fresh noise (ancestral)"
        )
        self.sampler.addItems(SAMPLER_NAMES)
        self.sampler.setCurrentText(EnhanceSettings.sampler)
        self.data_step = _choice(
            DATA_STEPS,
            "What ties every step of a sample to the scan. Through the network takes several times the time and memory",
        )
        self.guidance = QDoubleSpinBox()
        self.guidance.setRange(EnhanceSettings.guidance, 10.0)
        self.guidance.setSingleStep(0.25)
        self.guidance.setSpecialValueText("none: the posterior")
        self.guidance.setToolTip(
            "Guidance: above 1 samples are sharper than the posterior; for models that were also trained without a scan"
        )
        self.seed, self.flips = _whole(0, 2**31 - 1, EnhanceSettings.seed), _whole(0, 3, EnhanceSettings.flips)
        self.seed.setToolTip("Random seed for sampling: the same number gives the same result")
        self.flips.setToolTip(
            "Flips: averages the mean over the scan and its mirror images along this many axes; each doubles the time"
        )
        self.watch = QCheckBox("watch it being refined")
        self.watch.setToolTip("Adds a layer that holds every step of the sampler")
        self._rows.addRow("Result", self.mode)
        rows: dict[str, QWidget] = {
            "Smooth to sharp": self.blend,
            "Samples": self.samples,
            "Steps": self.steps,
            "Method": self.sampler,
            "Agrees with the scan": self.data_step,
            "Guidance": self.guidance,
            "Random seed": self.seed,
            "Mirrored axes": self.flips,
        }
        for label, field in rows.items():
            self._rows.addRow(label, field)
        self._rows.addRow("", self.watch)
        self.mode.currentIndexChanged.connect(self._on_choice)
        self.blend.valueChanged.connect(self.changed)
        for names in (self.sampler, self.data_step):
            names.currentIndexChanged.connect(self.changed)
        self.samples.valueChanged.connect(self._on_choice)
        for number in (self.steps, self.guidance, self.seed, self.flips):
            number.valueChanged.connect(self.changed)

    def _add_acquisition(self) -> None:
        self.profile = _choice(
            PROFILES,
            "Shape of the slices' sensitivity across their thickness (slice profile). As the scan says (auto): by its "
            "headers and voxels, else the shape that harms no scan",
        )
        self.thickness = QDoubleSpinBox()
        self.thickness.setRange(0.0, 50.0)
        self.thickness.setSingleStep(0.5)
        self.thickness.setSuffix(" mm")
        self.thickness.setSpecialValueText("as the scan says")
        self.thickness.setToolTip(
            "Slice thickness, the full width at half maximum of the profile, where the scan is wrong"
        )
        self._rows.addRow("Slice profile", self.profile)
        self._rows.addRow("Slice thickness", self.thickness)
        self.profile.currentIndexChanged.connect(self.changed)
        self.thickness.valueChanged.connect(self.changed)

    def _add_region(self) -> None:
        self.region_kind = _choice(REGIONS, "A region is quick: look there before the whole scan is computed")
        self.depth_mm = QDoubleSpinBox()
        self.depth_mm.setRange(1.0, 500.0)
        self.depth_mm.setValue(20.0)
        self.depth_mm.setSuffix(" mm")
        self.depth_mm.setToolTip("How deep the region is across the slice that you see")
        self.draw = QPushButton("Draw box")
        beside = QWidget()
        line = QHBoxLayout(beside)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(QLabel("depth"))
        line.addWidget(self.depth_mm, 1)
        line.addWidget(self.draw)
        self._region_row = beside
        self.force = QCheckBox("go on anyway; the record will say so")
        self.force.setToolTip(
            "Force: enhance what lies outside the range that the model was validated on (its envelope)"
        )
        self._rows.addRow("Region", self.region_kind)
        self._rows.addRow("", beside)
        self._rows.addRow("", self.force)
        self.region_kind.currentIndexChanged.connect(self._on_choice)
        self.depth_mm.valueChanged.connect(self.changed)
        self.draw.clicked.connect(self.draw_box)
        self.force.toggled.connect(self.changed)
        self.show_force(False)

    def show_force(self, shown: bool) -> None:
        """Show the way past a refusal, only where there may be one."""
        self._rows.setRowVisible(self.force, shown)
        if not shown:
            self.force.setChecked(False)

    def _on_choice(self) -> None:
        self._show_what_counts()
        self.changed.emit()

    def _show_what_counts(self) -> None:
        grid, mode = self.grid_kind.currentData(), self.mode.currentData()
        sampled = mode == "sample" or (mode == "uncertainty" and self.samples.value() > NO_SAMPLES)
        shown = {
            self.grid_text: grid in ("spacing", "factor"),
            self.onto_layer: grid == "onto",
            self.blend: mode == "sample",
            self.samples: mode == "uncertainty",
            self.steps: sampled,
            self.sampler: sampled,
            self.data_step: sampled,
            self.guidance: sampled,
            self.seed: sampled,
            self.watch: mode == "sample",
            self._region_row: self.region != "whole",
        }
        for field, visible in shown.items():
            self._rows.setRowVisible(field, visible)
        self.draw.setVisible(self.region == "box")
        if self._whole_scans:
            self._rows.setRowVisible(self.region_kind, False)
            self._rows.setRowVisible(self.watch, False)


def _choice(entries: dict[str, str], tip: str) -> QComboBox:
    box = QComboBox()
    for text, value in entries.items():
        box.addItem(text, value)
    box.setToolTip(tip)
    return box


def _whole(low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    return box
