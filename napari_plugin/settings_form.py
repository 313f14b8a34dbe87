"""The form that becomes `EnhanceSettings`: model, grid, mode, acquisition, region. No arithmetic and no run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QWidget,
)

from medsr.enhancement.settings import SAMPLER_NAMES, EnhanceSettings
from medsr.viewing.command import numbers_of

from .choices import LayerChoice
from .fields import choice, number, whole
from .leading_fields import LeadingFields
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
REGIONS = {"whole scan": "whole", "what is visible": "slab", "box that I draw": "box"}
BLEND_STEPS = 20
CASCADE_STEP = 0.01  # the value below 0 stands for no cascade
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

    @property
    def _is_sampled(self) -> bool:
        mode = self.mode.currentData()
        return bool(mode == "sample" or (mode == "uncertainty" and self.samples.value() > NO_SAMPLES))

    @property
    def _may_cascade(self) -> bool:
        return self.region == "whole" and self.mode.currentData() != "uncertainty"

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
            cascade=self.cascade.value() if self._may_cascade and self.cascade.value() >= 0 else None,
            flips=self.flips.value(),
            model=self.model.model,
            force=self.force.isChecked(),
        )
        if not self._is_sampled:
            return settings
        blend = self.blend.value() / BLEND_STEPS if mode == "sample" else EnhanceSettings.blend
        return replace(
            settings,
            blend=blend,
            samples=0 if self.samples.value() == NO_SAMPLES else self.samples.value(),
            steps=self.steps.value(),
            sampler=self.sampler.currentText(),
            seed=self.seed.value(),
            **self.leading.settings(),
        )

    def _add_model(self) -> None:
        self.model = ModelChoice(self)
        self._rows.addRow("Model", self.model)
        self.model.chosen.connect(self.changed)

    def _add_grid(self, viewer: Any) -> None:
        self.grid_kind = choice(
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
        self.cascade = number(-CASCADE_STEP, 1.0, -CASCADE_STEP, CASCADE_STEP, lowest="all at once")
        self.cascade.setToolTip(
            "Cascade: factors above 2 are reached in stages of 2; this is the noise between them, as a share of the "
            "intensity range. Not for regions and the uncertainty"
        )
        self._rows.addRow("In stages", self.cascade)
        self.grid_kind.currentIndexChanged.connect(self._on_choice)
        self.grid_text.editingFinished.connect(self.changed)
        self.onto_layer.chosen.connect(self.changed)
        self.cascade.valueChanged.connect(self.changed)

    def _add_mode(self, mode: str) -> None:
        self.mode = choice(
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
        self.samples, self.steps = whole(NO_SAMPLES, 64, NO_SAMPLES), whole(1, 64, EnhanceSettings.steps)
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
        self.seed, self.flips = whole(0, 2**31 - 1, EnhanceSettings.seed), whole(0, 3, EnhanceSettings.flips)
        self.seed.setToolTip("Random seed for sampling: the same number gives the same result")
        self.flips.setToolTip(
            "Flips: averages the mean over the scan and its mirror images along this many axes; each doubles the time"
        )
        self.watch = QCheckBox("watch it being refined")
        self.watch.setToolTip(
            "Layers with every step of the sampler: the noisy scan and, not shown at first, the clean estimate, what "
            "of that the scan measures, and what is prior"
        )
        self._rows.addRow("Result", self.mode)
        rows: dict[str, QWidget] = {
            "Smooth to sharp": self.blend,
            "Samples": self.samples,
            "Steps": self.steps,
            "Method": self.sampler,
            "Random seed": self.seed,
        }
        for label, field in rows.items():
            self._rows.addRow(label, field)
        self.leading = LeadingFields(self._rows, self)
        self._rows.addRow("Mirrored axes", self.flips)
        self._rows.addRow("", self.watch)
        self.mode.currentIndexChanged.connect(self._on_choice)
        self.blend.valueChanged.connect(self.changed)
        self.sampler.currentIndexChanged.connect(self.changed)
        self.samples.valueChanged.connect(self._on_choice)
        self.leading.changed.connect(self._on_choice)
        for count in (self.steps, self.seed, self.flips):
            count.valueChanged.connect(self.changed)

    def _add_acquisition(self) -> None:
        self.profile = choice(
            PROFILES,
            "Shape of the slices' sensitivity across their thickness (slice profile). As the scan says (auto): by its "
            "headers and voxels, else the shape that harms no scan",
        )
        self.thickness = number(0.0, 50.0, 0.0, 0.5, lowest="as the scan says", suffix=" mm")
        self.thickness.setToolTip(
            "Slice thickness, the full width at half maximum of the profile, where the scan is wrong"
        )
        self._rows.addRow("Slice profile", self.profile)
        self._rows.addRow("Slice thickness", self.thickness)
        self.profile.currentIndexChanged.connect(self.changed)
        self.thickness.valueChanged.connect(self.changed)

    def _add_region(self) -> None:
        self.region_kind = choice(REGIONS, "A region is quick: look there before the whole scan is computed")
        self.depth_mm = number(1.0, 500.0, 20.0, 1.0, suffix=" mm")
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
        grid, mode, sampled = self.grid_kind.currentData(), self.mode.currentData(), self._is_sampled
        shown = {
            self.grid_text: grid in ("spacing", "factor"),
            self.onto_layer: grid == "onto",
            self.cascade: self._may_cascade,
            self.blend: mode == "sample",
            self.samples: mode == "uncertainty",
            self.steps: sampled,
            self.sampler: sampled,
            self.seed: sampled,
            self.watch: mode == "sample",
            self._region_row: self.region != "whole",
        }
        for field, visible in shown.items():
            self._rows.setRowVisible(field, visible)
        self.leading.show(sampled)
        self.draw.setVisible(self.region == "box")
        if self._whole_scans:
            self._rows.setRowVisible(self.region_kind, False)
            self._rows.setRowVisible(self.watch, False)
