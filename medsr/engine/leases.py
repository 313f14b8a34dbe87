"""Leases on cases, so that runs on one output folder share the work; taken over when a holder is gone.

`filelock.SoftFileLease` needs neither flock nor clocks that agree, so it works on network file systems. It is a hint
and no mutual exclusion: a holder that was frozen may wake up and go on. So a result is dropped when its lease was
lost, and publishing the same case twice gives the same files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import SoftFileLease, Timeout

from medsr.errors import OutputError
from medsr.io import files

LEASE_S = 60.0
HEARTBEAT_S = 10.0
SWEEP_S = 2.0
EMPTY_S = 5.0  # a holder writes into its lease at once; one that stays empty for so long died before it could


class Lease:
    """A lease on one case, not yet taken.

    Args:
        folder: Folder of all leases.
        case: Id of the case.
    """

    def __init__(self, folder: Path, case: str) -> None:
        self._path = folder / f"{case}.lock"
        self._lock = SoftFileLease(
            self._path, lease_duration=LEASE_S, heartbeat_interval=HEARTBEAT_S, thread_local=False
        )
        self._empty: tuple[tuple[int, int], float] | None = None  # the file that is empty, and since when

    def take(self, wait_s: float = 0.0) -> bool:
        """Take it if it is free or its holder is gone; False where another run has it.

        Args:
            wait_s: Time to wait for another run to give it back.

        Raises:
            OutputError: the folder can't be written.
        """
        try:
            self._lock.acquire(timeout=wait_s)
        except Timeout:
            return self._remove_abandoned() and self.take()
        except OSError as error:
            raise OutputError(files.unwritable(self._path.parent, error)) from error
        return True

    def _remove_abandoned(self) -> bool:
        """Remove a file that was found empty for long; filelock takes such a one for held for ever."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        file, now = (found.st_ino, found.st_mtime_ns), time.monotonic()
        if found.st_size or self._empty is None or self._empty[0] != file:
            self._empty = None if found.st_size else (file, now)
            return False
        if now - self._empty[1] < EMPTY_S:
            return False
        self._path.unlink(missing_ok=True)
        return True

    @property
    def is_lost(self) -> bool:
        """Whether another run may have taken it over meanwhile."""
        return not self._lock.is_locked or self._lock.compromise is not None

    def give_back(self) -> None:
        """Release it."""
        with suppress(OSError):
            self._lock.release()


def sweep_leases(folder: Path, is_ended: Callable[[str], bool]) -> None:
    """Remove leases that killed runs left on cases that have ended.

    Args:
        folder: Folder of all leases.
        is_ended: Says of a case's id whether the case has ended.
    """
    for path in list(folder.glob("*.lock")):
        if is_ended(path.stem):
            with suppress(OSError):
                if not path.stat().st_size:
                    path.unlink()
                    continue
            lease = Lease(folder, path.stem)
            if lease.take(SWEEP_S):
                lease.give_back()
