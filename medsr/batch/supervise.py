"""Cases through computing processes: claimed, watched, tried again where that may help, and their outcome kept."""

from __future__ import annotations

import queue
import shutil
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medsr.batch.checks import verdict
from medsr.batch.claims import Claim
from medsr.batch.outcome import RETRIED, Kind, Outcome, Written
from medsr.batch.plan_file import PlannedCase
from medsr.batch.recipe import Deadlines
from medsr.batch.slots import Flight, Lane, News
from medsr.batch.store import Store, case_key
from medsr.errors import OutputError, ResourceError
from medsr.io.names import digest, nameless
from medsr.metrics.gates import Gate

TICK_S = 0.5
CLAIM_AGAIN_S = 1.0
ATTEMPTS = 2
SMALLER_TILE = 64
OnOutcome = Callable[[PlannedCase, Outcome, bool], None]
"""Called with an outcome, and whether it was come by here and not by another run."""
OnTick = Callable[[int], None]
"""Called now and then with the number of cases in work."""


@dataclass(frozen=True)
class Job:
    """What every case of a run shares.

    Attributes:
        store: of the output folder.
        module: with `start` and `JOBS` (`pipeline`).
        options: one mapping for each process.
        model_sha256: of the weights.
        settings_key: of the recipe.
        gates: what a finished case must keep to pass.
        deadlines: longest silences.
    """

    store: Store
    module: str
    options: tuple[Mapping[str, Any], ...]
    model_sha256: str
    settings_key: str
    gates: tuple[Gate, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)


class Crew:
    """The processes of a run, kept warm from one call of `run` to the next.

    Args:
        job: what every case shares.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        here = digest(socket.gethostname(), str(time.time_ns()))[:8]
        self._lanes = [
            Lane(job.module, options, job.store.logs / f"{here}-{number}.log", job.deadlines, self._news)
            for number, options in enumerate(job.options)
        ]
        self._again: deque[Flight] = deque()
        self._claims: dict[str, tuple[PlannedCase, Claim]] = {}  # of cases that another run has
        self._next_claim = 0.0
        self._redo = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            self._drop(lane.flights)
            lane.close()
            with suppress(OSError):
                if not lane.log.stat().st_size:
                    lane.log.unlink()
        self._drop(self._again)

    def _drop(self, flights: Iterable[Flight]) -> None:
        for flight in flights:
            shutil.rmtree(flight.work, ignore_errors=True)
            flight.claim.give_back()

    def run(
        self, cases: Iterable[PlannedCase], on_outcome: OnOutcome, on_tick: OnTick | None = None, again: bool = False
    ) -> None:
        """Every case to an outcome; those that another run has are waited for.

        Args:
            cases: what to do, in this order.
            on_outcome: called with each outcome.
            on_tick: called twice a second.
            again: do what has failed a gate again, although its files are whole.

        Raises:
            OutputError: outcomes can't be kept.
            ResourceError: a process can't start.
        """
        waiting = deque(cases)
        ticked = 0.0
        self._redo = again
        while True:
            for lane in self._lanes:
                while lane.wants and (flight := self._next(waiting, lane, on_outcome)) is not None:
                    lane.take(flight)
            if not (waiting or self._again or self._claims or any(lane.flights for lane in self._lanes)):
                return
            with suppress(queue.Empty):
                self._hear(self._news.get(timeout=TICK_S), on_outcome)
            if time.monotonic() - ticked >= TICK_S:
                ticked = time.monotonic()
                self._watch(ticked, on_outcome)
                if on_tick is not None:
                    on_tick(sum(len(lane.flights) for lane in self._lanes))

    def _next(self, waiting: deque[PlannedCase], lane: Lane, on_outcome: OnOutcome) -> Flight | None:
        """The next case that can be begun, claimed; None where there is none now."""
        if self._again:
            if not self._again[0].alone or not lane.flights:
                return self._again.popleft()
            return None
        while waiting or self._due():
            case, claim = self._candidate(waiting)
            try:
                taken = claim.take()
            except OutputError as error:  # no space or no folder: what is in work may free some by ending
                if any(other.flights for other in self._lanes):
                    waiting.appendleft(case)
                    return None
                self._end(case, self._unwritable(case, error), claim, on_outcome)
                continue
            if not taken:
                self._claims[case.case] = case, claim
                continue
            flight = self._begun(case, claim, on_outcome)
            if flight is not None:
                return flight
        return None

    def _due(self) -> bool:
        return bool(self._claims) and time.monotonic() >= self._next_claim

    def _candidate(self, waiting: deque[PlannedCase]) -> tuple[PlannedCase, Claim]:
        if waiting:
            case = waiting.popleft()
            return case, Claim(self._job.store.claims, case.case)
        self._next_claim = time.monotonic() + CLAIM_AGAIN_S / max(1, len(self._claims))
        return self._claims.pop(next(iter(self._claims)))

    def _begun(self, case: PlannedCase, claim: Claim, on_outcome: OnOutcome) -> Flight | None:
        """A claimed case ready to fly; None where it has an outcome without work."""
        store = self._job.store
        try:
            found = store.recovered(case, self._job.model_sha256, self._job.settings_key)
            if found is not None and not (self._redo and found.state == "failed"):
                self._end(case, self._judged(found), claim, on_outcome, here=False)
                return None
            if case.problem:
                store.sweep(case.case)
                outcome = Outcome(case.case, "failed", case.kind, nameless(case.problem, case.files), stage="plan")
                self._end(case, outcome, claim, on_outcome)
                return None
            if shutil.disk_usage(store.root).free < case.voxels:
                raise OutputError("less disk space is left than the result takes; free some")
            return Flight(case, claim, store.new_work(case.case))
        except OutputError as error:
            self._end(case, self._unwritable(case, error), claim, on_outcome)
            return None

    def _unwritable(self, case: PlannedCase, error: OutputError) -> Outcome:
        reason = nameless(str(error), case.files, str(self._job.store.root))
        return Outcome(case.case, "failed", "write", reason, stage="write")

    def _hear(self, news: News, on_outcome: OnOutcome) -> None:
        lane, flight, event = news.lane, news.flight, news.event
        if news.generation != lane.generation:
            return
        lane.heard(news)
        if event.kind == "died":
            self._mourn(lane, event.content.get("code") or 0, on_outcome)
        elif event.kind == "failed":
            raise ResourceError(f"a computing process can't work: {event.content['message']}")
        elif event.kind == "done" and "failed" in event.content:
            lane.sample()
            lane.leave(flight)
            self._failed(flight, **event.content["failed"], on_outcome=on_outcome)
        elif event.kind == "done" and news.job == "write":
            lane.sample()
            lane.leave(flight)
            self._finished(flight, event.content, on_outcome)
        elif event.kind == "done" and news.job == "enhance":
            lane.follow(flight)

    def _watch(self, now: float, on_outcome: OnOutcome) -> None:
        for lane in self._lanes:
            lane.sample()
            late = lane.is_overdue(now)
            if late is not None:
                for flight in lane.emptied():
                    if flight is not late:
                        self._put_back(flight, on_outcome)
                reason = f"no sign of life from stage {late.stage} within its deadline; the process was ended"
                self._failed(late, "timeout", late.stage, reason, on_outcome)

    def _mourn(self, lane: Lane, code: int, on_outcome: OnOutcome) -> None:
        """A process has died: whoever was in it alone did it; of several nobody knows, so each goes on alone."""
        flights = lane.emptied()
        for flight in flights:
            signal_name, why, log = lane.cause(code, flight)
            reason = f"the computing process was {why}"
            kind: Kind = "oom" if "memory" in why and flight.stage == "enhance" else "crash"
            if len(flights) > 1:
                self._put_back(flight, on_outcome)
            else:
                self._failed(flight, kind, flight.stage, reason, on_outcome, signal_name, log)

    def _retry(self, flight: Flight, on_outcome: OnOutcome) -> None:
        """Once more, alone, and where it was enhanced with a smaller tile."""
        flight.attempt += 1
        if flight.stage == "enhance":
            flight.tile = SMALLER_TILE
        self._put_back(flight, on_outcome)

    def _put_back(self, flight: Flight, on_outcome: OnOutcome) -> None:
        """Begin again, alone."""
        flight.alone = True
        flight.stage = "read"
        try:
            flight.work = self._job.store.new_work(flight.case.case)
        except OutputError as error:
            self._end(flight.case, self._unwritable(flight.case, error), flight.claim, on_outcome)
            return
        self._again.append(flight)

    def _failed(
        self,
        flight: Flight,
        kind: Kind,
        stage: str,
        reason: str,
        on_outcome: OnOutcome,
        signal_name: str = "",
        log: tuple[str, ...] = (),
    ) -> None:
        if kind in RETRIED and flight.attempt < ATTEMPTS:
            flight.stage = stage
            self._retry(flight, on_outcome)
            return
        outcome = Outcome(
            flight.case.case,
            "failed",
            kind,
            reason,
            stage,
            attempts=flight.attempt,
            signal=signal_name,
            peak_memory_bytes=flight.peak_memory_bytes,
            log=log,
        )
        shutil.rmtree(flight.work, ignore_errors=True)
        self._end(flight.case, outcome, flight.claim, on_outcome)

    def _finished(self, flight: Flight, answer: dict[str, Any], on_outcome: OnOutcome) -> None:
        """Publish what was made, unless another run took the case over meanwhile."""
        case, job = flight.case, self._job
        if flight.claim.is_lost:
            shutil.rmtree(flight.work, ignore_errors=True)
            flight.claim.give_back()
            self._claims[case.case] = case, Claim(job.store.claims, case.case)
            return
        folder = Path(case.target).parent
        written = [Written(**{**one, "name": (folder / one["name"]).as_posix()}) for one in answer["written"]]
        outcome = Outcome(
            case.case,
            "done",
            attempts=flight.attempt,
            peak_memory_bytes=flight.peak_memory_bytes,
            key=case_key(answer["input_sha256"], job.model_sha256, job.settings_key),
            input_sha256=answer["input_sha256"],
            fingerprint=answer["fingerprint"],
            written=tuple(written),
            voxels=answer.get("voxels", case.voxels),
            seconds=answer["seconds"],
            checks=answer["checks"],
            facts=answer["facts"],
        )
        try:
            published = job.store.publish(case, _stamped(self._judged(outcome)), flight.work)
        except OutputError as error:
            self._failed(flight, "write", "write", self._unwritable(case, error).reason, on_outcome)
            return
        flight.claim.give_back()
        on_outcome(case, published, True)

    def _judged(self, outcome: Outcome) -> Outcome:
        return verdict(outcome, self._job.gates)

    def _end(
        self, case: PlannedCase, outcome: Outcome, claim: Claim, on_outcome: OnOutcome, *, here: bool = True
    ) -> None:
        if outcome != self._job.store.read(case.case, outcome.state):
            outcome = _stamped(outcome)
            with suppress(OutputError):  # a full disk: the outcome counts in this run, and the next one does it again
                self._job.store.write(outcome)
        claim.give_back()
        on_outcome(case, outcome, here)


def _stamped(outcome: Outcome) -> Outcome:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(outcome, host=digest(socket.gethostname())[:8], finished=now)
