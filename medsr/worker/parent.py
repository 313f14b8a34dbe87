"""A child process that loads what is slow to load once, takes jobs, reports, and can be stopped within a second.

The parent stays light (no torch here), is never blocked, and learns of every ending: done, failed, cancelled, died.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GRACE_S = 0.6  # from the polite signal to the hard one; together with the clean-up below a second
BEHIND_A_VIEWER = 5  # niceness: who looks at scans comes before what is computed
ENDINGS = ("done", "failed", "cancelled", "died")


@dataclass(frozen=True)
class Event:
    """What happened to a job.

    Attributes:
        kind: One of `ENDINGS`, or the kind of report that the job makes while it runs.
        content: What it says; failed, cancelled and died hold a `message` of one line.
    """

    kind: str
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def is_last(self) -> bool:
        """Whether no further event of the job follows."""
        return self.kind in ENDINGS


OnEvent = Callable[[Event], None]
"""Called on a thread of the worker's, not on the caller's."""


class WarmWorker:
    """One child process (`medsr.worker.child`), started when it is first needed and again after it ended.

    Args:
        module: Dotted name of the module with `start` and `JOBS`.
        options: Options for its `start`, which also gets the `folder`.
        log: File that gets what the child prints; None throws it away.
        niceness: How far everything else on the machine comes first.
    """

    def __init__(
        self,
        module: str,
        options: Mapping[str, Any] | None = None,
        log: Path | None = None,
        niceness: int = BEHIND_A_VIEWER,
    ) -> None:
        self._log = log
        self._folder = Path(tempfile.mkdtemp(prefix="medsr-"))
        given = json.dumps({"folder": str(self._folder), **(options or {})})
        self._command = [sys.executable, "-m", "medsr.worker.child", module, given, str(niceness)]
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._waiting: dict[int, tuple[subprocess.Popen[str], OnEvent]] = {}
        self._ended: tuple[subprocess.Popen[str], Event] | None = None
        self._number = 0

    @property
    def folder(self) -> Path:
        """A private folder for what is too large for a message; it goes with the worker, or else with the child."""
        return self._folder

    @property
    def pid(self) -> int | None:
        """Id of the child, None where none runs."""
        with self._lock:
            return None if self._process is None or self._process.poll() is not None else self._process.pid

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended."""
        with self._lock:
            return bool(self._waiting)

    def warm(self) -> None:
        """Start the child where none runs, so that the first job need not wait for it."""
        self._running()

    def submit(self, job: str, content: dict[str, Any], on_event: OnEvent, *, follows: bool = False) -> None:
        """Queue a job of the module's table.

        Args:
            job: Name in the module's table.
            content: Request, as JSON takes it.
            on_event: Called with each event, the ending last.
            follows: Whether the job needs what earlier ones left in the child, so that a new child can't do it; where
                that child has ended, `on_event` gets its ending, perhaps before this returns.
        """
        with self._lock:
            process = self._process if follows and self._process is not None else self._running()
            ending = self._ended[1] if self._ended is not None and self._ended[0] is process else None
            if ending is None:
                self._number += 1
                self._waiting[self._number] = (process, on_event)
                line = json.dumps({"number": self._number, "job": job, "content": content}) + "\n"
        if ending is not None:
            on_event(ending)
            return
        if process.stdin is not None:
            with suppress(OSError, ValueError):  # it died meanwhile, which `_listen` reports
                process.stdin.write(line)
                process.stdin.flush()

    def cancel(self) -> None:
        """End every job within a second, and the child with them; returns when it is gone."""
        self._end("cancelled; nothing was changed")

    def close(self) -> None:
        """End the child and remove the folder."""
        self._end("closed")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _running(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                with Path(os.devnull if self._log is None else self._log).open("ab") as log:
                    self._process = subprocess.Popen(
                        self._command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        encoding="utf-8",
                        start_new_session=True,  # Ctrl-C in the viewer's terminal is the viewer's
                    )
                threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
            return self._process

    def _end(self, message: str) -> None:
        with self._lock:
            process, self._process = self._process, None
            listeners = [] if process is None else self._taken(process)
        if process is not None:
            _stop(process)
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)
        for on_event in listeners:
            on_event(Event("cancelled", {"message": message}))

    def _taken(self, process: subprocess.Popen[str]) -> list[OnEvent]:
        """Take the jobs of a child that has ended off the list."""
        numbers = [number for number, (owner, _) in self._waiting.items() if owner is process]
        return [self._waiting.pop(number)[1] for number in numbers]

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """Hand on what the child says, and its death."""
        refusal = ""
        assert process.stdout is not None and process.stdin is not None
        for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # the last words of a killed child
            if message["number"] == 0:
                refusal = message["content"].get("message", "")
            else:
                self._pass_on(message["number"], Event(message["kind"], message["content"]))
        process.wait()
        process.stdout.close()
        with suppress(OSError):
            process.stdin.close()
        died = Event("died", {"message": _died(process), "code": process.returncode})
        ending = Event("failed", {"message": refusal}) if refusal else died
        with self._lock:
            self._ended = process, ending
            listeners = self._taken(process)
        for on_event in listeners:
            on_event(ending)

    def _pass_on(self, number: int, event: Event) -> None:
        with self._lock:
            owner = self._waiting.pop(number, None) if event.is_last else self._waiting.get(number)
        if owner is not None:
            owner[1](event)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _died(process: subprocess.Popen[str]) -> str:
    code = process.returncode
    if code is not None and code < 0 and os.name == "posix":
        name = signal.Signals(-code).name
        often = ", often because memory ran out" if name == "SIGKILL" else ""
        return f"the computing process was ended by {name}{often}; nothing was changed, try again or a smaller region"
    return f"the computing process ended with code {code}; nothing was changed, try again"
