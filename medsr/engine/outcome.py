"""What became of one case of a batch, and the count of many. Nothing in it names a patient or a file of the input."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from medsr.errors import InputError
from medsr.io.names import digest

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
    "unreadable": "the file is missing, damaged or not a scan",
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
    """One file of a finished case.

    Attributes:
        name: Path relative to the output folder.
        n_bytes: Size.
        mtime_ns: Time of the last change, in nanoseconds since 1970.
        sha256: Hash of the content.
    """

    name: str
    n_bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        case: Id of the case.
        state: "publish" while finished files are moved to their names, else an ending.
        kind: Kind of the failure; "" for none.
        reason: Why it failed or was skipped, without names.
        stage: Stage in which it failed: read, enhance or write.
        attempts: Number of attempts.
        signal: Signal that ended the computing process; "" for none.
        peak_memory_bytes: Peak memory of the computing process while the case was in it.
        log: Last lines that the computing process wrote before it died.
        key: Hash of input, weights and settings.
        input_sha256: Content hash of the input.
        fingerprint: Hash of sizes and times of the input files, to see without reading that they are the same.
        written: Files in the output folder.
        voxels: Number of voxels of the result.
        seconds: Time of each stage.
        checks: Measured values by name, such as "psnr_db" or "residual".
        facts: What the stages say besides: shapes, spacing, device, envelope, warnings.
        host: Machine that did it, as a short hash.
        finished: UTC time, ISO 8601.
        schema: Version of this layout.
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
        case: Id of the case.
        state: "planned", "running" or an ending.
        shown: Name of its output where that is made of labels or hashes, else "".
        outcome: What became of it; None while nothing did.
        thumbnail: Path of its picture relative to the output folder; "" for none.
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
        planned: Number of cases in the run.
        done: Cases that are finished, those of earlier runs included.
        failed: Cases that were given up.
        skipped: Files that the plan left out.
        voxels_planned: Result voxels of all cases.
        voxels_done: Result voxels of the cases that ended.
        seconds: Time since the run began.
        voxels_now: Result voxels of the cases that ended in this run.
        kinds: Number of failures by kind.
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
        """The count as a table for JSON."""
        return {**asdict(self), "left": self.left, "seconds_left": self.seconds_left}


def kinds_of(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Failures by kind, the most frequent first."""
    return dict(Counter(outcome.kind for outcome in outcomes if outcome.state == "failed").most_common())


def stamped(outcome: Outcome) -> Outcome:
    """The outcome with this machine, as a short hash, and the time."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(outcome, host=digest(socket.gethostname())[:8], finished=now)
