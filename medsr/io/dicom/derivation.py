"""What made a derived series, in the words of its headers; taken from the run record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import medsr
from medsr.record import Record

Kind = Literal["result", "uncertainty"]

NO_DIAGNOSIS = "Research only, not for diagnosis."


@dataclass(frozen=True)
class Derivation:
    """How voxels came to be, for headers and UIDs.

    Attributes:
        text: One or more sentences for a human reader.
        recipe: Everything but the input that changes a voxel, as JSON.
        model: Name, version, sha256 of the weights; empty where none was used.
        kind: "result" for a scan, "uncertainty" for its standard deviation.
    """

    text: str
    recipe: str = "{}"
    model: dict[str, str] = field(default_factory=dict)
    kind: Kind = "result"


def derivation_of(record: Record, kind: Kind = "result") -> Derivation:
    """The derivation that a run record tells."""
    recipe = {name: getattr(record, name) for name in ("versions", "task", "settings", "model", "device")}
    what = "Standard deviation of posterior samples of the finer scan" if kind == "uncertainty" else "Finer scan"
    coarse, fine = (_times(record.task.get(f"{name}_spacing_mm", ())) for name in ("coarse", "fine"))
    text = (
        f"medsr {record.versions['medsr']}: {what}, {coarse} mm to {fine} mm, by model {record.model['name']} "
        f"{record.model['version']}, mode {record.settings['mode']}, seed {record.settings['seed']}. "
        f"{_fused_text(len(record.stacks))}"
        f"Detail finer than the acquired voxels is synthetic, not acquired. {NO_DIAGNOSIS}"
    )
    return Derivation(text, json.dumps(recipe, sort_keys=True), record.model, kind)


def _fused_text(n_series: int) -> str:
    if not n_series:
        return ""
    return f"Fused of {n_series} series that were registered to the first one, whose place and unit it has. "


def saved_from_memory() -> Derivation:
    """The derivation of a volume that was handed over without a record."""
    return Derivation(
        f"medsr {medsr.__version__}: voxels handed over by a program, placed in this series. {NO_DIAGNOSIS}",
        json.dumps({"versions": {"medsr": medsr.__version__}}),
    )


def series_label(kind: Kind, spacing_mm: NDArray[np.float64], n_filled: int, n_series: int = 1) -> str:
    """The mark in a series description, such as "[medsr SR 1.0mm research]"; it tells of several source series."""
    names = {"result": "SR", "uncertainty": "SD"}
    rounded = [_short(h) for h in spacing_mm]
    size = rounded[0] if len(set(rounded)) == 1 else "x".join(rounded)
    filled = f", {n_filled} filled" if n_filled else ""
    fused = f", {n_series} series" if n_series > 1 else ""
    return f"[medsr {names[kind]} {size}mm research{fused}{filled}]"


def stack_text(filled: Sequence[int], is_resampled: bool, series: int = 1) -> str:
    """What was done to irregular source slices first (filled ones counted from 0), "" where nothing was.

    Args:
        filled: Slices that no source slice gave.
        is_resampled: Whether tilted slices were made upright.
        series: Number of the series that they are of; all but the first are named.
    """
    source, tilted = "the source", "Tilted source slices"
    if series > 1:
        source, tilted = f"series {series}", f"Tilted slices of series {series}"
    numbers = ", ".join(str(k + 1) for k in filled)
    some = f"slice{'s' * (len(filled) > 1)} {numbers} along the normal"
    missing = f" Not in {source} and interpolated before: {some}." if filled else ""
    return missing + (f" {tilted} were resampled to an upright grid before." if is_resampled else "")


def _short(h: float) -> str:
    text = f"{h:.2f}"
    return text[:-1] if text.endswith("0") else text


def _times(spacing: Sequence[float]) -> str:
    return " x ".join(f"{h:g}" for h in spacing)
