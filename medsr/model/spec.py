"""Metadata of a weights file: the network, what it was validated on (the envelope), and its calibration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medsr.diffusion.names import PROCESS_NAMES, ProcessName
from medsr.errors import ModelError
from medsr.model.inputs import N_CONDITIONS, N_MAPS
from medsr.model.net_spec import NetSpec

FORMAT = "medsr-1"
STORED_NAMES = {"sample_scale": "draw_spread", "samples": "draws"}  # names in files of format medsr-1
TABLES = ("factors", "held_out")  # parts of a calibration that are given by kind of uncertainty
LEAST_FACTOR = 1.5  # axes with a smaller factor don't count as refined: thick slices whose pixels change a little


@dataclass(frozen=True)
class Envelope:
    """Range of scans and grids that a model was validated on.

    Attributes:
        modalities: Modalities, "MR" and "CT".
        contrasts: Contrasts seen in training, for information.
        max_factor: Largest factor of a single degraded axis.
        max_factor_several: Largest factor where several axes are degraded.
        max_coarse_mm: Largest spacing of the input in mm along a degraded axis.
        fine_mm: Smallest and largest spacing of the result in mm.
        statistics: Usual range of each scan statistic (`medsr.model.scan_statistics`), by modality and name; empty:
            voxels are not judged.
    """

    modalities: tuple[str, ...] = ("MR", "CT")
    contrasts: tuple[str, ...] = ("T1w", "T2w", "FLAIR", "CT")
    max_factor: float = 12.0
    max_factor_several: float = 6.0
    max_coarse_mm: float = 7.5
    fine_mm: tuple[float, float] = (0.35, 2.6)
    statistics: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)

    def objections(
        self,
        modality: str,
        factors: tuple[float, float, float],
        fine_spacing_mm: tuple[float, float, float],
    ) -> list[str]:
        """Why a scan lies outside, one line each; empty where it lies inside. Axes left alone don't count.

        Args:
            modality: Modality of the scan.
            factors: Fine voxels per coarse voxel, per axis.
            fine_spacing_mm: Spacing of the result in mm, per axis.
        """
        found: list[str] = []
        if modality not in self.modalities:
            found.append(f"modality {modality} (validated: {', '.join(self.modalities)})")
        degraded = [(f, h) for f, h in zip(factors, fine_spacing_mm, strict=True) if f > 1]
        limit = self.max_factor if len(degraded) == 1 else self.max_factor_several
        for factor, spacing in degraded:
            if factor > limit * 1.01:
                found.append(f"factor {factor:.3g} (validated: up to {limit:g} for {len(degraded)} axes)")
            if factor * spacing > self.max_coarse_mm * 1.01:
                found.append(f"slices every {factor * spacing:.3g} mm (validated: up to {self.max_coarse_mm:g} mm)")
        low, high = self.fine_mm
        for _, spacing in degraded:
            if spacing < low * 0.99 or spacing > high * 1.01:
                found.append(f"result of {spacing:.3g} mm (validated: {low:g} to {high:g} mm)")
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Calibration:
    """How much wider than stated the intervals must be, measured on held-out subjects (`medsr.validation.calibration`).

    Attributes:
        levels: Levels of the central intervals, 0 to 1.
        factors: Factor of each level, by kind ("samples" or "variance") and group (`calibration_group`, or "all"); it
            multiplies the half width of a normal distribution with the stated standard deviation.
        subjects: Number of subjects that the factors were measured on, by group.
        held_out: Share of voxels covered, keyed like `factors`: mean over subjects, each by factors from the others.
        samples: Posterior samples per uncertainty map; fewer of them make it noisier than was measured.
        steps: Sampler steps per sample.
        tasks: Names of the tasks that degraded the subjects' scans.
    """

    levels: tuple[float, ...]
    factors: dict[str, dict[str, tuple[float, ...]]]
    subjects: dict[str, int]
    held_out: dict[str, dict[str, tuple[float, ...]]]
    samples: int
    steps: int
    tasks: tuple[str, ...]

    def factors_for(self, kind: str, group: str) -> dict[float, float]:
        """Factor of each level for "samples" or "variance" in a group, or in all scans where the group has none."""
        groups = self.factors[kind]
        return dict(zip(self.levels, groups.get(group, groups["all"]), strict=True))


def calibration_group(modality: str, factors: Sequence[float]) -> str:
    """The group of a scan by what is known before it is enhanced, such as "MR, one axis".

    Args:
        modality: Modality of the scan.
        factors: Fine voxels per coarse voxel, per axis; axes that hardly change do not count.
    """
    n_refined = sum(factor >= LEAST_FACTOR for factor in factors)
    return f"{modality}, {'several axes' if n_refined > 1 else 'one axis'}"


@dataclass(frozen=True)
class ModelSpec:
    """Specification of a model, stored as metadata of its weights file.

    Attributes:
        name: Name of the model.
        version: Version of the weights.
        net: Sizes of the network.
        envelope: Range of scans and grids that the model was validated on.
        error_variance: Variance of the network's error in measured directions, in squared units of the expected detail.
        sample_scale: Distance of a posterior sample from the mean, over the one that the variance head predicts; chosen
            on the validation split.
        calibration: Calibration of the stated uncertainties; None: not measured.
        licence: Licence of the weights.
        trained: Steps, the packs' hash, hashes of the data cards, code version.
        process: Diffusion process that the network was trained for (`medsr.diffusion.processes`).
        drop_condition: Share of its training patches that the network did not see the scan of, for `guidance`.
        autoencoder: Sizes of the autoencoder that its states are codes of; None: they are details.
        normalisation: Text on how intensities reach the model range.
        format: Format of the weights file.
    """

    name: str
    version: str
    net: NetSpec
    envelope: Envelope = field(default_factory=Envelope)
    error_variance: float = 0.3
    sample_scale: float = 1.0
    calibration: Calibration | None = None
    licence: str = "Apache-2.0"
    trained: dict[str, Any] = field(default_factory=dict)
    process: ProcessName = "edm"
    drop_condition: float = 0.0
    autoencoder: NetSpec | None = None
    normalisation: str = "MR: percentiles 0.5 and 99.5 to 0 and 1; CT: -1000 and 1000 HU to 0 and 1"
    format: str = FORMAT


def specification_in(content: bytes, name: str) -> ModelSpec:
    """The specification in a weights file's content.

    Args:
        content: Bytes of the file.
        name: Name of the file, for messages.

    Raises:
        ModelError: not a weights file, or one of another version.
    """
    try:
        size = int.from_bytes(content[:8], "little")
        stored = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["medsr"])
        found = stored["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{name} is not a medsr weights file; expected safetensors with medsr metadata") from error
    if found != FORMAT:
        raise ModelError(
            f"{name} has format {found!r}; expected {FORMAT!r}, so install the medsr that it was made with"
        )
    try:
        facts: dict[str, Any] = _renamed(dict(stored), {there: here for here, there in STORED_NAMES.items()})
        limits: dict[str, Any] = dict(facts["envelope"])
        envelope: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in limits.items()}
        envelope["statistics"] = _ranges_of(limits.get("statistics", {}))
        parts: dict[str, Any] = {"net": NetSpec(**facts["net"]), "envelope": Envelope(**envelope)}
        if facts.get("autoencoder") is not None:
            parts["autoencoder"] = NetSpec(**facts["autoencoder"])
        if facts.get("calibration") is not None:
            parts["calibration"] = _calibration_of(facts["calibration"])
        spec = ModelSpec(**{**facts, **parts})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{name}: its specification does not fit this version of medsr; get the file again") from error
    if spec.process not in PROCESS_NAMES:
        raise ModelError(
            f"{name} was trained for the process {spec.process!r}; this version of medsr knows "
            f"{', '.join(PROCESS_NAMES)}, so install the medsr that it was made with"
        )
    if (spec.net.channels, spec.net.conditions) != (N_MAPS, N_CONDITIONS):
        raise ModelError(
            f"{name} takes {spec.net.channels} maps and {spec.net.conditions} conditions; this version of medsr gives "
            f"{N_MAPS} and {N_CONDITIONS}, so install the medsr that it was made with"
        )
    return spec


def metadata_of(spec: ModelSpec) -> str:
    """The specification as JSON text, as `specification_in` reads it from a weights file."""
    return json.dumps(_renamed(asdict(spec), STORED_NAMES))


def _renamed(facts: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The same facts under other names, also inside the calibration and its tables."""
    found = {names.get(key, key): value for key, value in facts.items()}
    calibration = found.get("calibration")
    if isinstance(calibration, dict):
        tables = {
            key: {names.get(kind, kind): groups for kind, groups in value.items()}
            if key in TABLES and isinstance(value, dict)
            else value
            for key, value in calibration.items()
        }
        found["calibration"] = {names.get(key, key): value for key, value in tables.items()}
    return found


def _ranges_of(facts: dict[str, Any]) -> dict[str, dict[str, tuple[float, float]]]:
    """The usual ranges in a file's metadata.

    Raises:
        ValueError: a range that is not two numbers, the smaller one first.
    """
    ranges = {
        modality: {name: (float(low), float(high)) for name, (low, high) in rows.items()}
        for modality, rows in facts.items()
    }
    if any(not low <= high for rows in ranges.values() for low, high in rows.values()):
        raise ValueError("a range's least value is above its most")
    return ranges


def _calibration_of(facts: dict[str, Any]) -> Calibration:
    """The calibration in a file's metadata.

    Raises:
        ValueError: factors that are not positive numbers, one for each level.
    """
    levels = tuple(float(level) for level in facts["levels"])

    def table(key: str) -> dict[str, dict[str, tuple[float, ...]]]:
        return {
            kind: {group: tuple(float(v) for v in row) for group, row in groups.items()}
            for kind, groups in facts[key].items()
        }

    factors = table("factors")
    rows = [row for groups in factors.values() for row in groups.values()]
    if any("all" not in groups for groups in factors.values()) or set(factors) != {"samples", "variance"}:
        raise ValueError("factors for all scans are missing")
    if any(len(row) != len(levels) or not all(0 < value < float("inf") for value in row) for row in rows):
        raise ValueError("factors are not one positive number per level")
    return Calibration(
        levels=levels,
        factors=factors,
        subjects={group: int(n) for group, n in facts["subjects"].items()},
        held_out=table("held_out"),
        samples=int(facts["samples"]),
        steps=int(facts["steps"]),
        tasks=tuple(facts["tasks"]),
    )
