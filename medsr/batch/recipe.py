"""The recipe of a batch: what is asked of every scan, its gates, and how the machines are used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from medsr.engine.deadlines import Deadlines
from medsr.enhancement.settings import EnhanceSettings, with_model_beside
from medsr.errors import UsageError
from medsr.io.recipes import FORBID_UNKNOWN, parsed, read_toml
from medsr.metrics.gates import case_gates

NOT_IN_KEY = ("workers", "deadlines", "gates", "memory_gib", "queue_gib", "include", "exclude", "fuse", "references")
"""What changes nothing in the result of a case, and so is not part of its key."""


@dataclass(frozen=True)
class BatchRecipe:
    """What `medsr batch` reads; paths are relative to the recipe's folder.

    Attributes:
        enhance: What is asked of every scan; `enhance.device` takes several, separated by commas.
        workers: Number of processes for each device.
        include: Patterns for the places of scans; empty for all.
        exclude: Patterns for the places of scans that are left out.
        fuse: BIDS: files with thick slices of one subject, session and contrast that overlap and are named alike but
            for acq, run and dir are stacks of one body, and become one scan. A table has the column `fuse` instead.
        names: "mirror" keeps the input's folders and names, made safe; "hash" gives nothing of them away. DICOM series
            are always named by hashes.
        references: Folder with a high-resolution scan of the same relative name for each case; None for none.
        gates: What a finished case must keep to pass (`medsr.metrics.gates.case_gates`).
        memory_gib: Memory for each worker; None for its share of four fifths of the machine's.
        queue_gib: Memory for scans read ahead, and as much for results that wait to be written.
        deadlines: Longest silence of each stage before a process is taken for hung.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    enhance: EnhanceSettings = field(default_factory=EnhanceSettings)
    workers: int = 1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    fuse: bool = False
    names: Literal["mirror", "hash"] = "mirror"
    references: Path | None = None
    gates: tuple[str, ...] = ()
    memory_gib: float | None = None
    queue_gib: float = 1.0
    deadlines: Deadlines = field(default_factory=Deadlines)

    def __post_init__(self) -> None:
        if self.workers < 1 or self.queue_gib <= 0 or (self.memory_gib is not None and self.memory_gib <= 0):
            raise UsageError("expected at least one worker, and more than 0 GiB of memory and queue")
        if self.enhance.region is not None or self.enhance.output.like is not None:
            raise UsageError("enhance.region and enhance.output.like are for one scan; leave them out of a batch")
        case_gates(self.gates)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return content

    @property
    def settings_key(self) -> str:
        """Hash of what decides about results: weights and machine aside."""
        deciding = {key: value for key, value in self.as_dict().items() if key not in NOT_IN_KEY}
        for key in ("model", "device"):
            del deciding["enhance"][key]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def read_batch_recipe(path: Path) -> BatchRecipe:
    """The recipe in a TOML file.

    Raises:
        UsageError: missing, not TOML, an unknown key or a value of the wrong kind.
    """
    recipe = batch_recipe(read_toml(path, "a batch recipe"), str(path))
    return replace(
        recipe,
        enhance=with_model_beside(recipe.enhance, path.parent),
        references=None if recipe.references is None else path.parent / recipe.references,
    )


def batch_recipe(content: Mapping[str, Any], where: str = "recipe") -> BatchRecipe:
    """The recipe of a table of keys.

    Raises:
        UsageError: an unknown key or a value of the wrong kind.
    """
    return parsed(BatchRecipe, content, where)
