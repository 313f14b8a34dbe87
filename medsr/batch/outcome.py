"""What became of one case of a batch, and the count of many. Nothing in it names a patient or a file of the input."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from medsr.errors import InputError

SCHEMA = 1
State = Literal["publish", "done", "failed", "skipped"]
STATES: tuple[State, ...] = get_args(State)
Kind = Literal[
    "",
    "unreadable",
    "geometry",
    "unsupported",
    "changed",
    "oom",
    "crash",
    "timeout",
    "write",
    "limit",
    "bug",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
RETRIED: tuple[Kind, ...] = ("oom", "crash", "timeout", "write")

MEANING: dict[Kind, str] = {
    "unreadable": "the file is missing, damaged or no scan",
    "geometry": "not one regular volume",
    "unsupported": "outside what the model was validated on, or a request that doesn't fit this scan",
    "changed": "the file changed while it was read",
    "oom": "memory did not suffice",
    "crash": "the computing process died",
    "timeout": "no sign of life within the stage's deadline",
    "write": "the output can't be written",
    "limit": "finished, but a check lies outside its limit",
    "bug": "an error of medsr",
}


@dataclass(frozen=True)
class Written:
    """One file of a finished case: name relative to the output folder, size, time of change and hash."""

    name: str
    n_bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        case: its id.
        state: "publish" while finished files are moved to their names, else an ending.
        kind: of the failure, else "".
        reason: why it failed or was skipped, without names.
        stage: where it failed: read, enhance or write.
        attempts: how often it was tried.
        signal: that ended the computing process, or "".
        peak_memory_bytes: of the computing process, while the case was in it.
        log: last lines that the computing process wrote before it died.
        key: hash of input, weights and settings.
        input_sha256: content hash of the input.
        fingerprint: of sizes and times of the input's files, to see without reading that they are the same.
        written: what lies in the output folder.
        voxels: of the finer scan.
        seconds: per stage.
        checks: measured values by name, such as "psnr_db" or "residual".
        facts: what the case function says besides: shapes, spacing, device, envelope, warnings.
        host: where it ran, as a short hash.
        finished: UTC time, ISO 8601.
        schema: version of this layout.
    """

    case: str
    state: State
    kind: Kind = ""
    reason: str = ""
    stage: str = ""
    attempts: int = 1
    signal: str = ""
    peak_memory_bytes: int = 0
    log: tuple[str, ...] = ()
    key: str = ""
    input_sha256: str = ""
    fingerprint: str = ""
    written: tuple[Written, ...] = ()
    voxels: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    checks: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    host: str = ""
    finished: str = ""
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The outcome as JSON text, keys in a fixed order."""
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Outcome:
        """The outcome of a JSON text.

        Raises:
            InputError: not an outcome of this schema.
        """
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA or content["state"] not in STATES:
                raise InputError(f"the record of a case has schema {content['schema']}; this version reads {SCHEMA}")
            known = {entry.name for entry in fields(cls)}
            content = {key: value for key, value in content.items() if key in known}
            content["written"] = tuple(Written(**entry) for entry in content["written"])
            content["log"] = tuple(content["log"])
            return cls(**content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError("not the record of a case; expected the JSON that medsr batch writes") from error


@dataclass(frozen=True)
class Row:
    """One case as reports show it.

    Attributes:
        case: its id.
        state: "planned", "running" or an ending.
        shown: name of its output where that is made of labels or hashes, else "".
        outcome: what became of it, None while nothing did.
        thumbnail: path of its picture relative to the output folder, or "".
    """

    case: str
    state: str
    shown: str
    outcome: Outcome | None
    thumbnail: str = ""


@dataclass(frozen=True)
class Tally:
    """How far a run is.

    Attributes:
        planned: cases of the run.
        done: finished, those of earlier runs included.
        failed: given up.
        skipped: left out by the plan.
        voxels_planned: fine voxels of all cases.
        voxels_done: of those that ended.
        seconds: since the run began.
        voxels_now: of those that ended in this run.
        kinds: failures by kind.
    """

    planned: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    voxels_planned: int = 0
    voxels_done: int = 0
    seconds: float = 0.0
    voxels_now: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Cases that have not ended."""
        return self.planned - self.done - self.failed

    @property
    def seconds_left(self) -> float | None:
        """Expected time to the end, from voxels and not from files; None while nothing has been measured."""
        if not self.voxels_now or not self.seconds:
            return None
        return (self.voxels_planned - self.voxels_done) / self.voxels_now * self.seconds

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "left": self.left, "seconds_left": self.seconds_left}


def kinds_of(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Failures by kind, the most frequent first."""
    return dict(Counter(outcome.kind for outcome in outcomes if outcome.state == "failed").most_common())
