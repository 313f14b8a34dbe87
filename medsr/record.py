"""The run record: what was done, with what, to what; written beside every output. Nothing in it names a patient."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from medsr.errors import InputError

SCHEMA = 1
NOTICE = (
    "Research software, not a medical device: not for diagnosis, treatment planning or any clinical decision. "
    "Structures finer than the acquired slices may be missing or invented; always read the original images."
)


@dataclass(frozen=True)
class Record:
    """Everything needed to understand a result and to make it again.

    Attributes:
        versions: of medsr, torch and python.
        input: format, content hash, modality, shape, spacing.
        model: name, version, hash of the weights.
        task: factors, grids, profile (`Acquisition.summary`).
        settings: mode, seed, dial, draws, steps and the rest of what was asked for.
        device: where it ran and in which precision.
        seconds: per stage.
        peak_memory_bytes: of the process.
        noise_sigma: estimated or given, in the scan's own unit.
        residual: root mean square of scan minus degraded result, in units of the noise.
        envelope: "inside" or "outside".
        warnings: what a careful reader should know.
        output: hash and voxel type of what was written.
        notice: what the result must not be used for.
        schema: version of this layout.
    """

    versions: dict[str, str]
    input: dict[str, Any]
    model: dict[str, str]
    task: dict[str, Any]
    settings: dict[str, Any]
    device: str
    seconds: dict[str, float]
    peak_memory_bytes: int
    noise_sigma: float
    residual: float
    envelope: str
    warnings: tuple[str, ...] = ()
    output: dict[str, Any] = field(default_factory=dict)
    notice: str = NOTICE
    schema: int = SCHEMA

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
            content["warnings"] = tuple(content["warnings"])
            return cls(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("not a run record of medsr; expected the JSON written beside an output") from error
