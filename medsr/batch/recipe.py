"""The recipe of a batch: what is asked of every scan, its gates, and how the machines are used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import TypeAdapter, ValidationError

from medsr.enhancement.enhancement import EnhanceSettings
from medsr.errors import UsageError
from medsr.io.dicom.derived import DicomOptions
from medsr.io.dicom.policies import Policies
from medsr.io.toml import read_toml
from medsr.metrics.gates import case_gates
from medsr.physics.ops import Profile
from medsr.volume import Modality

NAMES_ONLY = ("device", "workers", "deadlines", "gates", "memory_gib", "queue_gib", "include", "exclude", "references")
"""What changes nothing in a result, and so is no part of a case's key."""


@dataclass(frozen=True)
class Grid:
    """The finer grid and how the coarse one was acquired, as `runs.case.EnhanceCase`."""

    spacing_mm: tuple[float, ...] | None = None
    factors: tuple[float, ...] | None = None
    profile: Profile = "gaussian"
    thickness_mm: float | None = None
    modality: Modality | None = None


@dataclass(frozen=True)
class Deadlines:
    """Longest silence of a stage in seconds before the process is taken for hung."""

    read: float = 300.0
    enhance: float = 900.0
    write: float = 300.0


@dataclass(frozen=True)
class BatchRecipe:
    """What `medsr batch` reads; paths are relative to the recipe's folder.

    Attributes:
        model: Packaged name or weights file.
        device: "auto", "cpu", "cuda", or several separated by commas, such as "cuda:0,cuda:1".
        workers: Number of processes for each device.
        include: Patterns for the places of scans; empty for all.
        exclude: Patterns for the places of scans that are left out.
        names: "mirror" keeps the input's folders and names, made safe; "hash" gives nothing of them away. DICOM series
            are always named by hashes.
        format: "nifti" or "dicom"; None for that of the input.
        dtype: Stored type of NIfTI outputs; None for that of the input.
        references: Folder with a high-resolution scan of the same relative name for each case; None for none.
        gates: Limits that a finished case must keep to pass, in the words of `medsr.metrics.gates.case_gates`.
        memory_gib: Memory for each worker; None for its share of four fifths of the machine's.
        queue_gib: Memory for scans read ahead, and as much for results that wait to be written.
        grid: the finer grid.
        enhance: of `enhance`.
        policies: What to do with an irregular DICOM series.
        dicom: How DICOM files are written.
        deadlines: Longest silence of each stage before a process is taken for hung.
    """

    model: str = "medsr-base"
    device: str = "auto"
    workers: int = 1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    names: Literal["mirror", "hash"] = "mirror"
    format: Literal["nifti", "dicom"] | None = None
    dtype: str | None = None
    references: Path | None = None
    gates: tuple[str, ...] = ()
    memory_gib: float | None = None
    queue_gib: float = 1.0
    grid: Grid = field(default_factory=Grid)
    enhance: EnhanceSettings = field(default_factory=EnhanceSettings)
    policies: Policies = field(default_factory=Policies)
    dicom: DicomOptions = field(default_factory=DicomOptions)
    deadlines: Deadlines = field(default_factory=Deadlines)

    def __post_init__(self) -> None:
        if self.workers < 1 or self.queue_gib <= 0 or (self.memory_gib is not None and self.memory_gib <= 0):
            raise UsageError("expected at least one worker, and more than 0 GiB of memory and queue")
        if min(asdict(self.deadlines).values()) <= 0:
            raise UsageError("a deadline is 0 s or less; expected more")
        case_gates(self.gates)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return content

    @property
    def settings_key(self) -> str:
        """Hash of what decides about results: model name and machine aside."""
        deciding = {key: value for key, value in self.as_dict().items() if key not in (*NAMES_ONLY, "model")}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def read_batch_recipe(path: Path) -> BatchRecipe:
    """The recipe in a TOML file.

    Raises:
        UsageError: missing, not TOML, an unknown key or a value of the wrong kind.
    """
    content = read_toml(path, "a batch recipe")
    recipe = batch_recipe(content, str(path))
    model = path.parent / recipe.model
    return replace(
        recipe,
        model=str(model) if model.is_file() else recipe.model,
        references=None if recipe.references is None else path.parent / recipe.references,
    )


def batch_recipe(content: Mapping[str, Any], where: str = "recipe") -> BatchRecipe:
    """The recipe of a table of keys.

    Raises:
        UsageError: an unknown key or a value of the wrong kind.
    """
    _refuse_unknown(where, content, BatchRecipe)
    try:
        return TypeAdapter(BatchRecipe).validate_python(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: {place}: {first['msg']}") from error


def _refuse_unknown(where: str, content: object, kind: type, prefix: str = "") -> None:
    if not isinstance(content, Mapping) or not is_dataclass(kind):
        return
    known = {entry.name for entry in fields(kind)}
    hints = get_type_hints(kind)
    for key, value in content.items():
        if key not in known:
            raise UsageError(f"{where}: unknown key {prefix}{key}; known are {', '.join(sorted(known))}")
        _refuse_unknown(where, value, hints[key], f"{prefix}{key}.")


def present(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table without the keys that were not set: a recipe may leave them out, but not set them to nothing."""
    kept = {key: value for key, value in table.items() if value is not None}
    return {key: present(value) if isinstance(value, dict) else value for key, value in kept.items()}
