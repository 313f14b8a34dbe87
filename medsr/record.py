"""The run record: what was done, with what, to what; written beside every output. Nothing in it names a patient."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from typing import Any

import medsr
from medsr.errors import InputError

SCHEMA = 2
NOTICE = (
    "Research software, not a medical device: not for diagnosis, treatment planning or any clinical decision. "
    "Structures finer than the acquired slices may be missing or invented; always read the original images."
)


def assumption_text(facts: Sequence[Mapping[str, Any] | None]) -> str:
    """What a record says was assumed, in words, such as "axis 2 trapezoid (default) of 5 mm (header)".

    Args:
        facts: Entry `assumed` of a record's task, one per stored axis; None where nothing was assumed.
    """
    return "; ".join(f"axis {axis} {_axis_text(one)}" for axis, one in enumerate(facts) if one is not None)


def _axis_text(facts: Mapping[str, Any]) -> str:
    width = "" if facts["fwhm_mm"] is None else f" of {facts['fwhm_mm']:.3g} mm ({facts['fwhm_from']})"
    return f"{facts['profile']} ({facts['profile_from']}){width}"


@dataclass(frozen=True)
class Record:
    """Everything needed to understand a result and to make it again.

    Attributes:
        versions: Versions of medsr, torch and python.
        input: Format, content hash, modality, shape, spacing.
        task: Factors, grids, profile (`Acquisition.summary`); of a cascade the grids of its `stages`; of stacks on the
            grid of another image, that `grid` and the share of it that a stack shows.
        settings: Mode, seed, blend, samples, steps and every other setting.
        model: Name, version, hash of the weights; empty where none was used.
        device: Device and precision of the network.
        seconds: Duration of each stage.
        peak_memory_bytes: Peak memory of the process; 0 where the system does not tell it.
        noise_sigma: Standard deviation of the noise, estimated or given, in the scan's own unit.
        residual: Root mean square of the input minus the degraded result, in units of the noise.
        drift: Mean of the degraded result minus the input, over the range that the model works in.
        overshoot: Share of voxels beyond all values around them in the input (`medsr.enhancement.overshoot`).
        ripple: What varies within a slice in flat tissue, over that of cubic interpolation
            (`medsr.enhancement.flat_tissue`); None where there is none.
        roughness: Second differences in flat tissue along axes that are not refined, over those of cubic interpolation.
        uncertainty_rms: Root mean square of the uncertainty map over that range; None where none was asked for.
        envelope: Place of the input relative to what the model was validated on: "inside", "edge" or "outside".
        envelope_measured: The odd numbers behind that verdict and what is usual, one line each.
        warnings: Facts that a careful reader should know.
        output: Slices, scale, clipped voxels and filled source slices of a DICOM series; empty for one file.
        uncertainty: Whether the map is calibrated and, by level, the half width of an interval over the map.
        stacks: Of stacks that were fused, each one's input, acquisition, pose, intensity line and residual; else empty.
        notice: Uses that the result must not be put to.
        schema: Version of this layout.
    """

    versions: dict[str, str]
    input: dict[str, Any]
    task: dict[str, Any]
    settings: dict[str, Any]
    model: dict[str, str] = field(default_factory=dict)
    device: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    noise_sigma: float | None = None
    residual: float | None = None
    drift: float | None = None
    overshoot: float | None = None
    ripple: float | None = None
    roughness: float | None = None
    uncertainty_rms: float | None = None
    envelope: str = ""
    envelope_measured: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    output: dict[str, Any] = field(default_factory=dict)
    uncertainty: dict[str, Any] = field(default_factory=dict)
    stacks: tuple[dict[str, Any], ...] = ()
    notice: str = NOTICE
    schema: int = SCHEMA

    @staticmethod
    def versions_here() -> dict[str, str]:
        """Versions of medsr, torch and python in this process."""
        return {"medsr": medsr.__version__, "torch": metadata.version("torch"), "python": platform.python_version()}

    def to_json(self) -> str:
        """The record as JSON text, keys in a fixed order."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """The record of a JSON text.

        Raises:
            InputError: not a record of this schema.
        """
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA:
                raise InputError(f"record has schema {content['schema']}; this version reads schema {SCHEMA}")
            known = {entry.name for entry in fields(cls)}
            content = {key: value for key, value in content.items() if key in known}
            for key in ("warnings", "envelope_measured", "stacks"):
                content[key] = tuple(content.get(key, ()))
            return cls(**content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError("not a run record of medsr; expected the JSON written beside an output") from error


def stack_text(stack: Mapping[str, Any]) -> str:
    """How one of several stacks was moved and fits, what is left of it, and how wide its slices are by the others.

    Args:
        stack: An entry of `Record.stacks`.
    """
    slices, fits = stack["slices"], ""  # None where slices are not resolved further
    if slices is not None and slices["by_other_stacks"]:
        fits = f"; slices fit the others as {slices['profile']}, {slices['fwhm_mm']:.3g} mm"
    return (
        f"shifted {stack['shift_mm']:.1f} mm, turned {stack['turn_deg']:.1f} degrees, registered to "
        f"{stack['registration_error_mm']:.2f} mm; correlation {stack['correlation']:.2f}; residual "
        f"{stack['residual']:.2f}{fits}"
    )
