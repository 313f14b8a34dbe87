"""Many cases of a study, here or in worker processes: one that fails, or takes its process with it, costs itself alone.

Workers write nothing: what they measured comes back through a pipe, so that a killed one leaves nothing half written.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from threading import Thread

import torch

from medsr.errors import ResourceError
from medsr.model.allocator import keep_freed_memory
from medsr.validation.measure import Measured, PlannedTrial, measure_trial
from medsr.validation.recipe import StudyRecipe

DIED = "its process died, most likely for want of memory; choose fewer workers, or a smaller scan"

Ended = tuple[int, Measured | Exception]
"""The number of a case and what came of it."""


Measure = Callable[[PlannedTrial, StudyRecipe], Measured]


def measure_all(
    planned: Sequence[PlannedTrial], recipe: StudyRecipe, measure: Measure = measure_trial
) -> Iterator[Ended]:
    """Every case with what came of it, as they end.

    Args:
        planned: Cases without an error.
        recipe: Number of processes, and what is measured.
        measure: Function that measures one case, which worker processes can import.
    """
    if recipe.workers and planned:
        yield from _in_processes(planned, recipe, measure)
        return
    for number, one in enumerate(planned):
        yield number, _attempt(one, recipe, measure)


def _attempt(planned: PlannedTrial, recipe: StudyRecipe, measure: Measure) -> Measured | Exception:
    try:
        return measure(planned, recipe)
    except Exception as error:
        return error


def _in_processes(planned: Sequence[PlannedTrial], recipe: StudyRecipe, measure: Measure) -> Iterator[Ended]:
    waiting = deque(enumerate(planned))
    n_slots = min(recipe.workers, len(planned))
    slots: list[_Slot] = []
    running: dict[Future[Measured], tuple[_Slot, int]] = {}

    def give(slot: _Slot) -> None:
        if waiting:
            number, one = waiting.popleft()
            running[slot.submit(measure, one, recipe)] = slot, number

    try:
        for _ in range(n_slots):
            slots.append(_Slot(_threads(n_slots)))
            give(slots[-1])
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                slot, number = running.pop(future)
                came = slot.result(future)
                give(slot)
                yield number, came
    finally:
        for slot in slots:
            slot.stop()


class _Slot:
    """One process that measures case after case, and a new one where it died.

    Args:
        n_threads: Number of torch threads that it computes with.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._start()

    def submit(self, measure: Measure, planned: PlannedTrial, recipe: StudyRecipe) -> Future[Measured]:
        return self._pool.submit(measure, planned, recipe)

    def result(self, future: Future[Measured]) -> Measured | Exception:
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, BrokenProcessPool):
            self._pool.shutdown()
            self._start()
            return ResourceError(DIED)
        if not isinstance(error, Exception):
            raise error
        return error

    def stop(self) -> None:
        """End the process at once; nobody waits for its case any more."""
        with suppress(ProcessLookupError, BrokenProcessPool):
            os.kill(self._pid.result(), signal.SIGTERM)
        self._pool.shutdown(cancel_futures=True)

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _begin, (self._n_threads,))
        self._pid = self._pool.submit(os.getpid)  # not waited for: processes start beside each other


def _threads(n_slots: int) -> int:
    """Threads of each of several processes: together as many as here, so that one alone rounds as this one does."""
    return max(1, torch.get_num_threads() // n_slots)


def _begin(n_threads: int) -> None:
    """Set up a worker: its share of the cores, Ctrl-C left to the parent, and no life without it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(n_threads)
    keep_freed_memory()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
