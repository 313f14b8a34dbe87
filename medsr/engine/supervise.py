"""The supervisor: leases on cases are taken, cases computed in processes, watched and tried again, outcomes kept."""

from __future__ import annotations

import queue
import shutil
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from medsr.engine.job import Job, OnOutcome, OnTick
from medsr.engine.leases import Lease
from medsr.engine.outcome import RETRIED, Kind, Outcome, Written, stamped
from medsr.engine.plan_file import PlannedCase
from medsr.engine.slots import CaseInFlight, SlotEvent, WorkerSlot
from medsr.engine.store import case_key
from medsr.engine.verdict import verdict
from medsr.errors import OutputError, ResourceError
from medsr.io.names import digest, nameless

TICK_S = 0.5
TRY_AGAIN_S = 1.0
ATTEMPTS = 2
SMALLER_TILE = 64


class Supervisor:
    """The processes of a run, kept warm from one call of `run` to the next.

    Args:
        job: What every case shares.
        processes: Options for the `start` of each process.
    """

    def __init__(self, job: Job, processes: Sequence[Mapping[str, Any]]) -> None:
        self._job = job
        self._events: queue.SimpleQueue[SlotEvent] = queue.SimpleQueue()
        here = digest(socket.gethostname(), str(time.time_ns()))[:8]
        self._slots = [
            WorkerSlot(job.module, options, job.store.logs / f"{here}-{number}.log", job.deadlines, self._events)
            for number, options in enumerate(processes)
        ]
        self._retries: deque[CaseInFlight] = deque()
        self._elsewhere: dict[str, tuple[PlannedCase, Lease]] = {}  # of cases that another run has
        self._next_try = 0.0
        self._redo = False
        self._on_outcome: OnOutcome = lambda *_: None

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self._slots:
            self._drop(slot.in_flight)
            slot.close()
            with suppress(OSError):
                if not slot.log.stat().st_size:
                    slot.log.unlink()
        self._drop(self._retries)

    def _drop(self, in_flight: Iterable[CaseInFlight]) -> None:
        for active in in_flight:
            shutil.rmtree(active.work, ignore_errors=True)
            active.lease.give_back()

    def run(
        self, cases: Iterable[PlannedCase], on_outcome: OnOutcome, on_tick: OnTick | None = None, again: bool = False
    ) -> None:
        """Every case to an outcome; those that another run has are waited for.

        Args:
            cases: Cases to do, in this order.
            on_outcome: Called with each outcome.
            on_tick: Called twice a second with the number of cases in work.
            again: Whether a case that failed a gate is done again, although its files are whole.

        Raises:
            OutputError: outcomes can't be kept.
            ResourceError: a process can't start.
        """
        waiting = deque(cases)
        ticked = 0.0
        self._redo, self._on_outcome = again, on_outcome
        while True:
            self._fill(waiting)
            if not (waiting or self._retries or self._elsewhere or any(slot.in_flight for slot in self._slots)):
                return
            with suppress(queue.Empty):
                self._handle(self._events.get(timeout=TICK_S))
            if time.monotonic() - ticked >= TICK_S:
                ticked = time.monotonic()
                self._watch(ticked)
                if on_tick is not None:
                    on_tick(sum(len(slot.in_flight) for slot in self._slots))

    def _fill(self, waiting: deque[PlannedCase]) -> None:
        """Give idle processes a case each; others read ahead while enough is left for those that will be idle next."""
        for slot in self._slots:
            if slot.is_idle and slot.can_take and (active := self._next(waiting, slot)) is not None:
                slot.take(active)
        for slot in self._slots:
            while slot.can_take and len(waiting) >= len(self._slots):
                active = self._next(waiting, slot)
                if active is None:
                    break
                slot.take(active)

    def _next(self, waiting: deque[PlannedCase], slot: WorkerSlot) -> CaseInFlight | None:
        """The next case that can be begun, with its lease taken; None where there is none now."""
        if self._retries:
            if not self._retries[0].alone or not slot.in_flight:
                return self._retries.popleft()
            return None
        while waiting or self._due():
            case, lease = self._candidate(waiting)
            try:
                taken = lease.take()
            except OutputError as error:  # no space or no folder: what is in work may free some by ending
                if any(other.in_flight for other in self._slots):
                    waiting.appendleft(case)
                    return None
                self._end(case, self._unwritable(case, error), lease)
                continue
            if not taken:
                self._elsewhere[case.case] = case, lease
                continue
            active = self._begun(case, lease)
            if active is not None:
                return active
        return None

    def _due(self) -> bool:
        return bool(self._elsewhere) and time.monotonic() >= self._next_try

    def _candidate(self, waiting: deque[PlannedCase]) -> tuple[PlannedCase, Lease]:
        if waiting:
            case = waiting.popleft()
            return case, Lease(self._job.store.leases, case.case)
        self._next_try = time.monotonic() + TRY_AGAIN_S / max(1, len(self._elsewhere))
        return self._elsewhere.pop(next(iter(self._elsewhere)))

    def _begun(self, case: PlannedCase, lease: Lease) -> CaseInFlight | None:
        """A case that can be begun, its lease held; None where it has an outcome without work."""
        store = self._job.store
        try:
            found = store.recovered(case, self._job.model_sha256, self._job.settings_key)
            if found is not None and not (self._redo and found.state == "failed"):
                self._end(case, self._judged(found), lease, here=False)
                return None
            if case.problem:
                store.sweep(case.case)
                outcome = Outcome(case.case, "failed", case.kind, nameless(case.problem, case.files), stage="plan")
                self._end(case, outcome, lease)
                return None
            if shutil.disk_usage(store.root).free < case.voxels:
                raise OutputError("less disk space is left than the result takes; free some")
            return CaseInFlight(case, lease, store.new_work(case.case))
        except OutputError as error:
            self._end(case, self._unwritable(case, error), lease)
            return None

    def _unwritable(self, case: PlannedCase, error: OutputError) -> Outcome:
        reason = nameless(str(error), case.files, str(self._job.store.root))
        return Outcome(case.case, "failed", "write", reason, stage="write")

    def _handle(self, event: SlotEvent) -> None:
        slot, active = event.slot, event.active
        if event.generation != slot.generation:
            return
        slot.note(event)
        if event.kind == "died":
            self._handle_death(slot, event.content.get("code") or 0)
        elif event.kind == "failed":
            raise ResourceError(f"a computing process can't work: {event.content['message']}")
        elif event.kind == "done" and "failed" in event.content:
            slot.measure_memory()
            slot.leave(active)
            self._failed(active, **event.content["failed"])
        elif event.kind == "done" and event.job == "write":
            slot.measure_memory()
            slot.leave(active)
            self._finished(active, event.content)
        elif event.kind == "done" and event.job == "enhance":
            slot.follow(active)

    def _watch(self, now: float) -> None:
        for slot in self._slots:
            slot.measure_memory()
            late = slot.overdue(now)
            if late is not None:
                for active in slot.emptied():
                    if active is not late:
                        self._put_back(active)
                reason = f"no sign of life from stage {late.stage} within its deadline; the process was ended"
                self._failed(late, "timeout", late.stage, reason)

    def _handle_death(self, slot: WorkerSlot, code: int) -> None:
        """A process has died: whoever was in it alone did it; of several nobody knows, so each goes on alone."""
        in_flight = slot.emptied()
        for active in in_flight:
            signal_name, why, log = slot.cause(code, active)
            reason = f"the computing process was {why}"
            kind: Kind = "oom" if "memory" in why and active.stage == "enhance" else "crash"
            if len(in_flight) > 1:
                self._put_back(active)
            else:
                self._failed(active, kind, active.stage, reason, signal_name, log)

    def _retry(self, active: CaseInFlight) -> None:
        """Once more, alone, and where it was enhanced with a smaller tile."""
        active.attempt += 1
        if active.stage == "enhance":
            active.tile = SMALLER_TILE
        self._put_back(active)

    def _put_back(self, active: CaseInFlight) -> None:
        """Begin again, alone."""
        active.alone = True
        active.stage = "read"
        try:
            active.work = self._job.store.new_work(active.case.case)
        except OutputError as error:
            self._end(active.case, self._unwritable(active.case, error), active.lease)
            return
        self._retries.append(active)

    def _failed(
        self,
        active: CaseInFlight,
        kind: Kind,
        stage: str,
        reason: str,
        signal_name: str = "",
        log: tuple[str, ...] = (),
    ) -> None:
        if kind in RETRIED and active.attempt < ATTEMPTS:
            active.stage = stage
            self._retry(active)
            return
        outcome = Outcome(
            active.case.case,
            "failed",
            kind,
            reason,
            stage,
            attempts=active.attempt,
            signal=signal_name,
            peak_memory_bytes=active.peak_memory_bytes,
            log=log,
        )
        shutil.rmtree(active.work, ignore_errors=True)
        self._end(active.case, outcome, active.lease)

    def _finished(self, active: CaseInFlight, answer: dict[str, Any]) -> None:
        """Publish what was made, unless another run took the case over meanwhile."""
        case, job = active.case, self._job
        if active.lease.is_lost:
            shutil.rmtree(active.work, ignore_errors=True)
            active.lease.give_back()
            self._elsewhere[case.case] = case, Lease(job.store.leases, case.case)
            return
        folder = Path(case.target).parent
        written = [Written(**{**one, "name": (folder / one["name"]).as_posix()}) for one in answer["written"]]
        outcome = Outcome(
            case.case,
            "done",
            attempts=active.attempt,
            peak_memory_bytes=active.peak_memory_bytes,
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
            published = job.store.publish(case, stamped(self._judged(outcome)), active.work)
        except OutputError as error:
            self._failed(active, "write", "write", self._unwritable(case, error).reason)
            return
        active.lease.give_back()
        self._on_outcome(case, published, True)

    def _judged(self, outcome: Outcome) -> Outcome:
        return verdict(outcome, self._job.gates)

    def _end(self, case: PlannedCase, outcome: Outcome, lease: Lease, *, here: bool = True) -> None:
        if outcome != self._job.store.read(case.case, outcome.state):
            outcome = stamped(outcome)
            with suppress(OutputError):  # a full disk: the outcome counts in this run, and the next one does it again
                self._job.store.write(outcome)
        lease.give_back()
        self._on_outcome(case, outcome, here)
