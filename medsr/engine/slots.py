"""A slot holds one computing process and up to three cases: one is written, one enhanced, one read ahead."""

from __future__ import annotations

import queue
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsr.engine.deadlines import Deadlines
from medsr.engine.leases import Lease
from medsr.engine.plan_file import PlannedCase
from medsr.io.names import nameless
from medsr.worker.parent import WarmWorker

LOG_LINES = 20
LOG_BYTES = 8192
CGROUP = Path("/sys/fs/cgroup/memory.events")


@dataclass
class CaseInFlight:
    """A case on its way through a process.

    Attributes:
        case: Case as the plan has it.
        lease: Lease on the case, held by this run.
        work: Folder for the files that are made of it.
        attempt: Number of the attempt, from 1.
        alone: Whether nothing else may be in the process with it.
        tile: Largest tile after a death in voxels; None for the one that was asked for.
        stage: "read", "enhance" or "write".
        peak_memory_bytes: Peak memory of the process while the case was in it.
    """

    case: PlannedCase
    lease: Lease
    work: Path
    attempt: int = 1
    alone: bool = False
    tile: int | None = None
    stage: str = "read"
    peak_memory_bytes: int = 0

    def request(self) -> dict[str, Any]:
        """The case as a request to the process, in plain values."""
        return {
            "case": self.case.case,
            "files": list(self.case.files),
            "name": Path(self.case.target).name,
            "work": str(self.work),
            "tile": self.tile,
            "input_bytes": self.case.input_bytes,
            "result_bytes": 4 * self.case.voxels,
            **self.case.given,
        }


@dataclass(frozen=True)
class SlotEvent:
    """What a process reported.

    Attributes:
        slot: Slot of the process.
        generation: Number of processes that the slot had ended when the job was submitted.
        active: Case that the job belongs to.
        job: "read", "enhance" or "write".
        kind: Kind of the event, as in `Event`.
        content: What it says.
    """

    slot: WorkerSlot
    generation: int
    active: CaseInFlight
    job: str
    kind: str
    content: dict[str, Any]


@dataclass
class WorkerSlot:
    """The place of one process, which is started again when it has died.

    Attributes:
        module: Dotted name of the module with `start` and `JOBS`.
        options: Options for its `start`.
        log: File for what the process prints.
        deadlines: Longest silence of each stage.
        events: Queue for its events, shared by all slots.
        in_flight: Cases in the process, the oldest first.
        generation: Number of processes ended so far; events of earlier ones are stale.
        last_sign: Time of the last sign of life, on the monotonic clock.
        submitted: Jobs that have not ended, each with its case, the oldest first.
    """

    module: str
    options: Mapping[str, Any]
    log: Path
    deadlines: Deadlines
    events: queue.SimpleQueue[SlotEvent]
    in_flight: list[CaseInFlight] = field(default_factory=list)
    generation: int = 0
    last_sign: float = 0.0
    submitted: deque[tuple[CaseInFlight, str]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._worker = WarmWorker(self.module, self.options, self.log, niceness=0)
        self._kills = oom_kills()

    @property
    def can_take(self) -> bool:
        """Whether another case may come in: one is read ahead, no more."""
        return self._n_unwritten < 2 and not any(active.alone for active in self.in_flight)

    @property
    def is_idle(self) -> bool:
        """Whether the process has no case to enhance."""
        return not self._n_unwritten

    @property
    def _n_unwritten(self) -> int:
        return sum(active.stage != "write" for active in self.in_flight)

    @property
    def pid(self) -> int | None:
        """Id of the process, None where none runs."""
        return self._worker.pid

    def take(self, active: CaseInFlight) -> None:
        """Let a case in."""
        is_first = not self.in_flight
        if is_first:
            self.last_sign = time.monotonic()
        self.in_flight.append(active)
        self._submit("read", active, may_start=is_first)
        if self._n_unwritten == 1:
            self._submit("enhance", active)

    def note(self, event: SlotEvent) -> None:
        """Note a sign of life."""
        self.last_sign = time.monotonic()
        if event.kind == "done":
            self.submitted.remove((event.active, event.job))
        if event.kind == "stage":
            event.active.stage = event.content["stage"]

    def follow(self, active: CaseInFlight) -> None:
        """Go on after a case was enhanced: with the next one, while this one is written."""
        self._submit("write", active)
        self._enhance_next(active)

    def leave(self, active: CaseInFlight) -> None:
        """Let a case out; if it did not get through, the next one is enhanced."""
        self.in_flight.remove(active)
        if active.stage != "write":
            self._enhance_next(active)

    def _enhance_next(self, finished: CaseInFlight) -> None:
        finished.stage = "write"
        waiting = [active for active in self.in_flight if active.stage != "write"]
        if waiting:
            self._submit("enhance", waiting[0])

    def _submit(self, job: str, active: CaseInFlight, *, may_start: bool = False) -> None:
        """Ask the process for a job; a new process knows nothing of the cases in this one."""
        generation = self.generation
        self.submitted.append((active, job))
        self._worker.submit(
            job,
            active.request(),
            lambda event: self.events.put(SlotEvent(self, generation, active, job, event.kind, event.content)),
            follows=not may_start,
        )

    def overdue(self, now: float) -> CaseInFlight | None:
        """The case whose stage has been silent for longer than its deadline, None where there is none."""
        if not self.submitted:
            return None
        active, job = self.submitted[0]
        stage = job if job == "write" else active.stage
        limit = {"read": self.deadlines.read, "enhance": self.deadlines.enhance, "write": self.deadlines.write}
        return active if now - self.last_sign > limit[stage] else None

    def measure_memory(self) -> None:
        """Note the peak memory of the process for the cases in it."""
        pid = self.pid
        if pid is not None and self.in_flight:
            peak = peak_memory(pid)
            for active in self.in_flight:
                active.peak_memory_bytes = max(active.peak_memory_bytes, peak)

    def emptied(self) -> list[CaseInFlight]:
        """End the process and take all cases out."""
        self.generation += 1
        self.submitted.clear()
        in_flight, self.in_flight = self.in_flight, []
        self._worker.cancel()
        return in_flight

    def close(self) -> None:
        """End the process."""
        self.generation += 1
        self._worker.close()

    def cause(self, code: int, active: CaseInFlight) -> tuple[str, str, tuple[str, ...]]:
        """Signal, a likely cause, and the last lines of the log, of a process that died."""
        name = signal.Signals(-code).name if code < 0 else ""
        kills, self._kills = self._kills, oom_kills()
        if name == "SIGKILL" and self._kills > kills:
            why = "killed by the system because memory ran out"
        elif name == "SIGKILL":
            why = "ended by SIGKILL, often because memory ran out"
        else:
            why = f"ended by {name}, a crash" if name else f"ended with code {code}"
        return name, why, tuple(nameless(line, active.case.files, str(active.work)) for line in self._last_lines())

    def _last_lines(self) -> list[str]:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - LOG_BYTES))
                return log.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
        except OSError:
            return []


def peak_memory(pid: int) -> int:
    """Peak resident memory of a process in bytes, 0 where the system does not say."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def oom_kills() -> int:
    """How many processes of this control group the system has killed for want of memory; 0 where it does not say."""
    try:
        facts = dict(line.split() for line in CGROUP.read_text(encoding="ascii").splitlines())
        return int(facts.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0
