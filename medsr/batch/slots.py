"""One computing process and the up to three cases in it: one written, one enhanced, one read ahead."""

from __future__ import annotations

import queue
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsr.batch.claims import Claim
from medsr.batch.plan_file import PlannedCase
from medsr.batch.recipe import Deadlines
from medsr.io.names import nameless
from medsr.worker.parent import Event, WarmWorker

LOG_LINES = 20
LOG_BYTES = 8192
CGROUP = Path("/sys/fs/cgroup/memory.events")


@dataclass
class Flight:
    """A case on its way through a process.

    Attributes:
        case: what is done.
        claim: its lease.
        work: folder for its files.
        attempt: from 1.
        alone: nothing else may be in the process with it.
        tile: smaller than usual after a death; None: as usual.
        stage: "read", "enhance" or "write".
        peak_memory_bytes: of the process while the case was in it.
    """

    case: PlannedCase
    claim: Claim
    work: Path
    attempt: int = 1
    alone: bool = False
    tile: int | None = None
    stage: str = "read"
    peak_memory_bytes: int = 0

    def request(self) -> dict[str, Any]:
        """What the process is told."""
        return {
            "case": self.case.case,
            "files": list(self.case.files),
            "number": self.case.number,
            "reference": self.case.reference,
            "name": Path(self.case.target).name,
            "work": str(self.work),
            "tile": self.tile,
            "coarse_bytes": self.case.coarse_bytes,
            "fine_bytes": 4 * self.case.voxels,
        }


@dataclass(frozen=True)
class News:
    """An event of a lane: from `flight`, about its `job`, when `generation` processes had been started."""

    lane: Lane
    generation: int
    flight: Flight
    job: str
    event: Event


@dataclass
class Lane:
    """One process.

    Attributes:
        module: with `start` and `JOBS`.
        options: for its `start`.
        log: what it prints.
        deadlines: longest silences.
        news: where its events go.
        flights: the cases in it, the oldest first.
        generation: processes ended so far; news of an earlier one are stale.
        last_sign: when the process was last heard of.
        asked: its jobs that have not ended; it does the first.
    """

    module: str
    options: Mapping[str, Any]
    log: Path
    deadlines: Deadlines
    news: queue.SimpleQueue[News]
    flights: list[Flight] = field(default_factory=list)
    generation: int = 0
    last_sign: float = 0.0
    asked: deque[tuple[Flight, str]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._worker = WarmWorker(self.module, self.options, self.log, niceness=0)
        self._kills = oom_kills()

    @property
    def wants(self) -> bool:
        """Whether another case may come in: one is read ahead, no more."""
        return not any(flight.alone for flight in self.flights) and sum(f.stage != "write" for f in self.flights) < 2

    @property
    def pid(self) -> int | None:
        """Of the process, None where none runs."""
        return self._worker.pid

    def take(self, flight: Flight) -> None:
        """Let a case in."""
        is_first = not self.flights
        if is_first:
            self.last_sign = time.monotonic()
        self.flights.append(flight)
        self._submit("read", flight, may_start=is_first)
        if sum(other.stage != "write" for other in self.flights) == 1:
            self._submit("enhance", flight)

    def heard(self, news: News) -> None:
        """Note a sign of life."""
        self.last_sign = time.monotonic()
        if news.event.kind == "done":
            self.asked.popleft()
        if news.event.kind == "stage":
            news.flight.stage = news.event.content["stage"]

    def follow(self, flight: Flight) -> None:
        """Go on after a case was enhanced: with the next one, while this one is written."""
        self._enhance_next(flight)
        self._submit("write", flight)

    def leave(self, flight: Flight) -> None:
        """Let a case out; if it did not get through, the next one is enhanced."""
        self.flights.remove(flight)
        if flight.stage != "write":
            self._enhance_next(flight)

    def _enhance_next(self, finished: Flight) -> None:
        finished.stage = "write"
        waiting = [flight for flight in self.flights if flight.stage != "write"]
        if waiting:
            self._submit("enhance", waiting[0])

    def _submit(self, job: str, flight: Flight, *, may_start: bool = False) -> None:
        """Ask the process for a job; a new process knows nothing of the cases in this one."""
        generation = self.generation
        self.asked.append((flight, job))
        self._worker.submit(
            job,
            flight.request(),
            lambda event: self.news.put(News(self, generation, flight, job, event)),
            follows=not may_start,
        )

    def is_overdue(self, now: float) -> Flight | None:
        """The case whose stage has been silent for longer than its deadline."""
        if not self.asked:
            return None
        flight, job = self.asked[0]
        stage = job if job == "write" else flight.stage
        limit = {"read": self.deadlines.read, "enhance": self.deadlines.enhance, "write": self.deadlines.write}
        return flight if now - self.last_sign > limit[stage] else None

    def sample(self) -> None:
        """Note the peak memory of the process for the cases in it."""
        pid = self.pid
        if pid is not None and self.flights:
            peak = peak_memory(pid)
            for flight in self.flights:
                flight.peak_memory_bytes = max(flight.peak_memory_bytes, peak)

    def emptied(self) -> list[Flight]:
        """End the process and take all cases out."""
        self.generation += 1
        self.asked.clear()
        flights, self.flights = self.flights, []
        self._worker.cancel()
        return flights

    def close(self) -> None:
        """End the process."""
        self.generation += 1
        self._worker.close()

    def cause(self, code: int, flight: Flight) -> tuple[str, str, tuple[str, ...]]:
        """Signal, a likely cause, and the last lines of the log, of a process that died."""
        name = signal.Signals(-code).name if code < 0 else ""
        kills, self._kills = self._kills, oom_kills()
        if name == "SIGKILL" and self._kills > kills:
            why = "killed by the system because memory ran out"
        elif name == "SIGKILL":
            why = "ended by SIGKILL, often because memory ran out"
        else:
            why = f"ended by {name}, a crash" if name else f"ended with code {code}"
        return name, why, tuple(nameless(line, flight.case.files, str(flight.work)) for line in self._last_lines())

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
